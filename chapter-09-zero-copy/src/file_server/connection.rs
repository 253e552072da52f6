//! A client's connection: its requests one after another, and its end.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Shutdown},
    rc::Rc,
    time::Instant,
};

use common::{
    clock::{now, wall_clock},
    http::{FailureKind, LocalReply, Phase, ProtocolError, ProxyError, RequestBuffer, Side},
    timeouts::{LINGER_TIMEOUT, MAX_LINGER_READS},
};
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    task::yield_now,
    time::{sleep_until, timeout},
};

use super::{
    context::WorkerContext,
    response::{Response, ResponseContext},
    send::{SMALL_FILE_BYTES, Sink, Turn},
};
use crate::sendfile::FileSender;

/// A client's connection. Between two requests it has no buffer.
#[derive(Debug)]
pub(super) struct Connection {
    worker: Rc<WorkerContext>,
    stream: TcpStream,
    client: IpAddr,
    request_buffer: RequestBuffer,
    turn: Turn,
    /// The end of the last response, or the first byte of a head that is not complete.
    timeout_start: Instant,
}

/// A request, and the response to it.
#[derive(Debug)]
struct Exchange {
    response: Response,
    started_at: Instant,
    /// The method and the target as they were received; empty unless requests are logged.
    request_line: String,
}

/// What has become of the wait for a request.
enum Received {
    Exchange(Exchange),
    /// No complete head yet.
    Incomplete,
    /// The client has closed the connection.
    Closed,
}

impl Connection {
    pub(super) fn new(worker: Rc<WorkerContext>, stream: TcpStream, client: IpAddr) -> Self {
        let (request_buffer, turn) = (RequestBuffer::default(), Turn::new());
        worker.stats().count_connection();
        Self { worker, stream, client, request_buffer, turn, timeout_start: now() }
    }

    /// Serves the client until the connection has to be closed.
    pub(super) async fn serve(mut self) {
        loop {
            let Some(mut exchange) = self.next_exchange().await else { return };
            let sent = self.send(&mut exchange.response).await;
            self.record(&exchange, sent.as_ref().err());
            match sent {
                Ok(()) if !exchange.response.close => self.timeout_start = now(),
                // FIN, not RST: the client gets what was sent, and `Content-Length` shows that bytes are missing.
                Ok(()) => return self.lingering_close().await,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return self.lingering_close().await,
                Err(_) => return,
            }
            self.turn.charge_request().await;
        }
    }

    /// Waits for a request. `None`: the connection is to be closed without a response.
    async fn next_exchange(&mut self) -> Option<Exchange> {
        loop {
            match self.receive() {
                Ok(Received::Exchange(exchange)) => return Some(exchange),
                Ok(Received::Incomplete) => {}
                Ok(Received::Closed) => return None,
                Err(error) => return Some(self.reject(&error)),
            }
            self.turn.renew();
            let idle = self.request_buffer.is_idle();
            if !self.wait_for_bytes(idle).await {
                if idle {
                    self.lingering_close().await;
                    return None;
                }
                return Some(self.reject(&client_error(FailureKind::Timeout)));
            }
        }
    }

    /// Looks for a request in the bytes that have been received, then in those that have arrived. It does not wait: the
    /// buffer belongs to all tasks of the worker.
    fn receive(&mut self) -> Result<Received, ProxyError> {
        let worker = Rc::clone(&self.worker);
        let mut scratch = worker.scratch.borrow_mut();
        let mut new_bytes = 0;
        loop {
            if let Some(exchange) = self.begin_exchange(&scratch[..new_bytes])? {
                return Ok(Received::Exchange(exchange));
            }
            let idle = self.request_buffer.is_idle();
            new_bytes = match self.stream.try_read(&mut scratch) {
                Ok(0) if idle => return Ok(Received::Closed),
                Ok(0) => return Err(client_error(FailureKind::IncompleteMessage)),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Incomplete),
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(_) => return Ok(Received::Closed), // reset: nobody is there to read an answer
            };
            if idle {
                self.timeout_start = now();
            }
        }
    }

    /// Begins an exchange if `new_bytes` complete a request head.
    fn begin_exchange(&mut self, new_bytes: &[u8]) -> Result<Option<Exchange>, ProxyError> {
        let worker = &*self.worker;
        let invalid = |error| ProxyError::invalid_request(error, Phase::RequestHead);
        let head = &mut *worker.head.borrow_mut();
        let Some(received) = self.request_buffer.read_request(new_bytes, head).map_err(invalid)? else {
            return Ok(None);
        };
        let head = head.view(received.head);
        // A body is not read, and what follows it can therefore not be found.
        let mut close = head.must_close() || head.has_body();
        // While the process drains, each request is the last of its connection, unless the next has arrived with it:
        // that client could not know.
        close |= worker.is_draining() && received.rest.is_empty();
        let now = now();
        let context = ResponseContext { now: wall_clock(), date: worker.date.at(now, wall_clock), close };
        let config = worker.config();
        let exchange = Exchange {
            response: Response::to_request(&config.root, head, context),
            started_at: self.timeout_start,
            request_line: if config.log_requests {
                format!("{} {}", head.method_name().escape_ascii(), head.target().escape_ascii())
            } else {
                String::new()
            },
        };
        let length = received.head.len();
        self.request_buffer.consume(new_bytes, length);
        Ok(Some(exchange))
    }

    /// The response to what is no request.
    fn reject(&mut self, error: &ProxyError) -> Exchange {
        self.request_buffer.clear();
        let reply = match error.kind {
            FailureKind::Protocol(ProtocolError::ConnectNotAllowed) => super::response::METHOD_NOT_ALLOWED,
            _ => LocalReply::new(error.status(), "invalid"),
        };
        let date = self.worker.date.at(now(), wall_clock);
        let context = ResponseContext { now: wall_clock(), date, close: true };
        let response = Response::local_reply(&reply, b"", context, false);
        Exchange { response, started_at: self.timeout_start, request_line: format!("- ({error})") }
    }

    /// Waits until there are bytes to read, or the connection has ended. Returns false when the client has taken too
    /// long, for the rest of a head or for the next one.
    async fn wait_for_bytes(&self, idle: bool) -> bool {
        loop {
            let (timeouts, drain_started) = (&self.worker.config().timeouts, self.worker.drain_started());
            let deadline = timeouts.head_deadline(self.timeout_start, idle, drain_started);
            tokio::select! {
                biased;
                _ = self.stream.readable() => return true,
                () = sleep_until(deadline.into()) => return false,
                // The deadline of an idle connection comes closer.
                () = self.worker.drain_begins(), if drain_started.is_none() => {}
            }
        }
    }

    async fn send(&self, response: &mut Response) -> io::Result<()> {
        let config = self.worker.config();
        let sink = Sink {
            stream: &self.stream,
            turn: &self.turn,
            timeout: config.timeouts.body,
            method: config.method,
            scratch: &self.worker.scratch,
            stats: self.worker.stats(),
        };
        match &mut response.body {
            Some(file) if file.remaining() <= SMALL_FILE_BYTES => sink.send_together(&response.head, file).await,
            Some(file) => {
                sink.send_head(&response.head, true).await?;
                sink.send_file(file).await
            }
            None => sink.send_head(&response.head, false).await,
        }
    }

    fn record(&self, exchange: &Exchange, error: Option<&io::Error>) {
        self.worker.stats().count_request(error.is_some());
        if !self.worker.config().log_requests {
            return;
        }
        let Exchange { response, started_at, request_line } = exchange;
        let unsent = response.body.as_ref().map_or(0, FileSender::remaining);
        let outcome = match error {
            None => "ok".to_owned(),
            Some(error) if error.kind() == ErrorKind::UnexpectedEof => "the file was truncated".to_owned(),
            Some(error) => error.to_string(),
        };
        let (method, target) = request_line.split_once(' ').unwrap_or((request_line, ""));
        let total = now().saturating_duration_since(*started_at);
        tracing::info!(
            "{} {method} {} {target} unsent={unsent} total={total:.1?} {outcome}",
            self.client,
            response.status
        );
    }

    /// FIN, then discards what the client still sends: closing a socket with unread bytes sends a reset, which can
    /// overtake the response (RFC 9112 §9.6).
    async fn lingering_close(&self) {
        if SockRef::from(&self.stream).shutdown(Shutdown::Write).is_err() {
            return;
        }
        let discard = async {
            loop {
                for _ in 0..MAX_LINGER_READS {
                    // A statement of its own: the buffer must not stay borrowed while this task waits.
                    let discarded = self.stream.try_read(&mut self.worker.scratch.borrow_mut());
                    match discarded {
                        Ok(1..) => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            if self.stream.readable().await.is_err() {
                                return;
                            }
                        }
                        Ok(0) | Err(_) => return,
                    }
                }
                yield_now().await;
            }
        };
        let _ = timeout(LINGER_TIMEOUT, discard).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.stats().count_closed_connection();
    }
}

fn client_error(kind: FailureKind) -> ProxyError {
    ProxyError::new(kind, Side::Client, Phase::RequestHead)
}
