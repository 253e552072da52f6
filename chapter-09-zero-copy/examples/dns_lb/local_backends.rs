//! Backends in this process, each on a loopback address of its own and all on one port.

use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use backends::{Backend, BackendConfig};

/// How many other ports are tried until one is free at all addresses.
const PORT_ATTEMPTS: usize = 16;

/// HTTP servers on 127.0.0.1, 127.0.0.2 and so on. Dropping it stops them.
#[derive(Debug)]
pub(crate) struct LocalBackends(Vec<Backend>);

impl LocalBackends {
    /// Starts `count` backends, on `port` if that is free at all addresses.
    ///
    /// # Errors
    /// An address cannot be bound: other systems than Linux have only 127.0.0.1.
    pub(crate) fn start(count: u8, port: u16) -> io::Result<Self> {
        let mut started = Self::start_on(count, port);
        for _ in 0..PORT_ATTEMPTS {
            match started {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => started = Self::start_on(count, 0),
                other => return other,
            }
        }
        started
    }

    fn start_on(count: u8, mut port: u16) -> io::Result<Self> {
        let mut backends = Vec::new();
        for number in 1..=count {
            let bind = IpAddr::V4(Ipv4Addr::new(127, 0, 0, number));
            let backend = Backend::start(BackendConfig { bind, port, id: format!("backend-{number}") })?;
            port = backend.addr().port();
            backends.push(backend);
        }
        Ok(Self(backends))
    }

    /// The backends.
    pub(crate) fn backends(&self) -> &[Backend] {
        &self.0
    }

    /// Their addresses.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(Backend::addr).collect()
    }

    /// What the user should know: where they are, and how to break one.
    pub(crate) fn usage_hint(&self) -> String {
        let mut text = String::from("no backend was named, so these run in this process:\n");
        for backend in &self.0 {
            writeln!(text, "  {} on {}", backend.id(), backend.addr()).expect("writing to a String cannot fail");
        }
        if let Some(second) = self.0.get(1) {
            let command = format!("break something: curl -X POST http://{}/_fault/down", second.addr());
            text.push_str(&command);
        }
        text
    }
}
