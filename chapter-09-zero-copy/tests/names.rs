//! Backends of flows with names that resolve to several addresses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::{SocketAddr, UdpSocket},
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread,
    time::Duration,
};

use advanced_features::{Balancer, args::BalanceArgs, program::Server as _};
use backends::UdpEcho;
use clap::Parser;
use common::{
    cli::ServeArgs,
    net::{BoundSockets as _, DatagramSockets},
    shutdown::Shutdown,
};
use zero_copy::udp::{
    observable_server::ObservableUdpServer,
    server::{UdpOptions, UdpServer},
};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

/// A balancer with one backend, whose name resolves to these addresses.
fn server(addresses: Vec<SocketAddr>) -> Arc<ObservableUdpServer> {
    let Args { balance, serve } = Args::parse_from(["zero_copy_lb", "two.example:53", "--check", "off"]);
    let config = balance.into_config(serve, 100, None, false).unwrap();
    let balancer = Balancer::new("zero_copy_lb", config, move |_: &str, _: u16| Ok(addresses.clone())).unwrap();
    let options = UdpOptions {
        timeout: Duration::from_secs(30),
        max_flows_per_source: NonZeroU32::new(100).unwrap(),
        send_proxy: false,
    };
    Arc::new(ObservableUdpServer::start(UdpServer::new(balancer, NonZeroUsize::MIN, options), None).unwrap())
}

/// Asks until there is a reply; returns how often.
fn ask(address: SocketAddr) -> usize {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let is_answered = |attempt: &usize| {
        client.send(b"hello").unwrap();
        let mut reply = [0; 16];
        let received = client.recv(&mut reply);
        assert!(received.is_err() || &reply[..5] == b"hello", "attempt {attempt}");
        received.is_ok()
    };
    (1..20).find(is_answered).expect("a reply")
}

#[test]
fn an_address_where_nothing_listens_costs_one_datagram_and_the_backend_stays_up() {
    let alive = UdpEcho::start().unwrap();
    let dead = UdpSocket::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let server = server(vec![dead, alive.addr()]);
    let sockets = DatagramSockets::bind("127.0.0.1:0".parse().unwrap(), NonZeroUsize::MIN).unwrap();
    let (address, shutdown) = (sockets.local_address(), Shutdown::new().unwrap());
    thread::scope(|scope| {
        let running = scope.spawn(|| server.run(sockets, &shutdown));
        let first = ask(address);
        let others: Vec<_> = (0..5).map(|_| ask(address)).collect();
        shutdown.stop();
        running.join().unwrap().unwrap();
        assert_eq!(first, 2, "the first datagram was lost");
        assert_eq!(others, [1; 5], "the address of the reply is known");
    });
    let statistics = server.statistics();
    assert!(statistics.contains("  UP  ") && statistics.contains("\nfailed 0\n"), "{statistics}");
}
