//! Several UDP echo servers that were started together.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use common::cli::InProcessBackends;

use crate::udp_echo::UdpEcho;

/// UDP echo servers with names. Dropping it stops all of them.
#[derive(Debug)]
pub struct BundledUdpEchoes(Vec<UdpEcho>);

/// Starts `echo-1` to `echo-{count}` on 127.0.0.1, on `first_port` and the ports after it. One whose port is in use gets
/// an ephemeral port instead.
pub fn start_udp_echoes(count: u16, first_port: u16) -> io::Result<BundledUdpEchoes> {
    let start = |index: u16| {
        let name = format!("echo-{}", index + 1);
        let start_on = |port| UdpEcho::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Some(&name));
        match start_on(first_port.checked_add(index).unwrap_or(0)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => start_on(0),
            started => started,
        }
    };
    Ok(BundledUdpEchoes((0..count).map(start).collect::<io::Result<_>>()?))
}

impl InProcessBackends for BundledUdpEchoes {
    fn addrs(&self) -> Vec<SocketAddr> {
        self.0.iter().map(UdpEcho::addr).collect()
    }

    fn usage_hint(&self, balancer: SocketAddr) -> String {
        let mut text = String::from("no backend was named, so these run in this process:\n");
        for echo in &self.0 {
            let name = echo.name().unwrap_or_default();
            writeln!(text, "  {name} on {} (UDP)", echo.addr()).expect("writing to a String cannot fail");
        }
        let host = match balancer {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            other => other.ip(),
        };
        text + &format!("try this:        echo hello | nc -u -w 1 {host} {}", balancer.port())
    }
}
