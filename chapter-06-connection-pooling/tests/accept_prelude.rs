//! An accept prelude: it names the client, and what is decided by address is decided afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::http::{Plaintext, Throttle};
use connection_pooling::{AcceptPrelude, ConnectionInfo, ConnectionPermit, ConnectionRefused, Filter, PreludeError};
use integration_tests::{backend::Backend, client::Client, wait::until};
use load_balancer::dns_refresher::SystemResolver;
use tokio::net::TcpStream;

const PROXY: &str = "127.0.0.2";
const BANNED: &str = "192.0.2.66";

/// A line with the client's address, on connections of one proxy.
#[derive(Debug, Default)]
struct AddressLine(Mutex<Vec<Result<(), PreludeError>>>);

impl AcceptPrelude for AddressLine {
    fn is_expected_from(&self, peer: IpAddr) -> bool {
        peer.to_string() == PROXY
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn read(
        &self,
        stream: &TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Result<ConnectionInfo, PreludeError> {
        assert_eq!(peer.ip().to_string(), PROXY);
        let mut bytes = Vec::new();
        loop {
            stream.readable().await.unwrap();
            let _ = stream.try_read_buf(&mut bytes);
            if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let client = str::from_utf8(&bytes[..end]).unwrap().parse().map_err(|_| PreludeError::Malformed)?;
                return Ok(ConnectionInfo { client, local, received: bytes.split_off(end + 1) });
            }
        }
    }

    fn on_end(&self, outcome: Result<(), PreludeError>) {
        self.0.lock().unwrap().push(outcome);
    }
}

/// Which addresses it was asked for, and a permit that each open connection holds.
#[derive(Clone, Debug, Default)]
struct Asked {
    addresses: Arc<Mutex<Vec<(&'static str, String)>>>,
    permit: Arc<()>,
}

impl Asked {
    fn push(&self, what: &'static str, peer: IpAddr) {
        self.addresses.lock().unwrap().push((what, peer.to_string()));
    }

    fn take(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut *self.addresses.lock().unwrap())
    }
}

impl Filter for Asked {
    type Worker = ();

    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        self.push("connection", peer);
        if peer.to_string() == BANNED { Err(ConnectionRefused) } else { Ok(Some(Box::new(Arc::clone(&self.permit)))) }
    }

    fn throttle(&self, peer: IpAddr) -> Option<Box<dyn Throttle>> {
        self.push("throttle", peer);
        None
    }

    fn for_worker(&self, _worker_id: usize) {}
}

#[test]
fn filters_decide_about_the_client_that_the_prelude_names() {
    let (backend, filter, prelude) = (Backend::ok("a"), Asked::default(), Arc::new(AddressLine::default()));
    let server = support::server_with_filter(&[&backend.addr().to_string()], SystemResolver, filter.clone());
    support::running_with(
        &server,
        || Plaintext,
        &prelude,
        |address| {
            let decided_for = |client: &str| [("connection", client.to_owned()), ("throttle", client.to_owned())];
            // Without a prelude: at once.
            let direct = Client::connect(address);
            let mut asked = Vec::new();
            until("the filter is asked", || {
                asked.extend(filter.take());
                asked.len() == 2
            });
            assert_eq!(asked, decided_for("127.0.0.1"));
            // With one: for its client, once it is there, and never for the proxy.
            let proxy = |line: &str| {
                let mut client = Client::connect_from(PROXY.parse().unwrap(), address);
                client.send(format!("{line}\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
                client
            };
            let mut named = proxy("192.0.2.1:80");
            assert_eq!(named.response("GET").text(), "a");
            assert_eq!(filter.take(), decided_for("192.0.2.1"));
            assert_eq!(backend.last_request().0.fields.get("x-forwarded-for"), Some("192.0.2.1"));
            proxy(&format!("{BANNED}:80")).expect_closed();
            assert_eq!(filter.take(), [("connection", BANNED.to_owned())]);
            proxy("nobody").expect_closed();
            Client::connect_from(PROXY.parse().unwrap(), address).expect_closed();
            assert_eq!(filter.take(), []);
            let outcomes = prelude.0.lock().unwrap().clone();
            assert_eq!(outcomes, [Ok(()), Ok(()), Err(PreludeError::Malformed), Err(PreludeError::TimedOut)]);
            // The permits of two open connections, and none that stays.
            until("two hold a permit", || Arc::strong_count(&filter.permit) == 2 + 2);
            drop((direct, named));
            until("the permits are back", || Arc::strong_count(&filter.permit) == 2);
        },
    );
}
