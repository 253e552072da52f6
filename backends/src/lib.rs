#![doc = include_str!("../README.md")]

mod acceptor;
mod backend;
mod backend_registry;
mod body;
mod bundled_backends;
mod bundled_udp_echoes;
mod connection;
mod counters;
mod echo;
mod error_response;
mod fault;
mod fault_api;
mod fault_injecting_stream;
mod port_reservation;
mod query;
mod routes;
mod runtime_thread;
mod state;
mod tcp_echo;
mod udp_echo;
mod usage_hint;

pub use backend::{Backend, BackendConfig};
pub use body::{pattern, pattern_byte};
pub use bundled_backends::{BundledBackends, start_bundled};
pub use bundled_udp_echoes::{BundledUdpEchoes, start_udp_echoes};
pub use counters::Counts;
pub use fault::Fault;
pub use tcp_echo::TcpEcho;
pub use udp_echo::UdpEcho;
