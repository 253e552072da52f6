//! A request whose connect is in progress, until its exchange starts.

use std::time::Duration;

use advanced_features::{balance::group::InFlightGuard, request::attempt::Attempt};
use common::http::{ExchangeTimeouts, FailureKind, Side};

use super::{
    state::{ConnectWait, Request, State},
    transition::Transition,
    wait::check_client_abort,
};
use crate::{
    downstream::{client_connection::ClientConnection, respond_and_close},
    upstream::{connect::ConnectProgress, per_client_pool::UpstreamConnection},
    worker::context::WorkerContext,
};

/// How long a request that gets no descriptor waits before it tries again: the workers close idle connections. It gives
/// up after the connect timeout.
const FD_RETRY_DELAY: Duration = Duration::from_millis(10);

/// Continues a connect. A failed connect opens the backend's connect breaker; nothing was sent, so any request may go
/// to another backend, even a POST.
pub(crate) fn advance(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    mut request: Box<Request>,
    mut connecting: Box<ConnectWait>,
) -> Transition {
    let key = connection.key;
    let progress = connecting.connecting.advance(worker.now, &worker.registry, key, || connection.next_socket_id());
    let error = match progress {
        Ok(ConnectProgress::Connected(upstream)) => {
            return start_exchange(worker, request, connecting.in_flight, upstream, false);
        }
        Ok(ConnectProgress::Pending(deadline)) => {
            return match check_client_abort(connection) {
                Some(error) => respond_and_close::start_local_reply(request, &error),
                None => Transition::Wait(State::Connecting(request, connecting), deadline),
            };
        }
        Err(error) => error,
    };
    let ConnectWait { in_flight, .. } = *connecting;
    worker.balancer.record_connect(in_flight.backend(), Some(&error), worker.now);
    if error.kind == FailureKind::ResourceExhausted {
        let connect_timeout = worker.balancer.config().timeouts.connect;
        if worker.now < *request.fd_wait_ends.get_or_insert(worker.now + connect_timeout) {
            worker.fd_exhausted = true;
            request.ctx().keep_slot(in_flight);
            return Transition::Wait(State::Choosing(request), worker.now + FD_RETRY_DELAY);
        }
    }
    if error.side != Side::Backend {
        return respond_and_close::start_local_reply(request, &error.into());
    }
    request.ctx().exclude_backend(in_flight.backend(), error);
    Transition::To(State::Choosing(request))
}

/// Starts the exchange over an established connection.
pub(crate) fn start_exchange(
    worker: &mut WorkerContext,
    mut request: Box<Request>,
    in_flight: InFlightGuard,
    upstream: UpstreamConnection,
    reused: bool,
) -> Transition {
    worker.balancer.record_connect(in_flight.backend(), None, worker.now);
    in_flight.backend().totals.count_request();
    request.relay.attempt(reused);
    request.relay.clear_response_fields();
    if let Some(cookie) = request.ctx().set_cookie_for(in_flight.backend()) {
        request.relay.add_response_field("Set-Cookie", &cookie);
    }
    let started = request.started_at.unwrap_or(worker.now);
    request.attempt = Some(Attempt::new(in_flight, upstream, reused, started, worker.now));
    (request.exchange_timeouts, request.first_byte_at) = (ExchangeTimeouts::new(), None);
    Transition::To(State::Exchanging(request))
}
