//! The state of a request from its head to its record.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use advanced_features::request::{attempt::Attempt, context::RequestContext};
use common::http::{ExchangeTimeouts, LocalReply, Relay};

use super::own_time::OwnTime;
use crate::{
    engine::{Engine, FilterState, SpliceState},
    upstream::connection::UpstreamConnection,
};

/// A request, from its head to its record.
#[derive(Debug)]
pub(crate) struct Request<E: Engine> {
    pub(crate) relay: Relay,
    pub(crate) exchange_timeouts: ExchangeTimeouts,
    /// `None` for an invalid request.
    pub(crate) ctx: Option<RequestContext>,
    pub(crate) attempt: Option<Attempt<UpstreamConnection>>,
    /// The reply of the filter that refused it.
    pub(crate) refusal: Option<LocalReply>,
    pub(crate) filter_state: FilterState<E>,
    pub(crate) splice_state: SpliceState<E>,
    /// The address of its client's socket, or the one that the connection's prelude has named.
    pub(crate) peer: IpAddr,
    /// The length of its head as it was received; 0 for an invalid one.
    pub(crate) head_bytes: usize,
    /// When its first byte arrived.
    pub(crate) started_at: Instant,
    /// When it was last polled.
    pub(crate) polled_at: Instant,
    /// When the first byte of its response arrived.
    pub(crate) first_byte_at: Option<Instant>,
    /// When the last attempt began, and when it had its connection.
    pub(crate) attempt_started_at: Instant,
    pub(crate) connected_at: Option<Instant>,
    /// What the balancer has computed for it.
    pub(crate) own_time: OwnTime,
    /// The filters have been told the outcome of `attempt`.
    pub(crate) attempt_is_reported: bool,
}

impl<E: Engine> Request<E> {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            relay: Relay::new(),
            exchange_timeouts: ExchangeTimeouts::new(),
            ctx: None,
            attempt: None,
            refusal: None,
            filter_state: FilterState::<E>::default(),
            splice_state: SpliceState::<E>::default(),
            peer: Ipv4Addr::UNSPECIFIED.into(),
            head_bytes: 0,
            started_at: now,
            polled_at: now,
            first_byte_at: None,
            attempt_started_at: now,
            connected_at: None,
            own_time: OwnTime::new(now),
            attempt_is_reported: false,
        }
    }

    /// Its routing and balancing context.
    pub(crate) fn ctx(&mut self) -> &mut RequestContext {
        self.ctx.as_mut().expect("every parsed request has been routed")
    }
}
