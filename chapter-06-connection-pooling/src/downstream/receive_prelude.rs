//! Waits for the prelude of a client's connection, which names the client.
//!
//! Until then the connection is a task that waits, as an idle client is, and holds no worker. What ends the wait: the
//! prelude, an error of the socket, the deadline, and the shutdown.

use std::{pin::pin, task::Poll, time::Instant};

use common::{clock::now, http::AfterClient, shutdown::ShutdownStage, timeouts::DRAIN_IDLE_TIMEOUT};

use super::client_connection::ClientConnection;
use crate::{
    accept_prelude::{AcceptPrelude as _, ConnectionInfo, PreludeError},
    engine::Engine,
    timer::poll_fn_with_now,
    worker::context::WorkerContext,
};

/// Waits for the prelude of `client`, whose first poll was at its `timeout_start`. Returns what to do with it: requests
/// follow if it is to be kept alive.
pub(crate) async fn receive_prelude<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
) -> AfterClient {
    let info = wait_for_prelude(worker, client).await;
    worker.prelude.on_end(info.as_ref().map(drop).map_err(|error| *error));
    match info {
        Ok(info) => match client.identify(info, now()) {
            Ok(()) => AfterClient::KeepAlive,
            Err(_refused) => AfterClient::Abort,
        },
        Err(PreludeError::Drained) => AfterClient::Linger,
        Err(_) => AfterClient::Abort,
    }
}

async fn wait_for_prelude<E: Engine>(
    worker: &WorkerContext<E>,
    client: &mut ClientConnection<E>,
) -> Result<ConnectionInfo, PreludeError> {
    let ClientConnection { stream, timer, guard, client_address, timeout_start: started, .. } = client;
    let (stream, started) = (&*stream, *started);
    let peer = stream.peer_addr().map_err(|_| PreludeError::ClientReset)?;
    let mut reading = pin!(worker.prelude.read(stream, peer, client_address.local_addr()));
    poll_fn_with_now(
        started,
        || worker.begin_poll(),
        |context, now| {
            guard.set_waker(context);
            if worker.stage() == ShutdownStage::Stopping {
                return Poll::Ready(Err(PreludeError::Drained));
            }
            if let Poll::Ready(info) = reading.as_mut().poll(context) {
                return Poll::Ready(info);
            }
            let (deadline, error) = deadline(started + worker.prelude.timeout(), started, worker.drain_started_at());
            timer.poll(deadline, now, context).map(|()| Err(error))
        },
    )
    .await
}

/// Until when a connection that was first polled at `started` may send its prelude, and what it is then. Once the process
/// drains, it has as long as an idle client: its request may be in flight.
fn deadline(deadline: Instant, started: Instant, drain_started: Option<Instant>) -> (Instant, PreludeError) {
    let drained = drain_started.map(|drain_started| drain_started.max(started) + DRAIN_IDLE_TIMEOUT);
    match drained {
        Some(drained) if drained < deadline => (drained, PreludeError::Drained),
        _ => (deadline, PreludeError::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_drain_shortens_the_wait_and_never_prolongs_it() {
        let start = now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for (drain_started, expected) in [
            (None, (at(5), PreludeError::TimedOut)),
            (Some(at(2)), (at(3), PreludeError::Drained)),
            (Some(at(4)), (at(5), PreludeError::TimedOut)),
            (Some(at(7)), (at(5), PreludeError::TimedOut)),
        ] {
            assert_eq!(deadline(at(5), start, drain_started), expected);
        }
        let accepted_in_the_drain = deadline(at(8), at(3), Some(start));
        assert_eq!(accepted_in_the_drain, (at(4), PreludeError::Drained));
    }
}
