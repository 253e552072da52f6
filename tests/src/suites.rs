//! The suites: a module each, a list of cases for each of their files.

use crate::Case;

mod access_log;
mod admin;
mod algorithms;
mod balance;
mod c10k;
mod failover;
mod files;
mod forward;
mod framing;
mod health;
mod identity;
mod layer4;
mod limits;
mod live;
mod local_reply;
mod log_file;
mod metrics;
mod overload;
mod pooling;
mod proxy;
mod proxy_protocol;
mod rate_limit;
mod retry;
mod robustness;
mod routing;
mod smuggling;
mod sockets;
mod sticky;
mod support;
mod udp;
mod zero_copy;

/// The cases of each file of each suite, in the order they are printed.
const FILES: &[&[Case]] = &[
    sockets::streams::CASES,
    sockets::clients::CASES,
    sockets::datagrams::CASES,
    sockets::shutdown::CASES,
    sockets::programs::CASES,
    proxy::connections::CASES,
    proxy::messages::CASES,
    proxy::interim::CASES,
    proxy::fields::CASES,
    proxy::forwarded::CASES,
    proxy::upgrade::CASES,
    proxy::unreachable::CASES,
    proxy::peers::CASES,
    proxy::cli::CASES,
    forward::requests::CASES,
    forward::refused::CASES,
    forward::tunnels::CASES,
    forward::tunnel_ends::CASES,
    forward::access::CASES,
    forward::program::CASES,
    forward::peers::CASES,
    framing::bodies::CASES,
    framing::splits::CASES,
    framing::reframing::CASES,
    framing::duplex::CASES,
    framing::early::CASES,
    framing::truncated::CASES,
    framing::large::CASES,
    smuggling::start_line::CASES,
    smuggling::target::CASES,
    smuggling::fields::CASES,
    smuggling::lengths::CASES,
    smuggling::limits::CASES,
    smuggling::chunks::CASES,
    smuggling::truncated::CASES,
    smuggling::legal::CASES,
    smuggling::response_heads::CASES,
    smuggling::response_bodies::CASES,
    robustness::deadlines::CASES,
    robustness::stalled::CASES,
    robustness::cancel::CASES,
    robustness::phases::CASES,
    robustness::signals::CASES,
    robustness::drain::CASES,
    robustness::fuzz::CASES,
    robustness::workers::CASES,
    balance::CASES,
    failover::CASES,
    algorithms::CASES,
    algorithms::hashes::CASES,
    algorithms::workers::CASES,
    health::probes::CASES,
    health::checks::CASES,
    health::traffic::CASES,
    health::responses::CASES,
    retry::rules::CASES,
    retry::idle::CASES,
    retry::budget::CASES,
    retry::breaker::CASES,
    retry::killed::CASES,
    retry::endurance::CASES,
    sticky::cookie::CASES,
    sticky::affinity::CASES,
    sticky::source::CASES,
    sticky::workers::CASES,
    routing::conditions::CASES,
    routing::paths::CASES,
    routing::groups::CASES,
    routing::refused::CASES,
    limits::slots::CASES,
    limits::queue::CASES,
    limits::descriptors::CASES,
    limits::disconnects::CASES,
    limits::workers::CASES,
    identity::CASES,
    admin::changes::CASES,
    admin::traffic::CASES,
    admin::access::CASES,
    c10k::idle::CASES,
    c10k::memory::CASES,
    c10k::fairness::CASES,
    c10k::files::CASES,
    pooling::reuse::CASES,
    pooling::limits::CASES,
    pooling::stale::CASES,
    pooling::shared::CASES,
    pooling::crossed::CASES,
    rate_limit::answers::CASES,
    rate_limit::keys::CASES,
    rate_limit::rules::CASES,
    rate_limit::slow::CASES,
    rate_limit::bandwidth::CASES,
    overload::goodput::CASES,
    overload::queue::CASES,
    metrics::exposition::CASES,
    metrics::pools::CASES,
    metrics::requests::CASES,
    metrics::sums::CASES,
    metrics::bounded::CASES,
    metrics::endpoints::CASES,
    metrics::terminal_view::CASES,
    metrics::monitoring::CASES,
    access_log::lines::CASES,
    access_log::ends::CASES,
    access_log::files::CASES,
    access_log::stalled::CASES,
    access_log::recent::CASES,
    access_log::options::CASES,
    live::document::CASES,
    live::streams::CASES,
    live::page::CASES,
    live::browser::CASES,
    live::screenshot::CASES,
    layer4::relay::CASES,
    layer4::ends::CASES,
    layer4::choosing::CASES,
    layer4::program::CASES,
    layer4::server_name::CASES,
    layer4::log::CASES,
    layer4::load::CASES,
    udp::flows::CASES,
    udp::datagrams::CASES,
    udp::limits::CASES,
    udp::backends_down::CASES,
    udp::ends::CASES,
    udp::program::CASES,
    udp::peers::CASES,
    proxy_protocol::CASES,
    proxy_protocol::http::CASES,
    proxy_protocol::http_ends::CASES,
    zero_copy::bodies::CASES,
    zero_copy::slow_readers::CASES,
    files::bodies::CASES,
    files::conditions::CASES,
    files::ranges::CASES,
    files::paths::CASES,
    files::traversal::CASES,
    files::requests::CASES,
    files::slow::CASES,
    files::peers::CASES,
    files::browser::CASES,
    files::program::CASES,
];

/// Every case of every suite.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    FILES.iter().copied().flatten().copied()
}
