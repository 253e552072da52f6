//! What a configuration does with a request, and why it does nothing else with it.
//!
//! [`explain`] follows a request through listener, route, limits, group and backend, as the balancer would, and notes at
//! each choice why the others lost. Nothing is sent. Without a running balancer all backends are taken for healthy.

mod candidates;
mod expectation;
mod report;
mod request;
mod routes;

use std::net::IpAddr;

pub use expectation::{Expectation, ExpectationError};
pub use report::{BackendReport, Explanation, LimitReport, RouteReport, Verdict};
pub use request::{Request, RequestError};

use crate::settings::{Listener, Protocol, Settings};

/// Why there is nothing to explain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// No http listener, or none of this name.
    #[error("there is no http listener{0}")]
    NoListener(String),
    /// Which one the request comes in at is not known.
    #[error("several http listeners could get this request: {0}; choose one with --listener")]
    WhichListener(String),
}

/// Follows `request` of the client `from`. `listener`: the name of the listener it comes in at; `None`: the only one, or
/// the one with the port of the request's URL.
///
/// # Errors
/// The listener is not known.
pub fn explain(
    settings: &Settings,
    request: &Request,
    from: IpAddr,
    listener: Option<&str>,
) -> Result<Explanation, ExplainError> {
    let listener = choose_listener(settings, request, listener)?;
    Ok(request.with_info(from, |info| match info {
        Ok(info) => routes::explain(settings, listener, info),
        Err(refused) => Explanation::refused(listener, 400, refused),
    }))
}

fn choose_listener<'a>(settings: &'a Settings, request: &Request, name: Option<&str>) -> Result<&'a str, ExplainError> {
    let is_http = |listener: &Listener| listener.protocol == Protocol::Http;
    let all: Vec<_> = settings.listeners.iter().filter(|(_, listener)| is_http(listener)).collect();
    let found: Vec<_> = match (name, all.as_slice()) {
        (Some(name), _) => all.iter().filter(|(known, _)| known.as_str() == name).collect(),
        (None, [only]) => vec![only],
        (None, _) => all.iter().filter(|(_, listener)| Some(listener.address.port()) == request.port()).collect(),
    };
    let names = |listeners: &[&(&String, &Listener)]| {
        listeners.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (found.as_slice(), all.is_empty(), name) {
        ([(name, _)], ..) => Ok(name),
        ([], false, None) => Err(ExplainError::WhichListener(names(&all.iter().collect::<Vec<_>>()))),
        ([], ..) => Err(ExplainError::NoListener(name.map_or_else(String::new, |name| format!(" '{name}'")))),
        (several, ..) => Err(ExplainError::WhichListener(names(several))),
    }
}
