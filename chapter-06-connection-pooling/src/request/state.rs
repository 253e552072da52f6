//! The state of a request from its head to its record.

use std::time::Instant;

use advanced_features::request::{attempt::Attempt, context::RequestContext};
use common::http::{ExchangeTimeouts, Relay};

use crate::upstream::connection::UpstreamConnection;

/// A request, from its head to its record.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) relay: Relay,
    pub(crate) exchange_timeouts: ExchangeTimeouts,
    /// `None` for an invalid request.
    pub(crate) ctx: Option<RequestContext>,
    pub(crate) attempt: Option<Attempt<UpstreamConnection>>,
    /// When its first byte arrived.
    pub(crate) started_at: Instant,
    /// When it was last polled.
    pub(crate) polled_at: Instant,
    /// When the first byte of its response arrived.
    pub(crate) first_byte_at: Option<Instant>,
}

impl Request {
    pub(crate) fn new(started_at: Instant) -> Self {
        let (relay, exchange_timeouts) = (Relay::new(), ExchangeTimeouts::new());
        Self {
            relay,
            exchange_timeouts,
            ctx: None,
            attempt: None,
            started_at,
            polled_at: started_at,
            first_byte_at: None,
        }
    }

    /// Its routing and balancing context.
    pub(crate) fn ctx(&mut self) -> &mut RequestContext {
        self.ctx.as_mut().expect("every parsed request has been routed")
    }
}
