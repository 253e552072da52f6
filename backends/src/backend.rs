//! One backend that runs in this process.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::sync::{mpsc, watch};

use crate::acceptor::Acceptor;
use crate::backend_registry::{BackendRegistry, RegisteredBackend};
use crate::counters::{Counters, Counts};
use crate::fault::{Command, Fault};
use crate::port_reservation::PortReservation;
use crate::runtime_thread::RuntimeThread;
use crate::state::State;

/// A backend's address and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendConfig {
    /// The address to bind; 127.0.0.1 by default.
    pub bind: IpAddr,
    /// The port; 0, the default, means an ephemeral port.
    pub port: u16,
    /// Its id, in `X-Server-ID` and in the JSON of `/`; `backend-1` by default.
    pub id: String,
}

impl Default for BackendConfig {
    fn default() -> Self {
        Self { bind: Ipv4Addr::LOCALHOST.into(), port: 0, id: "backend-1".to_owned() }
    }
}

/// A running backend, on its own thread and runtime. Dropping it stops it.
#[derive(Debug)]
pub struct Backend {
    state: Arc<State>,
    commands: mpsc::UnboundedSender<Command>,
    _thread: RuntimeThread,
}

impl Backend {
    /// Starts a backend; it listens when this returns.
    ///
    /// Fails if the address cannot be bound, and the error names it; or with `InvalidInput` for an id that is not a
    /// valid header value.
    pub fn start(config: BackendConfig) -> io::Result<Self> {
        Self::start_in(BackendRegistry::default(), config)
    }

    /// Starts a backend whose fault the others of `registry` can set and clear.
    pub(crate) fn start_in(registry: BackendRegistry, config: BackendConfig) -> io::Result<Self> {
        let id_field = HeaderValue::from_str(&config.id)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{:?} cannot be an id", config.id)))?;
        let (port, listener) = PortReservation::bind_and_listen(SocketAddr::new(config.bind, config.port))?;
        let (commands, received) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            id: config.id,
            id_field,
            addr: port.addr(),
            counters: Counters::default(),
            fault: watch::Sender::default(),
            down_count: watch::Sender::default(),
            registry,
        });
        let shared = Arc::clone(&state);
        let thread =
            RuntimeThread::spawn(&state.id, move || Ok(Acceptor::new(port, listener, received, shared)?.run()))?;
        state.registry.register(RegisteredBackend {
            id: state.id.clone(),
            addr: state.addr,
            commands: commands.clone(),
        });
        Ok(Self { state, commands, _thread: thread })
    }

    /// Its address, with the actual port.
    pub fn addr(&self) -> SocketAddr {
        self.state.addr
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.state.id
    }

    /// All counters, read together.
    pub fn counts(&self) -> Counts {
        self.state.counters.read()
    }

    /// Requests received, except for `/health`, `/count` and `/_fault/*`.
    pub fn requests(&self) -> u64 {
        self.counts().requests
    }

    /// Connections accepted since the start.
    pub fn connections(&self) -> u64 {
        self.counts().connections
    }

    /// Requests whose response is not yet sent whole.
    pub fn in_flight(&self) -> u64 {
        self.counts().in_flight
    }

    /// The current fault.
    pub fn fault(&self) -> Fault {
        *self.state.fault.borrow()
    }

    /// Sets a fault, or clears it with [`Fault::None`]. When this returns, the fault applies to every request that
    /// arrives and, for [`Fault::Down`], connects are refused; open connections are closed at once, but not necessarily
    /// before the return.
    ///
    /// Can fail only when it comes up again from [`Fault::Down`].
    pub fn set_fault(&self, fault: Fault) -> io::Result<()> {
        self.command(fault, None)
    }

    /// Like [`set_fault`](Self::set_fault), and clears the fault after `time`.
    pub fn set_fault_for(&self, fault: Fault, time: Duration) -> io::Result<()> {
        self.command(fault, Some(time))
    }

    fn command(&self, fault: Fault, recover_after: Option<Duration>) -> io::Result<()> {
        let gone = || io::Error::other("the backend's thread has ended");
        // A std channel: waiting on tokio's would panic when the caller is itself on a runtime.
        let (done, applied) = std_mpsc::sync_channel(1);
        let done = Box::new(move |outcome| drop(done.send(outcome)));
        self.commands.send(Command { fault, recover_after, done }).map_err(|_| gone())?;
        applied.recv().map_err(|_| gone())?
    }

    /// Stops it: when this returns, its sockets are closed and its thread has been joined. Dropping does the same.
    pub fn stop(self) {}
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.state.registry.unregister(self.state.addr);
    }
}
