//! Several backends that were started together.

use std::io;
use std::net::SocketAddr;

use crate::backend::{Backend, BackendConfig};
use crate::fleet::Fleet;

/// Backends that can set each other's faults: `POST /_fault/up?id=backend-2` to any of them reaches the one that is
/// down. Dropping it stops all of them.
#[derive(Debug)]
pub struct Bundle {
    backends: Vec<Backend>,
    taken: Vec<u16>,
}

impl Bundle {
    /// Starts one backend per configuration: all of them, or none and the first error.
    pub fn start(configs: impl IntoIterator<Item = BackendConfig>) -> io::Result<Self> {
        let fleet = Fleet::default();
        let started = configs.into_iter().map(|config| Backend::start_in(fleet.clone(), config));
        Ok(Self { backends: started.collect::<io::Result<_>>()?, taken: Vec::new() })
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
    pub fn taken(&self) -> &[u16] {
        &self.taken
    }

    /// Stops all of them and waits for their threads. Dropping does the same.
    pub fn stop(self) {}
}

/// Starts `backend-1` to `backend-{count}` on 127.0.0.1, on `first_port` and the ports after it.
///
/// A backend whose port is in use gets an ephemeral port instead, and the requested port is listed in
/// [`Bundle::taken`]. With `first_port` 0 all ports are ephemeral.
pub fn start_bundled(count: usize, first_port: u16) -> io::Result<Bundle> {
    let fleet = Fleet::default();
    let mut bundle = Bundle { backends: Vec::new(), taken: Vec::new() };
    for index in 0..count {
        let wanted = match first_port {
            0 => 0,
            // After port 65535 there is no next port to request.
            first => u16::try_from(index).ok().and_then(|index| first.checked_add(index)).unwrap_or(0),
        };
        let config = |port| BackendConfig { port, id: format!("backend-{}", index + 1), ..BackendConfig::default() };
        let backend = match Backend::start_in(fleet.clone(), config(wanted)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && wanted != 0 => {
                bundle.taken.push(wanted);
                Backend::start_in(fleet.clone(), config(0))?
            }
            started => started?,
        };
        bundle.backends.push(backend);
    }
    Ok(bundle)
}
