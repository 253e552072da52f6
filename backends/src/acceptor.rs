//! The task that owns a backend's listening socket, and the only one that changes its fault.

use std::sync::Arc;
use std::time::Duration;
use std::{future, io};

use axum::Router;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use crate::connection;
use crate::fault::{Command, Fault};
use crate::port_reservation::{Listener, PortReservation};
use crate::routes;
use crate::state::State;

/// The pause after a failed accept, which usually means that the file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Accepts connections and executes [`Command`]s.
#[derive(Debug)]
pub(crate) struct Acceptor {
    port: PortReservation,
    /// `None` while the backend is down.
    listener: Option<Listener>,
    commands: mpsc::UnboundedReceiver<Command>,
    recover_at: Option<Instant>,
    state: Arc<State>,
    router: Router,
}

impl Acceptor {
    /// Must be called inside a runtime, which registers the listener.
    pub(crate) fn new(
        port: PortReservation,
        listener: std::net::TcpListener,
        commands: mpsc::UnboundedReceiver<Command>,
        state: Arc<State>,
    ) -> io::Result<Self> {
        let listener = Some(Listener::new(listener)?);
        let router = routes::router(Arc::clone(&state));
        Ok(Self { port, listener, commands, recover_at: None, state, router })
    }

    /// Runs until it is dropped: the registry holds a sender of `commands`, so the channel never closes.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => {
                    (command.done)(self.apply(command.fault, command.recover_after));
                }
                () = at(self.recover_at) => {
                    if let Err(error) = self.apply(Fault::None, None) {
                        warn!(backend = self.state.id, %error, "cannot listen again, will retry");
                        self.recover_at = Some(Instant::now() + ACCEPT_PAUSE);
                    }
                }
                accepted = accept(self.listener.as_ref()) => match accepted {
                    Ok(stream) => self.serve(stream),
                    Err(error) => {
                        warn!(backend = self.state.id, %error, "cannot accept");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn serve(&self, stream: TcpStream) {
        let (state, router) = (Arc::clone(&self.state), self.router.clone());
        // Ended by the client, by `down`, or by the end of the runtime.
        tokio::spawn(connection::serve(stream, state, router));
    }

    fn apply(&mut self, fault: Fault, recover_after: Option<Duration>) -> io::Result<()> {
        if fault == Fault::Down {
            // The socket first: a caller that sees the fault must find connects refused.
            self.listener = None;
        } else if self.listener.is_none() {
            self.listener = Some(Listener::new(self.port.listen_again()?)?);
        }
        // A duration beyond the clock's range is the same as none.
        self.recover_at = recover_after.and_then(|after| Instant::now().checked_add(after));
        self.state.fault.send_replace(fault);
        if fault == Fault::Down {
            self.state.down_count.send_modify(|down_count| *down_count += 1);
        }
        Ok(())
    }
}

async fn accept(listener: Option<&Listener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await,
        None => future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => future::pending().await,
    }
}
