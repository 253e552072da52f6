//! PROXY headers before the requests of `--mode http`: read as in TCP mode, and counted.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use connection_pooling::{AcceptPrelude, ConnectionInfo, PreludeError};
use tokio::net::TcpStream;

use crate::session::{
    end::SessionEnd,
    prelude::{Prelude, PreludeConfig, PreludeReader},
    read_prelude::read_prelude,
};

/// How the wait for a header ends: the values of a label, in the order of the counts.
const ENDS: [&str; 5] = ["done", "malformed", "timeout", "client_reset", "drained"];

/// The PROXY header that comes on connections of trusted proxies before their first request.
#[derive(Debug)]
pub(crate) struct ProxyPrelude {
    config: PreludeConfig,
    /// By end. One addition per connection of a proxy: not worth a counter per worker.
    counts: [AtomicU64; ENDS.len()],
}

impl ProxyPrelude {
    /// For connections of these peers. SNI rules are of no use here: HTTP mode reads requests, which TLS would encrypt.
    pub(crate) fn new(config: PreludeConfig) -> Self {
        Self { config, counts: Default::default() }
    }

    /// How many waits for a header have ended, by end.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ENDS.into_iter().zip(self.counts.iter().map(|count| count.load(Relaxed)))
    }
}

impl AcceptPrelude for ProxyPrelude {
    fn is_expected_from(&self, peer: IpAddr) -> bool {
        self.config.is_trusted(peer)
    }

    fn timeout(&self) -> Duration {
        self.config.timeout
    }

    async fn read(
        &self,
        stream: &TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Result<ConnectionInfo, PreludeError> {
        let mut reader = PreludeReader::new(&self.config, peer, local);
        read_prelude(stream, &mut reader).await.map_err(|end| match end {
            SessionEnd::ClientReset => PreludeError::ClientReset,
            _ => PreludeError::Malformed,
        })?;
        let Prelude { client, destination, received, .. } = reader.prelude;
        Ok(ConnectionInfo { client, local: destination, received })
    }

    fn on_end(&self, outcome: Result<(), PreludeError>) {
        let index = match outcome {
            Ok(()) => 0,
            Err(PreludeError::Malformed) => 1,
            Err(PreludeError::TimedOut) => 2,
            Err(PreludeError::ClientReset) => 3,
            Err(PreludeError::Drained) => 4,
        };
        self.counts[index].fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_hello::SniTable;

    #[test]
    fn each_end_has_its_own_count() {
        let prelude = ProxyPrelude::new(PreludeConfig {
            accept_proxy: Vec::new(),
            sni: SniTable::default(),
            timeout: Duration::from_secs(5),
        });
        let errors =
            [PreludeError::Malformed, PreludeError::TimedOut, PreludeError::ClientReset, PreludeError::Drained];
        for (times, outcome) in [Ok(())].into_iter().chain(errors.map(Err)).enumerate() {
            (0..=times).for_each(|_| prelude.on_end(outcome));
        }
        let expected = [("done", 1), ("malformed", 2), ("timeout", 3), ("client_reset", 4), ("drained", 5)];
        assert_eq!(prelude.counts().collect::<Vec<_>>(), expected);
    }
}
