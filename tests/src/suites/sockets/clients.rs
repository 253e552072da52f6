//! Many clients: sequential, concurrent, a thousand, and more than there are file descriptors for.

use super::assert_echo;
use crate::Context;
use crate::case::cases;
use crate::client::Client;
use crate::process::Options;
use crate::wait::{ms, until};

cases! { "sockets";
    Fast iterative_serves_clients_one_after_another,
    Fast threads_serve_an_active_client_beside_an_idle_one,
    Fast a_thousand_clients_at_once,
    Fast one_log_line_per_connection_with_its_address,
    Fast running_out_of_descriptors_makes_clients_wait_and_loses_none,
}

fn iterative_serves_clients_one_after_another(ctx: &Context) {
    let program = ctx.start(&[], &[]);
    let mut first = program.client();
    assert_echo(&mut first, b"first");
    let mut second = program.client();
    second.send(b"second");
    second.expect_no_input(ms(300));
    assert_echo(&mut first, b"first again");
    first.half_close();
    first.expect_closed();
    assert_eq!(second.read_exact(6), b"second");
}

fn threads_serve_an_active_client_beside_an_idle_one(ctx: &Context) {
    let program = ctx.start(&[], &["--threads"]);
    let mut idle = program.client();
    for _ in 0..3 {
        assert_echo(&mut program.client(), b"active");
    }
    assert_echo(&mut idle, b"not forgotten");
}

fn a_thousand_clients_at_once(ctx: &Context) {
    common::net::raise_fd_limit().unwrap();
    let mut program = ctx.start(&[], &["--threads"]);
    let mut clients: Vec<_> = (0..1000).map(|_| program.client()).collect();
    for (client, number) in clients.iter_mut().zip(0..) {
        client.send(format!("client {number:4}"));
    }
    for (client, number) in clients.iter_mut().zip(0..) {
        assert_eq!(client.read_exact(11), format!("client {number:4}").as_bytes());
    }
    program.assert_running();
    let idle = program.fds();
    assert!(idle >= 1000, "{idle} descriptors for 1,000 clients");
    drop(clients);
    until("every client is closed", || program.fds() < 30);
}

fn one_log_line_per_connection_with_its_address(ctx: &Context) {
    for mode in [&[][..], &["--threads"]] {
        let program = ctx.start(&[], mode);
        let addresses: Vec<_> = (0..3)
            .map(|_| {
                let mut client = program.client();
                assert_echo(&mut client, b"hello");
                client.half_close();
                client.expect_closed();
                client.local_addr()
            })
            .collect();
        for address in addresses {
            let line = format!("{address}: 5 bytes echoed");
            until("the log line", || program.stderr().contains(&line));
            assert_eq!(program.stderr().matches(&address.to_string()).count(), 1, "{}", program.stderr());
        }
    }
}

fn running_out_of_descriptors_makes_clients_wait_and_loses_none(ctx: &Context) {
    let options = Options { max_files: Some(30), ..Options::default() };
    let mut program = ctx.start_with(&[], &["--threads"], options);
    let mut clients: Vec<_> = (0..60).map(|_| Client::connect(program.addr())).collect();
    assert_echo(&mut clients[0], b"among the first");
    until("the error is logged", || program.stderr().contains("cannot accept: EMFILE"));
    let warned = program.stderr().matches("EMFILE").count();
    clients[59].send(b"the last one");
    clients[59].expect_no_input(ms(300));
    let more = program.stderr().matches("EMFILE").count() - warned;
    assert!(more < 30, "{more} attempts in 300 ms: it busy-loops");
    assert_echo(&mut clients[0], b"undisturbed");
    let mut last = clients.pop().unwrap();
    drop(clients);
    assert_eq!(last.read_exact(12), b"the last one");
    program.assert_running();
}
