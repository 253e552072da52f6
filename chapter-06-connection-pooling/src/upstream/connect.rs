//! Connects to a backend without blocking the worker.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use common::{
    clock::now,
    http::ProxyError,
    net::{ConnectAttempt, ConnectPlan, ConnectStep, check_not_self_connect, connect_nonblocking},
};
use tokio::{net::TcpStream, time::timeout_at};

/// Carries out `plan`, which says what address to try when. Cancel safe: dropping it aborts the handshakes.
///
/// # Errors
/// Side `Backend` when no address answered; `Internal` when this process can open no more sockets.
pub async fn connect(mut plan: ConnectPlan<TcpStream>) -> Result<ConnectAttempt<TcpStream>, ProxyError> {
    loop {
        match plan.next_step(now()) {
            ConnectStep::Start(address) => match start_connect(address) {
                Ok(stream) => plan.started(stream),
                Err(error) => plan.start_failed(error),
            },
            ConnectStep::Wait(until) => {
                let any_ended = poll_fn(|context| poll_any(plan.pending(), context));
                let Ok((ended, result)) = timeout_at(until.into(), any_ended).await else { continue };
                match result {
                    Ok(()) => return Ok(plan.succeed(ended, now())),
                    Err(error) => plan.fail(ended, error, now()),
                }
            }
            ConnectStep::Failed(error) => return Err(error),
        }
    }
}

fn start_connect(address: SocketAddr) -> io::Result<TcpStream> {
    // Established at once or later: the poller reports it.
    TcpStream::from_std(connect_nonblocking(address)?)
}

/// Ready when one of the handshakes has ended, with its position and its result.
fn poll_any(pending: &[ConnectAttempt<TcpStream>], context: &mut Context<'_>) -> Poll<(usize, io::Result<()>)> {
    for (position, attempt) in pending.iter().enumerate() {
        if let Poll::Ready(result) = poll_connected(attempt, context) {
            return Poll::Ready((position, result));
        }
    }
    Poll::Pending
}

fn poll_connected(attempt: &ConnectAttempt<TcpStream>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    let stream = &attempt.socket;
    ready!(stream.poll_write_ready(context))?;
    if let Some(error) = stream.take_error()? {
        return Poll::Ready(Err(error));
    }
    Poll::Ready(check_not_self_connect(stream.local_addr()?, attempt.address))
}
