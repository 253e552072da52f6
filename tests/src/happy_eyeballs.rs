//! A backend with several addresses, of which one drops packets: the same claims for the engine of each chapter.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use common::net::Listeners;
use common::shutdown::Shutdown;

use crate::backend::Backend;
use crate::black_hole::black_hole;
use crate::client::Client;
use crate::steady_state::StopOnDrop;
use crate::wait::until;

/// The connect timeout to run with, and the same as a flag. Far longer than a client of these tests waits: no part of
/// it may be spent on a dead address.
pub const CONNECT_TIMEOUT: Duration = Duration::from_mins(2);
/// [`CONNECT_TIMEOUT`] on the command line.
pub const CONNECT_TIMEOUT_FLAG: [&str; 2] = ["--connect-timeout", "2m"];

/// Asserts that a dead address costs no request the connect timeout, and that its socket is closed once another address
/// has accepted. `run` serves on the listeners until the shutdown; its one backend has these addresses.
pub fn assert_a_dead_address_is_overtaken(run: impl FnOnce(Vec<SocketAddr>, Listeners, &Shutdown) + Send) {
    let (dead, alive) = (black_hole(), Backend::ok("alive"));
    let connecting_before = connecting_sockets(dead.addr);
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), NonZeroUsize::MIN).unwrap();
    let (address, shutdown) = (listeners.local_address(), Shutdown::new().unwrap());
    let addresses = vec![dead.addr, alive.addr()];
    thread::scope(|scope| {
        scope.spawn(|| run(addresses, listeners, &shutdown));
        let _ended = StopOnDrop(&shutdown);
        let mut client = Client::connect(address);
        for _ in 0..6 {
            // Each response closes the connection to the backend, so each request connects.
            assert_eq!(client.get("/").text(), "alive");
        }
        assert_eq!(alive.connections(), 6);
        until("overtaken sockets are closed", || connecting_sockets(dead.addr) == connecting_before);
    });
}

/// How many sockets of this host try to connect to `address`, in the state SYN-SENT (2), see `proc_pid_net(5)`.
fn connecting_sockets(address: SocketAddr) -> usize {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", address.port());
    let is_connecting = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&port)) && fields.next() == Some("02")
    };
    sockets.lines().filter(is_connecting).count()
}
