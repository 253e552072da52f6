//! The origins behind the target: separate processes, so that their CPU time is not counted as the load's, and one can
//! be killed.

use std::{io, net::SocketAddr, path::Path, process::Command};

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

/// All origins of one round.
#[derive(Debug)]
pub(crate) struct Fleet {
    origins: Vec<(Child, SocketAddr)>,
}

impl Fleet {
    pub(crate) fn start(program: &Path, origins: Origins, space: Space<'_>) -> io::Result<Self> {
        let mut fleet = Self { origins: Vec::new() };
        for number in 1..=origins.number() {
            let mut command = Command::new(program);
            command.arg("0");
            if let Origins::OneSlow { delay } = origins
                && number == origins.number()
            {
                command.args(["--delay", delay]);
            }
            let mut child = Child::start(&format!("origin-{number}"), command, space)?;
            let addr = child.listening()?;
            fleet.origins.push((child, addr));
        }
        Ok(fleet)
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.origins.iter().map(|(_, addr)| *addr).collect()
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
}
