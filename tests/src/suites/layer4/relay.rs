//! Bytes in both directions, FIN and half-closed sessions.

use std::{io::Read as _, thread};

use super::{Listening, Peer, expect_ended, session, start, statistic};
use crate::Context;
use crate::case::cases;
use crate::rng::{Rng, Sha256Hasher};
use crate::third_party;
use crate::wait::{ms, pause};

cases! { "layer4";
    Fast bytes_arrive_unchanged_in_both_directions_at_once,
    Fast the_server_may_speak_first,
    Fast a_half_closed_client_gets_its_answer,
    Fast a_half_closed_server_gets_the_rest,
    Fast bytes_are_passed_on_at_once,
    Fast curl_gets_a_page,
    Fast redis_answers_pipelined_commands,
    Fast websocket_messages_are_echoed,
    Fast postgres_answers_queries,
}

/// 4 MB each way at the same time.
fn bytes_arrive_unchanged_in_both_directions_at_once(ctx: &Context) {
    for flags in [&[][..], &["--copy"], &["--splice-threshold", "0"]] {
        let backend = Listening::start();
        let program = start(ctx, &[&backend], flags);
        let (client, server) = session(&program, &backend);
        let (up, down) = (Rng::new(1).bytes(4_000_000), Rng::new(2).bytes(4_000_000));
        let exchange = |peer: Peer, sends: Vec<u8>| {
            let mut reader = Peer(peer.0.try_clone().unwrap());
            let received = thread::spawn(move || {
                let mut received = Vec::new();
                reader.0.read_to_end(&mut received).unwrap();
                received
            });
            thread::spawn(move || {
                let mut peer = peer;
                sends.chunks(70_001).for_each(|piece| peer.send(piece));
                peer.half_close();
                received.join().unwrap()
            })
        };
        let (client, server) = (exchange(client, up.clone()), exchange(server, down.clone()));
        assert!(client.join().unwrap() == down && server.join().unwrap() == up, "{flags:?}: bytes were changed");
        expect_ended(&program, "done", 1);
        let (spliced, copied) = (statistic(&program, "bytes spliced"), statistic(&program, "bytes copied"));
        assert_eq!(spliced + copied, 8_000_000);
        match flags {
            ["--copy"] => assert_eq!(spliced, 0),
            ["--splice-threshold", "0"] => assert_eq!(copied, 0),
            _ => assert!(copied > 0, "it begins with copying"),
        }
    }
}

fn the_server_may_speak_first(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &[]);
    let (mut client, mut server) = session(&program, &backend);
    server.send("220 ready\r\n");
    client.expect("220 ready\r\n");
    client.send("QUIT\r\n");
    server.expect("QUIT\r\n");
    drop(server);
    client.expect_fin();
    drop(client);
    expect_ended(&program, "done", 1);
}

fn a_half_closed_client_gets_its_answer(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &[]);
    let (mut client, mut server) = session(&program, &backend);
    client.send("question");
    client.half_close();
    server.expect("question");
    server.expect_fin();
    pause(ms(100)); // the session is half-closed for a while
    let answer = Rng::new(3).bytes(1_000_000);
    let sent = answer.clone();
    let sender = thread::spawn(move || server.send(sent));
    client.expect(answer);
    client.expect_fin();
    sender.join().unwrap();
    expect_ended(&program, "done", 1);
}

fn a_half_closed_server_gets_the_rest(ctx: &Context) {
    let backend = Listening::start();
    let program = start(ctx, &[&backend], &[]);
    let (mut client, mut server) = session(&program, &backend);
    server.send("bye");
    server.half_close();
    client.expect("bye");
    client.expect_fin();
    let upload = Rng::new(4).bytes(1_000_000);
    let sent = upload.clone();
    let sender = thread::spawn(move || {
        client.send(sent);
        client.half_close();
        client
    });
    server.expect(upload);
    server.expect_fin();
    sender.join().unwrap();
    expect_ended(&program, "done", 1);
}

/// A byte is not held back for others to come, whichever way it takes.
fn bytes_are_passed_on_at_once(ctx: &Context) {
    for flags in [&["--copy"][..], &["--splice-threshold", "0"]] {
        let backend = Listening::start();
        let program = start(ctx, &[&backend], flags);
        let (mut client, mut server) = session(&program, &backend);
        for byte in 0..200 {
            client.send([byte]);
            server.expect([byte]);
            server.send([byte, byte]);
            client.expect([byte, byte]);
        }
    }
}

fn curl_gets_a_page(ctx: &Context) {
    let program = ctx.start_bundled(&[]);
    let (page, bytes) = (format!("http://{}/", program.addr()), format!("http://{}/bytes/3000000", program.addr()));
    let Some(printed) = third_party::curl(&["-s", &page], &[]) else { return };
    assert!(printed.contains("server_id"), "{printed}");
    let printed = third_party::curl(&["-s", "-o", "/dev/null", "-w", "%{size_download}", &bytes], &[]);
    assert_eq!(printed.as_deref(), Some("3000000"));
}

fn websocket_messages_are_echoed(ctx: &Context) {
    for flags in [&["--copy"][..], &["--splice-threshold", "0"]] {
        let program = ctx.start_bundled(flags);
        third_party::expect_websocket_echo(program.addr());
    }
}

/// A protocol in which both sides take turns, and one long answer.
fn postgres_answers_queries(ctx: &Context) {
    let Some(postgres) = third_party::Postgres::start() else { return };
    let program = ctx.start(&[postgres.addr()], &[]);
    let (host, port) = (program.addr().ip().to_string(), program.addr().port().to_string());
    let database = ["-X", "-q", "-A", "-t", "-h", &host, "-p", &port, "-U", "test", "-d", "postgres"];
    let script = "CREATE TABLE t AS SELECT n, repeat(n::text, 100) AS text FROM generate_series(1, 20000) n;
        SELECT count(*), sum(n), sum(length(text)) FROM t; \\copy t TO STDOUT";
    let Some(printed) = third_party::run("psql", &database, script.as_bytes()) else { return };
    let (sums, rows) = printed.split_once('\n').unwrap();
    assert_eq!(sums, "20000|200010000|8889400");
    let expected = |number: u32| format!("{number}\t{}", number.to_string().repeat(100));
    assert!(rows.lines().eq((1..=20_000).map(expected)), "{} bytes of rows", rows.len());
    // psql ends with a message and a FIN.
    expect_ended(&program, "done", 1);
}

/// Another protocol: 10,000 commands at once, and an answer to each in order.
fn redis_answers_pipelined_commands(ctx: &Context) {
    let Some(redis) = third_party::Redis::start() else { return };
    let program = ctx.start(&[redis.addr()], &[]);
    let mut client = Peer::connect(&program);
    let commands: Vec<_> =
        (0..10_000).map(|number| format!("SET key:{number} {number}\r\nGET key:{number}\r\n")).collect();
    let sender = {
        let mut writer = Peer(client.0.try_clone().unwrap());
        thread::spawn(move || writer.send(commands.concat()))
    };
    let mut expected = Sha256Hasher::default();
    let mut length = 0;
    for number in 0..10_000 {
        let digits = number.to_string();
        let answer = format!("+OK\r\n${}\r\n{digits}\r\n", digits.len());
        length += answer.len();
        expected.add(answer.as_bytes());
    }
    let mut received = vec![0; length];
    client.0.read_exact(&mut received).unwrap();
    let mut digest = Sha256Hasher::default();
    digest.add(&received);
    assert_eq!(digest.finish(), expected.finish());
    sender.join().unwrap();
}
