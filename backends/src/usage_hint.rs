//! What a program prints when it has started bundled backends.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use common::cli::InProcessBackends;

use crate::BundledBackends;

impl BundledBackends {
    /// The lines printed when a balancer on `balancer` was started without backends: the addresses, a request to try,
    /// and a way to break something.
    pub fn usage_hint(&self, mut balancer: SocketAddr) -> String {
        // The unspecified address is fine to listen on, but not every system can connect to it.
        if balancer.ip().is_unspecified() {
            balancer.set_ip(if balancer.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let mut text = String::from("no backend was named, so these run in this process:\n");
        let mut line =
            |args: std::fmt::Arguments<'_>| writeln!(text, "{args}").expect("writing to a String cannot fail");
        for backend in self.backends() {
            line(format_args!("  {} on {}", backend.id(), backend.addr()));
        }
        for port in self.unavailable_ports() {
            line(format_args!("  (port {port} is taken; a free one serves in its place)"));
        }
        line(format_args!("try this:        curl http://{balancer}/"));
        if let Some(first) = self.backends().first() {
            line(format_args!("break something: curl -X POST 'http://{}/_fault/down?for=10s'", first.addr()));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl InProcessBackends for BundledBackends {
    fn addrs(&self) -> Vec<SocketAddr> {
        self.addrs()
    }

    fn usage_hint(&self, balancer: SocketAddr) -> String {
        self.usage_hint(balancer)
    }
}
