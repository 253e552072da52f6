//! The origins behind the target: separate processes, so that their CPU time is not counted as the load's, and one can
//! be killed.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
};

use serde::Deserialize;

use crate::{
    http,
    process::{Child, Space},
    workload::Origins,
};

/// The counters of origins since their start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Count {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

/// The address before the first one of [`Origins::Addresses`]. On Linux the whole of 127.0.0.0/8 is local.
const BEFORE_ADDRESSES: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 0);

/// All origins of one round.
#[derive(Debug)]
pub(crate) struct Fleet {
    origins: Vec<(Child, SocketAddr)>,
    /// The addresses of [`Origins::Addresses`], all of the one process.
    addresses: Vec<SocketAddr>,
}

impl Fleet {
    pub(crate) fn start(program: &Path, origins: Origins, space: Space<'_>) -> io::Result<Self> {
        let mut fleet = Self { origins: Vec::new(), addresses: Vec::new() };
        for number in 1..=origins.processes() {
            let mut command = Command::new(program);
            command.arg("0");
            match origins {
                Origins::OneSlow { delay } if number == origins.processes() => command.args(["--delay", delay]),
                Origins::Addresses(_) => command.args(["--bind", "0.0.0.0"]),
                Origins::Echo => command.arg("--echo"),
                _ => &mut command,
            };
            let mut child = Child::start(&format!("origin-{number}"), command, space)?;
            let port = child.listening()?.port();
            fleet.origins.push((child, SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
            if let Origins::Addresses(count) = origins {
                fleet.addresses = loopback_addresses(count, port);
            }
        }
        Ok(fleet)
    }

    /// The target's backends.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        if self.addresses.is_empty() {
            self.origins.iter().map(|(_, addr)| *addr).collect()
        } else {
            self.addresses.clone()
        }
    }

    /// Kills the last one.
    pub(crate) fn kill_one(&mut self) {
        self.origins.pop();
    }

    /// The counters of each origin.
    pub(crate) fn count(&self) -> io::Result<Vec<Count>> {
        self.origins.iter().map(|(_, addr)| parse(&http::get(*addr, "/_count")?)).collect()
    }

    /// What the target caused at each origin since `earlier`: between two readings lies one request of ours per origin.
    pub(crate) fn since(&self, earlier: &[Count]) -> io::Result<Vec<Count>> {
        let since = |(now, then): (Count, &Count)| Count {
            connections: (now.connections - then.connections).saturating_sub(1),
            requests: (now.requests - then.requests).saturating_sub(1),
        };
        Ok(self.count()?.into_iter().zip(earlier).map(since).collect())
    }
}

/// 127.0.1.1, 127.0.1.2 and so on.
fn loopback_addresses(count: usize, port: u16) -> Vec<SocketAddr> {
    let numbers = BEFORE_ADDRESSES.to_bits() + 1..;
    numbers.take(count).map(|number| SocketAddr::from((Ipv4Addr::from_bits(number), port))).collect()
}

fn parse(text: &str) -> io::Result<Count> {
    serde_json::from_str(text).map_err(|error| io::Error::other(format!("the origin's count: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_origin_counts() {
        let count = parse("{\"connections\": 3, \"requests\": 12}").unwrap();
        assert_eq!(count, Count { connections: 3, requests: 12 });
        assert!(parse("{}").is_err());
    }

    #[test]
    fn ten_thousand_addresses_are_all_on_the_loopback_interface() {
        let addresses = loopback_addresses(10_000, 80);
        assert_eq!((addresses.len(), addresses[0].to_string().as_str()), (10_000, "127.0.1.1:80"));
        assert_eq!(addresses[255].to_string(), "127.0.2.0:80");
        assert!(addresses.iter().all(|addr| addr.ip().is_loopback()));
    }
}
