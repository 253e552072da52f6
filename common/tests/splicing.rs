//! A body that an engine splices ends as one that was copied does: the same bytes, the same record.

mod support;

use std::{collections::VecDeque, io::ErrorKind};

use common::http::{
    AfterBackend, AfterClient, Exchange, FailureKind, ProxyError, Pumped, Relay, Side, SplicedBody, pump,
};
use proptest::prelude::*;
use support::{
    exchange::{SCRATCH_BYTES, date, relay_with_request},
    memory_stream::{MemoryStream, StreamEnd},
};

const DOWNLOAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An engine whose pipe is a queue, so that moves are as small as the test wants them.
struct Engine {
    client: MemoryStream,
    backend: MemoryStream,
    pipe: VecDeque<u8>,
    /// How many bytes the next moves may have; after the last one, the first again.
    moves: Vec<usize>,
    moves_made: usize,
    spliced: usize,
}

impl Engine {
    fn new(client: MemoryStream, backend: MemoryStream, moves: &[usize]) -> Self {
        Self { client, backend, pipe: VecDeque::new(), moves: moves.to_vec(), moves_made: 0, spliced: 0 }
    }

    /// A pump, and the moves after it. `Ok(true)`: done. `Ok(false)`: nothing can be moved.
    fn run(&mut self, relay: &mut Relay) -> Result<bool, ProxyError> {
        let mut scratch = vec![0; SCRATCH_BYTES];
        loop {
            match pump(relay, &mut self.client, &mut self.backend, &mut scratch, date)? {
                Pumped::Done => return Ok(true),
                Pumped::Yield => {}
                Pumped::Wait(_) => {
                    let Some(body) = relay.spliced_body() else { return Ok(false) };
                    if !self.splice(relay, body)? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Moves bytes until the pump has to run. `false`: nothing can be moved.
    fn splice(&mut self, relay: &mut Relay, mut body: SplicedBody) -> Result<bool, ProxyError> {
        if body.in_pipe == 0 {
            self.pipe.clear();
        }
        loop {
            assert_eq!(body.in_pipe, self.pipe.len() as u64);
            let (source, destination) = match body.source {
                Side::Client => (&mut self.client, &mut self.backend),
                _ => (&mut self.backend, &mut self.client),
            };
            let most = self.moves[self.moves_made % self.moves.len()];
            self.moves_made += 1;
            if !self.pipe.is_empty() {
                if destination.broken_pipe {
                    return relay.splice_failed(body.destination(), ErrorKind::BrokenPipe.into()).map(|()| true);
                }
                let n = self.pipe.len().min(most).min(destination.write_capacity);
                if n == 0 {
                    return Ok(false);
                }
                destination.sent.extend(self.pipe.drain(..n));
                destination.write_capacity -= n;
                relay.splice_drained(n as u64);
            } else if !source.input.is_empty() {
                let n = source.input.len().min(most).min(usize::try_from(body.remaining).unwrap_or(usize::MAX));
                self.pipe.extend(source.input.drain(..n));
                self.spliced += n;
                relay.splice_filled(n as u64);
            } else if source.input_end == Some(StreamEnd::Reset) {
                return relay.splice_failed(body.source, ErrorKind::ConnectionReset.into()).map(|()| true);
            } else if source.input_end.is_some() {
                relay.stop_splicing(); // the pump finds the FIN too
                return Ok(true);
            } else {
                return Ok(false);
            }
            let Some(next) = relay.spliced_body() else { return Ok(true) };
            body = next;
        }
    }

    /// Runs an exchange whose peers have sent everything. The backend answers once it has the whole request.
    fn exchange(&mut self, relay: &mut Relay) -> (Exchange, AfterClient, AfterBackend) {
        relay.attempt(false);
        loop {
            match self.run(relay) {
                Ok(true) => return relay.end(),
                Ok(false) if self.backend.max_read == 0 => self.backend.max_read = usize::MAX,
                Ok(false) => panic!("waits for {:?} although every byte is readable", relay.wants()),
                Err(error) => relay.fail(&error, date()),
            }
        }
    }
}

fn response(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nDate: now\r\n{headers}\r\n").as_bytes(), body].concat()
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|index| index.to_le_bytes()[index % 3]).collect()
}

/// What came out of an exchange of `request` and `response`, spliced from `threshold` on.
fn outcome(
    request: &[u8],
    response: &[u8],
    end: Option<StreamEnd>,
    threshold: u64,
    moves: &[usize],
) -> (Vec<u8>, Vec<u8>, String, usize) {
    let head = request.windows(4).position(|four| four == b"\r\n\r\n").expect("a request has a head") + 4;
    let mut relay = relay_with_request(&request[..head], true);
    relay.splice_bodies_from(threshold);
    let backend = MemoryStream { max_read: 0, input_end: end, ..MemoryStream::with_input(response) };
    let mut engine = Engine::new(MemoryStream::with_input(&request[head..]), backend, moves);
    let end = engine.exchange(&mut relay);
    (engine.client.sent, engine.backend.sent, format!("{end:?}"), engine.spliced)
}

proptest! {
    #[test]
    fn spliced_or_copied_the_exchange_is_the_same(
        length in 0usize..200_000,
        upload in 0usize..200_000,
        announced in any::<bool>(),
        http_1_0 in any::<bool>(),
        broken in prop::option::of(0usize..100_000),
        reset in any::<bool>(),
        threshold in 1u64..100_000,
        moves in prop::collection::vec(1usize..70_000, 1..5),
    ) {
        let (version, close) = if http_1_0 { ("1.0", "Connection: close\r\n") } else { ("1.1", "") };
        let head = format!("PUT / HTTP/{version}\r\nHost: a\r\nContent-Length: {upload}\r\n{close}\r\n");
        let request = [head.as_bytes(), &body(upload)].concat();
        let mut response = if announced {
            response(&format!("Content-Length: {length}\r\n"), &body(length))
        } else {
            response("Connection: close\r\n", &body(length))
        };
        let mut end = (!announced).then_some(StreamEnd::Fin);
        if let Some(missing) = broken {
            response.truncate(response.len().saturating_sub(missing));
            end = Some(if reset { StreamEnd::Reset } else { StreamEnd::Fin });
        }
        let copied = outcome(&request, &response, end, u64::MAX, &moves);
        let spliced = outcome(&request, &response, end, threshold, &moves);
        prop_assert_eq!(copied.3, 0);
        prop_assert!(copied.0 == spliced.0, "the client got other bytes");
        prop_assert!(copied.1 == spliced.1, "the backend got other bytes");
        prop_assert_eq!(copied.2, spliced.2);
    }
}

/// A pump reads at most this many bytes with a head.
const WITH_HEAD: usize = SCRATCH_BYTES;

#[test]
fn a_large_body_is_spliced_behind_its_head_and_the_next_response_is_not_touched() {
    let response = [response("Content-Length: 1000000\r\n", &body(1_000_000)), b"stray".to_vec()].concat();
    let (client, _, end, spliced) = outcome(DOWNLOAD, &response, None, 65_536, &[40_000]);
    assert!(client.ends_with(&body(1_000_000)));
    assert!(spliced >= 1_000_000 - WITH_HEAD, "{spliced} bytes");
    assert!(end.contains("KeepAlive, Pool"), "{end}"); // the engine finds the stray bytes when it pools the connection
}

#[test]
fn an_upload_is_spliced_once_it_cannot_be_replayed() {
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
    let request = [head.as_slice(), &body(500_000), b"GET /next HTTP/1.1\r\n"].concat();
    let (_, backend, _, spliced) =
        outcome(&request, &response("Content-Length: 0\r\n", b""), None, 1_000, &[7_000, 60_000]);
    assert!(backend.ends_with(&body(500_000)[499_000..]), "what is pipelined stays with us");
    assert!(spliced >= 500_000 - WITH_HEAD - 1, "{spliced} bytes");

    let mut relay = relay_with_request(head, true);
    relay.splice_bodies_from(1_000);
    let mut engine = Engine::new(MemoryStream::with_input(b""), MemoryStream::with_input(b""), &[1_000]);
    relay.attempt(false);
    for _ in 0..3 {
        engine.client.input.extend(body(5_000));
        assert!(!engine.run(&mut relay).unwrap());
    }
    assert_eq!((engine.spliced, engine.backend.sent.len() > 15_000), (0, true), "15,000 bytes are kept for a retry");
    engine.client.input.extend(body(5_000));
    assert!(!engine.run(&mut relay).unwrap());
    assert_eq!(engine.spliced, 0, "the bytes that end the replay are copied");
    engine.client.input.extend(body(5_000));
    assert!(!engine.run(&mut relay).unwrap());
    assert_eq!(engine.spliced, 5_000);
}

#[test]
fn chunked_bodies_are_copied() {
    let chunk = [format!("{:x}\r\n", 300_000).as_bytes(), &body(300_000), b"\r\n0\r\n\r\n"].concat();
    let (client, _, _, spliced) =
        outcome(DOWNLOAD, &response("Transfer-Encoding: chunked\r\n", &chunk), None, 1, &[1_000]);
    assert_eq!((spliced, client.ends_with(b"\r\n0\r\n\r\n")), (0, true));
    // For a 1.1 client, a body that ends with the connection becomes chunked.
    let until_close = response("", &body(300_000));
    assert_eq!(outcome(DOWNLOAD, &until_close, Some(StreamEnd::Fin), 1, &[1_000]).3, 0);
    let old = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    let spliced = outcome(old, &until_close, Some(StreamEnd::Fin), 65_536, &[50_000]).3;
    assert!(spliced >= 300_000 - 2 * WITH_HEAD, "{spliced} bytes");
}

#[test]
fn an_early_response_discards_what_is_left_in_the_pipe() {
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
    let mut relay = relay_with_request(head, true);
    relay.splice_bodies_from(1_000);
    let backend = MemoryStream { max_read: 0, write_capacity: 70_000, ..MemoryStream::with_input(b"") };
    let mut engine = Engine::new(MemoryStream::with_input(&body(500_000)), backend, &[30_000]);
    relay.attempt(false);
    assert!(!engine.run(&mut relay).unwrap());
    assert!(!engine.pipe.is_empty(), "the backend does not read");
    let wants = relay.wants();
    assert!(wants.backend.write && wants.backend.read && !wants.client.read, "{wants:?}");

    // It answers, and takes no more: the answer goes through the same pipe, without the bytes of the upload.
    let answer = response("Content-Length: 200000\r\n", &body(200_000));
    (engine.backend.max_read, engine.backend.broken_pipe, engine.spliced) = (usize::MAX, true, 0);
    let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".as_slice(); // one before the write that fails, one after it
    for part in [hints, hints].into_iter().chain(answer.chunks(100_000)) {
        engine.backend.input.extend(part);
        engine.run(&mut relay).unwrap();
    }
    assert!(engine.client.sent.ends_with(&body(200_000)), "{} bytes", engine.client.sent.len());
    assert!(engine.spliced >= 100_000 - WITH_HEAD, "{} bytes", engine.spliced);
    let (exchange, client, backend) = relay.end();
    assert_eq!((exchange.status, client, backend), (200, AfterClient::Linger, AfterBackend::Close));
}

/// A download of which a client has read a part, so that bytes are in the pipe.
fn stalled_download() -> (Engine, Relay) {
    let mut relay = relay_with_request(DOWNLOAD, true);
    relay.splice_bodies_from(1);
    let backend = MemoryStream::with_input(&response("Content-Length: 900000\r\n", &body(900_000)));
    let client = MemoryStream { write_capacity: 100_000, ..MemoryStream::with_input(b"") };
    let mut engine = Engine::new(client, backend, &[65_536]);
    relay.attempt(false);
    assert!(matches!(engine.run(&mut relay), Ok(false)), "the client does not read");
    assert!(!engine.pipe.is_empty());
    (engine, relay)
}

#[test]
fn a_reader_that_stalls_holds_one_pipe_and_its_own_timeout() {
    let (mut engine, mut relay) = stalled_download();
    assert_eq!(relay.spliced_body().unwrap().in_pipe, engine.pipe.len() as u64);
    let (wants, progress) = (relay.wants(), relay.progress());
    assert!(wants.client.write && !wants.client.read && !wants.backend.read, "{wants:?}");
    let error = relay.timeout_error();
    assert_eq!((error.side, error.kind), (Side::Client, FailureKind::Timeout));

    engine.client.write_capacity = 1;
    assert!(!engine.run(&mut relay).unwrap());
    assert_eq!(relay.progress(), progress + 1, "each byte that it takes starts the timeout again");
    relay.fail(&error, date());
    assert!(engine.run(&mut relay).unwrap());
    assert_eq!(relay.end().1, AfterClient::Abort);
}

#[test]
fn a_process_that_stops_does_not_wait_for_a_pipe() {
    let (mut engine, mut relay) = stalled_download();
    relay.fail(&ProxyError::new(FailureKind::ShuttingDown, Side::Internal, relay.phase()), date());
    assert!(engine.run(&mut relay).unwrap(), "waits for {:?}", relay.wants());
    let (exchange, client, backend) = relay.end();
    assert_eq!((exchange.status, client, backend), (200, AfterClient::Linger, AfterBackend::Close));
}
