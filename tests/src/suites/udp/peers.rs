//! Other programs: a DNS server behind the balancer.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

use super::{Peer, start};
use crate::Context;
use crate::case::cases;
use crate::wait::{TEST_TIMEOUT, eventually, ms};

cases! { "udp";
    Fast a_name_server_is_asked_through_it,
}

/// A process that ends with the case.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A query for the IPv4 address of `lb.test` (RFC 1035 §4).
fn query(id: u16) -> Vec<u8> {
    let header = [id, 0x0100, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    [&header[..], b"\x02lb\x04test\0", &[0, 1, 0, 1]].concat()
}

/// `dnsmasq` on this port, if the machine has it.
fn start_dnsmasq(port: u16) -> Option<Server> {
    let port = format!("--port={port}");
    let fixed = ["--conf-file=/dev/null", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--pid-file="];
    let bound = ["--listen-address=127.0.0.1", "--bind-interfaces", "--address=/lb.test/192.0.2.7", "--user="];
    let mut command = Command::new("dnsmasq");
    command.args(fixed).args(bound).arg(port).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().ok().map(Server)
}

fn a_name_server_is_asked_through_it(ctx: &Context) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(_server) = start_dnsmasq(port) else {
        eprintln!("skipped: this machine has no dnsmasq");
        return;
    };
    let server = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    // Directly first: the server takes a moment to start, and an ICMP message would mark it down.
    let direct = Peer::bind("127.0.0.1");
    let is_up = eventually(TEST_TIMEOUT, || {
        direct.0.send_to(&query(1), server).ok()?;
        direct.receive_within(ms(100))
    });
    let (expected, _) = is_up.expect("dnsmasq answers");
    let program = start(ctx, &[server], &[]);
    for id in 1..=20 {
        let client = Peer::of(&program);
        client.send(query(id));
        let (answer, _) = client.receive();
        assert_eq!(answer[..2], id.to_be_bytes());
        assert_eq!(answer[2..], expected[2..]);
        assert!(answer.ends_with(&[192, 0, 2, 7]), "{answer:?}");
    }
}
