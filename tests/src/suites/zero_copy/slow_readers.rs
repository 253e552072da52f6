//! Readers that are slow, or stop reading: what is in a pipe waits for them.

use std::{io::Read as _, thread};

use crate::Context;
use crate::case::cases;
use crate::process::Program;
use crate::rng::{Rng, Sha256Hasher, block};
use crate::suites::layer4::{Listening, Peer, expect_ended, session, start, statistic};
use crate::wait::{ms, pause, until};

cases! { "zero_copy";
    Fast all_bytes_reach_a_slow_destination,
    Slow sessions_of_every_size_end_with_all_bytes_and_fin,
    Fast a_stalled_session_holds_little_memory_and_no_other_up,
    Fast sessions_without_bytes_hold_no_pipe,
    Fast without_descriptors_for_pipes_bytes_are_copied,
    Full a_gibibyte_each_way_beside_a_stalled_reader,
}

/// The original lost what was in its pipe when the destination was not ready: of 200,000 bytes, 193,280 arrived.
fn all_bytes_reach_a_slow_destination(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--splice-threshold", "0"]);
    let mut client = Peer::connect_with_small_buffer(&program);
    let mut server = backend.accept();
    let sent = Rng::new(5).bytes(2_000_000);
    let expected = sent.clone();
    let sender = thread::spawn(move || server.send(sent));
    let mut received = Vec::new();
    let mut piece = vec![0; 40_000];
    while let Ok(length @ 1..) = client.0.read(&mut piece) {
        received.extend_from_slice(&piece[..length]);
        if received.len() < 400_000 {
            pause(ms(5));
        }
    }
    sender.join().unwrap();
    assert!(received == expected, "{} of {} bytes arrived", received.len(), expected.len());
    assert_eq!(statistic(&program, "bytes copied"), 0);
}

/// 84 sessions each way, of 0.2 to 4.2 MB in steps of 48,000 bytes; the reader begins after 0.7 s.
fn sessions_of_every_size_end_with_all_bytes_and_fin(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &[]);
    let block = block();
    let transfers: Vec<_> = (0..84)
        .flat_map(|step| [true, false].map(|up| (200_000 + step * 48_000, up)))
        .map(|(length, up)| {
            let (client, server) = session(&program, &backend);
            let (sender, receiver) = if up { (client, server) } else { (server, client) };
            let block = block.clone();
            thread::spawn(move || transfer(sender, receiver, length, &block))
        })
        .collect();
    for transfer in transfers {
        transfer.join().unwrap();
    }
    expect_ended(&program, "done", 168);
}

/// Sends `length` bytes and FIN at once; receives them after 0.7 s.
fn transfer(mut sender: Peer, mut receiver: Peer, length: usize, block: &[u8]) {
    let expected: Vec<u8> = block.iter().copied().cycle().take(length).collect();
    let to_send = expected.clone();
    let sent = thread::spawn(move || {
        sender.send(to_send);
        sender.half_close();
        sender
    });
    pause(ms(700));
    receiver.expect(expected);
    receiver.expect_fin();
    drop(receiver);
    sent.join().unwrap().expect_fin();
}

fn a_stalled_session_holds_little_memory_and_no_other_up(ctx: &Context) {
    for flags in [&["--workers", "1", "--splice-threshold", "0"][..], &["--workers", "1", "--copy"]] {
        let backend = Listening::start();
        let program = start(ctx, &[&backend], flags);
        relay_a_little(&program, &backend);
        let before = program.rss_kib();
        let stalled: Vec<_> = (0..8)
            .map(|_| {
                let (client, mut server) = session(&program, &backend);
                server.send_until_blocked();
                (client, server)
            })
            .collect();
        relay_a_little(&program, &backend);
        let grown = program.rss_kib().saturating_sub(before);
        assert!(grown <= 2_048, "{flags:?}: {grown} KiB for {} sessions", stalled.len());
    }
}

fn relay_a_little(program: &Program, backend: &Listening) {
    let (mut client, mut server) = session(program, backend);
    for _ in 0..20 {
        client.send(vec![1; 20_000]);
        server.expect(vec![1; 20_000]);
    }
}

fn sessions_without_bytes_hold_no_pipe(ctx: &Context) {
    const SESSIONS: usize = 50;
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--workers", "1", "--splice-threshold", "0"]);
    relay_a_little(&program, &backend); // the worker has all its own descriptors then, and a pipe
    let before = program.fds();
    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| session(&program, &backend)).collect();
    for (client, server) in &mut sessions {
        client.send("x");
        server.expect("x");
        server.send("y");
        client.expect("y");
    }
    // Two sockets each, and one more pipe for all of them together.
    until("the pipes are back", || program.fds() <= before + 2 * SESSIONS + 2);
}

fn without_descriptors_for_pipes_bytes_are_copied(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &["--workers", "1", "--splice-threshold", "1B"]);
    let (mut client, mut server) = session(&program, &backend);
    // No descriptor more than those that are open now.
    let limit = program.next_fd().to_string();
    let limited = std::process::Command::new("prlimit")
        .args([&format!("--pid={}", program.pid()), &format!("--nofile={limit}:{limit}")])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        println!("skipped: prlimit is not installed");
        return;
    }
    for _ in 0..3 {
        client.send(vec![3; 50_000]);
        server.expect(vec![3; 50_000]);
    }
    until("that is said", || program.stderr().contains("no pipe for splice, bytes are copied"));
    assert_eq!(program.stderr().matches("no pipe for splice").count(), 1, "once");
}

/// 1 GiB in each direction and in each mode, hashed at both ends, beside a reader that never reads.
fn a_gibibyte_each_way_beside_a_stalled_reader(ctx: &Context) {
    const BLOCKS: usize = 16 * 1024;
    for flags in [&[][..], &["--copy"]] {
        let backend = Listening::start();
        let program = start(ctx, &[&backend], flags);
        let (_stalled_client, mut stalled_server) = session(&program, &backend);
        stalled_server.send_until_blocked();
        relay_a_little(&program, &backend);
        let before = program.rss_kib();
        let (client, server) = session(&program, &backend);
        let directions = [(client.0.try_clone(), server.0.try_clone()), (server.0.try_clone(), client.0.try_clone())];
        thread::scope(|scope| {
            for (sender, receiver) in directions {
                let (mut sender, mut receiver) = (Peer(sender.unwrap()), Peer(receiver.unwrap()));
                let sent = scope.spawn(move || {
                    let (block, mut digest) = (block(), Sha256Hasher::default());
                    for _ in 0..BLOCKS {
                        sender.send(&block);
                        digest.add(&block);
                    }
                    sender.half_close();
                    digest.finish()
                });
                let arrived = scope.spawn(move || {
                    let (mut piece, mut digest, mut length) = (vec![0; 256 * 1024], Sha256Hasher::default(), 0);
                    while let read @ 1.. = receiver.0.read(&mut piece).unwrap() {
                        digest.add(&piece[..read]);
                        length += read;
                    }
                    assert_eq!(length, BLOCKS * 64 * 1024);
                    digest.finish()
                });
                scope.spawn(move || assert_eq!(sent.join().unwrap(), arrived.join().unwrap()));
            }
        });
        let grown = program.rss_kib().saturating_sub(before);
        assert!(grown <= 2_048, "{flags:?}: {grown} KiB");
    }
}
