//! What happens to sessions whose bytes are on their way: a backend dies, or the program drains.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use nix::sys::signal::Signal;

use super::{Listening, Peer, expect_ended, session, start, wait_until_closed};
use crate::Context;
use crate::backend::stream_process::{BYTES_TO_BEGIN, StreamProcess};
use crate::case::cases;
use crate::process::Program;
use crate::rng::{Sha256Hasher, block};
use crate::wait::{StopOnDrop, TEST_TIMEOUT, until};

cases! { "layer4";
    Fast a_killed_backend_resets_its_own_sessions_and_no_others,
    Fast draining_loses_no_byte_of_busy_sessions,
}

/// How much each session moves before something happens, and after it.
const SOME_BYTES: u64 = 1_000_000;
/// The pipes that two workers keep without sessions.
const MAX_IDLE_PIPES: usize = 2 * 32;

/// What a client of [`StreamProcess`] has seen.
#[derive(Debug)]
struct Streamed {
    /// The port of its backend.
    port: u16,
    /// Whether everything arrived, and a FIN; otherwise how the connection failed.
    end: Result<(), ErrorKind>,
}

/// The blocks of a stream, as they arrive.
#[derive(Debug)]
struct StreamChecker {
    block: Vec<u8>,
    /// What has arrived after the last whole block.
    rest: Vec<u8>,
    /// How many bytes the blocks were.
    checked: u64,
}

impl StreamChecker {
    fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        // The last eight bytes may be the count.
        while self.rest.len() >= self.block.len() + 8 {
            assert!(self.rest[..self.block.len()] == self.block, "wrong bytes after {}", self.checked);
            self.rest.drain(..self.block.len());
            self.checked += self.block.len() as u64;
        }
    }
}

/// Reads the stream of a backend until `is_over` and [`SOME_BYTES`] more. It has checked every byte, and adds itself to
/// `streaming` after the first ones.
fn read_stream(program: &Program, is_over: &AtomicBool, streaming: &AtomicU64) -> Streamed {
    let (mut client, mut port, mut piece) = (Peer::connect(program), [0; 2], vec![0; 50_000]);
    client.send([0; BYTES_TO_BEGIN]);
    client.0.read_exact(&mut port).expect("a backend takes the session");
    let port = u16::from_be_bytes(port);
    let mut stream = StreamChecker { block: block(), rest: Vec::new(), checked: 0 };
    let (mut is_counted, mut last, mut has_ended_it) = (false, u64::MAX, false);
    loop {
        match client.0.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => stream.add(&piece[..length]),
            Err(error) => return Streamed { port, end: Err(error.kind()) },
        }
        if !is_counted && stream.checked >= SOME_BYTES {
            streaming.fetch_add(1, SeqCst);
            is_counted = true;
        }
        if last == u64::MAX && is_over.load(SeqCst) {
            last = stream.checked + SOME_BYTES;
        }
        if !has_ended_it && stream.checked >= last {
            // A reset may be behind bytes that have yet to be read.
            if let Err(error) = client.0.write_all(b"!") {
                return Streamed { port, end: Err(error.kind()) };
            }
            let _ = client.0.shutdown(Shutdown::Write); // the next read says if it was reset in between
            has_ended_it = true;
        }
    }
    let is_whole = stream.rest == stream.checked.to_be_bytes();
    assert!(
        is_whole,
        "a FIN comes after all bytes, or not at all; after {} came {}",
        stream.checked,
        stream.rest.len()
    );
    Streamed { port, end: Ok(()) }
}

fn a_killed_backend_resets_its_own_sessions_and_no_others(ctx: &Context) {
    const SESSIONS: u64 = 9;
    for flags in [&["--workers", "2"][..], &["--workers", "2", "--copy"]] {
        let mut backends: Vec<_> = (0..3).map(|_| StreamProcess::start(ctx)).collect();
        let addrs: Vec<SocketAddr> = backends.iter().map(StreamProcess::addr).collect();
        let program = ctx.start(&addrs, flags);
        let (sockets, pipes) = (program.fds_of("socket"), program.fds_of("pipe"));
        let (is_over, streaming) = (AtomicBool::new(false), AtomicU64::new(0));
        let (busy, later) = thread::scope(|scope| {
            let _stop = StopOnDrop(&is_over);
            let client = || read_stream(&program, &is_over, &streaming);
            let busy: Vec<_> = (0..SESSIONS).map(|_| scope.spawn(client)).collect();
            until("all sessions are busy", || streaming.load(SeqCst) == SESSIONS);
            backends[0].kill();
            is_over.store(true, SeqCst);
            let later: Vec<_> = (0..6).map(|_| scope.spawn(client)).collect();
            let ends = |clients: Vec<thread::ScopedJoinHandle<'_, Streamed>>| -> Vec<Streamed> {
                clients.into_iter().map(|client| client.join().unwrap()).collect()
            };
            (ends(busy), ends(later))
        });
        let killed = addrs[0].port();
        for Streamed { port, end } in &busy {
            let expected = if *port == killed { Err(ErrorKind::ConnectionReset) } else { Ok(()) };
            assert_eq!(*end, expected, "{flags:?}: of backend {port}; {killed} was killed");
        }
        assert_eq!(busy.iter().filter(|session| session.port == killed).count(), 3, "{busy:?}");
        assert!(later.iter().all(|session| session.port != killed && session.end.is_ok()), "{later:?}");
        expect_ended(&program, "backend_reset", 3);
        expect_ended(&program, "done", 12);
        until("all sockets are closed", || program.fds_of("socket") == sockets);
        assert!(program.fds_of("pipe") <= pipes + 2 * MAX_IDLE_PIPES);
    }
}

/// Both sides send without waiting for each other until `stop`; what arrives is what was sent. `moved` has the bytes that
/// have arrived.
fn exchange(client: &Peer, server: &Peer, stop: &AtomicBool, moved: &AtomicU64) {
    let directions = [(client, server), (server, client)];
    thread::scope(|scope| {
        for (sender, receiver) in directions {
            let clone = |peer: &Peer| Peer(peer.0.try_clone().unwrap());
            let (mut sender, mut receiver) = (clone(sender), clone(receiver));
            let sent = scope.spawn(move || {
                let (block, mut digest) = (block(), Sha256Hasher::default());
                while !stop.load(SeqCst) {
                    sender.send(&block);
                    digest.add(&block);
                }
                sender.half_close();
                digest.finish()
            });
            let arrived = scope.spawn(move || {
                let (mut piece, mut digest) = (vec![0; 50_000], Sha256Hasher::default());
                while let read @ 1.. = receiver.0.read(&mut piece).expect("no session is cut off") {
                    digest.add(&piece[..read]);
                    moved.fetch_add(read as u64, SeqCst);
                }
                digest.finish()
            });
            scope.spawn(move || assert_eq!(sent.join().unwrap(), arrived.join().unwrap()));
        }
    });
}

fn draining_loses_no_byte_of_busy_sessions(ctx: &Context) {
    const SESSIONS: u64 = 4;
    for flags in [&[][..], &["--copy"]] {
        let backend = Listening::start();
        let mut program = start(ctx, &[&backend], flags);
        let (stop, moved) = (AtomicBool::new(false), AtomicU64::new(0));
        let sessions: Vec<_> = (0..SESSIONS).map(|_| session(&program, &backend)).collect();
        thread::scope(|scope| {
            let _stop = StopOnDrop(&stop);
            for (client, server) in &sessions {
                scope.spawn(|| exchange(client, server, &stop, &moved));
            }
            let wait_for_more = || {
                let before = moved.load(SeqCst);
                until("bytes move", || moved.load(SeqCst) >= before + 2 * SESSIONS * SOME_BYTES);
            };
            wait_for_more();
            program.signal(Signal::SIGTERM);
            wait_until_closed(&program);
            wait_for_more();
        });
        drop(sessions);
        assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
        program.wait_stdout(&format!("\nended done {SESSIONS}\n"));
    }
}
