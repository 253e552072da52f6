//! What observes requests: the metrics, the header that says why, the access log.

use connection_pooling::Server;
use rate_limiting::filter::RateLimits;

use crate::{access_log::AccessLog, end_header::EndHeader, record::Metrics};

/// What observes requests. It stands before the limits, so it sees those that they refuse too.
pub type Observers = (Metrics, (EndHeader, AccessLog));

/// The engine with its filters.
pub type ObservedServer = Server<(Observers, RateLimits)>;

/// The metrics of a server.
pub fn metrics(server: &ObservedServer) -> &Metrics {
    &server.filter().0.0
}

/// Its access log.
pub fn access_log(server: &ObservedServer) -> &AccessLog {
    &server.filter().0.1.1
}

/// Its limits.
pub fn limits(server: &ObservedServer) -> &RateLimits {
    &server.filter().1
}
