//! Several backends that were started together.

use std::io;
use std::net::SocketAddr;

use crate::backend::{Backend, BackendConfig};
use crate::backend_registry::BackendRegistry;

/// Backends that can set each other's faults: `POST /_fault/up?id=backend-2` to any of them reaches the one that is
/// down. Dropping it stops all of them.
#[derive(Debug)]
pub struct BundledBackends {
    backends: Vec<Backend>,
    unavailable_ports: Vec<u16>,
}

impl BundledBackends {
    /// Starts one backend per configuration: all of them, or none and the first error.
    pub fn start(configs: impl IntoIterator<Item = BackendConfig>) -> io::Result<Self> {
        let registry = BackendRegistry::default();
        let started = configs.into_iter().map(|config| Backend::start_in(registry.clone(), config));
        Ok(Self { backends: started.collect::<io::Result<_>>()?, unavailable_ports: Vec::new() })
    }

    /// The backends, in the order of their ids.
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Their addresses, in the same order.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.backends.iter().map(Backend::addr).collect()
    }

    /// The requested ports that [`start_bundled`] did not get, so that the caller can report them.
    pub fn unavailable_ports(&self) -> &[u16] {
        &self.unavailable_ports
    }

    /// Stops all of them and waits for their threads. Dropping does the same.
    pub fn stop(self) {}
}

/// Starts `backend-1` to `backend-{count}` on 127.0.0.1, on `first_port` and the ports after it.
///
/// A backend whose port is in use gets an ephemeral port instead, and the requested port is listed in
/// [`BundledBackends::unavailable_ports`]. With `first_port` 0 all ports are ephemeral.
pub fn start_bundled(count: usize, first_port: u16) -> io::Result<BundledBackends> {
    let registry = BackendRegistry::default();
    let mut bundled = BundledBackends { backends: Vec::new(), unavailable_ports: Vec::new() };
    for index in 0..count {
        let requested = match first_port {
            0 => 0,
            // After port 65535 there is no next port to request.
            first => u16::try_from(index).ok().and_then(|index| first.checked_add(index)).unwrap_or(0),
        };
        let config = |port| BackendConfig { port, id: format!("backend-{}", index + 1), ..BackendConfig::default() };
        let backend = match Backend::start_in(registry.clone(), config(requested)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && requested != 0 => {
                bundled.unavailable_ports.push(requested);
                Backend::start_in(registry.clone(), config(0))?
            }
            started => started?,
        };
        bundled.backends.push(backend);
    }
    Ok(bundled)
}
