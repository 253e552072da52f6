//! A fast source, the relay, and a reader that takes a mebibyte a second.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use common::outln;

use crate::{serve, status::status};

/// More than the kernel's buffers along the path can hold.
const SOURCE_MIB: u64 = 64;
const SECONDS: u64 = 5;
const MIB: usize = 1 << 20;

pub(crate) fn show(greedy: bool) -> io::Result<()> {
    let (mut reader, sent) = chain(greedy)?;
    outln!("A source has {SOURCE_MIB} MiB for a reader that takes one a second.");
    let mut mebibyte = vec![0; MIB];
    for second in 1..=SECONDS {
        pause();
        reader.read_exact(&mut mebibyte)?;
        let sent = sent.load(Relaxed) / MIB as u64;
        let resident = status("self", "VmRSS").map_or_else(|_| "unknown".to_owned(), |kib| format!("{kib} KiB"));
        outln!("read {second} MiB, sent by the source {sent:2} MiB, resident memory {resident}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the example needs a slow reader")]
fn pause() {
    thread::sleep(Duration::from_secs(1));
}

/// A reader's connection through a relay to a source, and how many bytes the source has sent.
fn chain(greedy: bool) -> io::Result<(TcpStream, Arc<AtomicU64>)> {
    let (source, relay) = (TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?);
    let (from, at): (SocketAddr, SocketAddr) = (source.local_addr()?, relay.local_addr()?);
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    thread::spawn(move || send_all(&source, &counted));
    thread::spawn(move || serve(relay, from, greedy));
    Ok((TcpStream::connect(at)?, sent))
}

/// Sends everything to one client, then FIN.
fn send_all(source: &TcpListener, sent: &AtomicU64) -> io::Result<()> {
    let (mut client, _) = source.accept()?;
    let piece = vec![b'x'; MIB / 16];
    for _ in 0..SOURCE_MIB * 16 {
        client.write_all(&piece)?;
        sent.fetch_add(piece.len() as u64, Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use integration_tests::{
        backend::Backend,
        client::Client,
        wait::{ms, pause, until},
    };

    use super::*;

    const ALL: u64 = SOURCE_MIB * MIB as u64;

    #[test]
    fn backpressure_stops_the_source_and_no_byte_is_lost() {
        let (mut reader, sent) = chain(false).unwrap();
        let mut before = u64::MAX;
        until("the source waits", || {
            pause(ms(100));
            let now = sent.load(Relaxed);
            std::mem::replace(&mut before, now) == now && now > 0
        });
        assert!(before < ALL, "the relay has buffered all of it");
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert!(rest.len() as u64 == ALL && rest.iter().all(|byte| *byte == b'x'));
    }

    #[test]
    fn a_greedy_relay_buffers_everything() {
        let (_reader, sent) = chain(true).unwrap();
        until("the relay has all of it", || sent.load(Relaxed) == ALL);
    }

    #[test]
    fn a_response_arrives_after_the_clients_fin() {
        let server = Backend::start(|conn| {
            conn.read_until_closed();
            conn.write("you have ended");
        });
        let (relay, server_addr) = (TcpListener::bind(("127.0.0.1", 0)).unwrap(), server.addr());
        let at = relay.local_addr().unwrap();
        thread::spawn(move || serve(relay, server_addr, false));
        let mut client = Client::connect(at);
        client.send("hello");
        client.half_close();
        assert_eq!(client.read_exact(14), b"you have ended");
        client.expect_closed();
    }
}
