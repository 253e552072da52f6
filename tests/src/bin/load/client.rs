//! One connection and the exchanges on it.
//!
//! Raw on purpose: the generator shares its machine with what it measures, so every microsecond that
//! it takes is one that the server does not get. Bytes are read into a buffer that all connections
//! of a thread share and are checked there; nothing is allocated per request.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use crate::{
    clock,
    expect::BodyCheck,
    failure::Failure,
    plan::Plan,
    response::{Fed, ResponseReader},
    tally::Tally,
};

/// One read takes at most this: large enough that a large body costs few calls.
const SCRATCH_BYTES: usize = 64 * 1024;

/// What the connections of one thread have in common.
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) tally: RefCell<Tally>,
    /// Borrowed within one poll only.
    scratch: RefCell<Box<[u8]>>,
    /// Which of the target's addresses answered last: `localhost` is two, and often one listens.
    address: Cell<usize>,
}

impl Shared {
    pub(crate) fn new(plan: Arc<Plan>, tally: Tally) -> Rc<Self> {
        let scratch = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
        Rc::new(Self { plan, tally: RefCell::new(tally), scratch, address: Cell::new(0) })
    }
}

/// A client that has one request in flight at a time.
pub(crate) struct Client {
    shared: Rc<Shared>,
    stream: Option<TcpStream>,
    reader: ResponseReader,
    body: BodyCheck,
    /// Bytes of this request that are sent.
    sent: usize,
    /// Bytes that came in answer to it.
    received: u64,
    /// The request cannot be sent further. The answer may be there all the same.
    send_failed: bool,
    deadline: Instant,
    /// Set once and moved only when it rings too early: a timer set per request would cost more than
    /// parsing the answer.
    timer: Pin<Box<Sleep>>,
}

impl Client {
    pub(crate) fn new(shared: Rc<Shared>) -> Self {
        let plan = &shared.plan;
        let deadline = clock::now() + plan.timeout;
        Self {
            stream: None,
            reader: ResponseReader::new(plan.is_head),
            body: BodyCheck::new(plan.expect.clone()),
            sent: 0,
            received: 0,
            send_failed: false,
            deadline,
            timer: Box::pin(tokio::time::sleep_until(deadline.into())),
            shared,
        }
    }

    /// Bytes sent and received for the last request.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.sent as u64, self.received)
    }

    /// The `X-Server-ID` of the last answer; empty without one.
    pub(crate) fn server_id(&self) -> &[u8] {
        &self.reader.server_id
    }

    /// Sends one request and reads its answer, on the connection at hand or else on a fresh one.
    ///
    /// Never sends twice: a request that met a closing connection has failed, as a real client's
    /// POST would have. Only a connection whose end was seen *before* is replaced.
    pub(crate) async fn request(&mut self, now: Instant) -> Result<(), Failure> {
        self.deadline = now + self.shared.plan.timeout;
        self.reader.begin();
        self.body.begin();
        self.sent = 0;
        self.received = 0;
        self.send_failed = false;
        std::future::poll_fn(|cx| {
            self.drop_if_ended(cx);
            Poll::Ready(())
        })
        .await;
        if self.stream.is_none() {
            self.stream = Some(self.connect().await?);
        }
        let whole = std::future::poll_fn(|cx| self.poll_exchange(cx)).await;
        let reusable = whole.is_ok()
            && self.reader.keep_alive
            && self.sent == self.shared.plan.request.len()
            && !self.shared.plan.new_connection;
        if !reusable {
            self.stream = None;
        }
        whole?;
        self.body.finish(self.reader.status, self.shared.plan.is_head)
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let addresses = &self.shared.plan.target.addresses;
        let first = self.shared.address.get();
        let connect = async {
            let mut failure = Failure::ConnectRefused;
            for turn in 0..addresses.len() {
                let index = (first + turn) % addresses.len();
                match TcpStream::connect(addresses[index]).await {
                    Ok(stream) => {
                        self.shared.address.set(index);
                        return Ok(stream);
                    }
                    Err(error) => failure = Failure::of_connect(&error),
                }
            }
            Err(failure)
        };
        let stream =
            tokio::time::timeout_at(self.deadline.into(), connect).await.unwrap_or(Err(Failure::ConnectTimeout))?;
        stream.set_nodelay(true).map_err(|error| Failure::of_connect(&error))?;
        self.shared.tally.borrow_mut().opened += 1;
        Ok(stream)
    }

    /// Between two requests a connection has nothing to say: whatever it says is its end. Costs no
    /// system call while the runtime has seen nothing.
    fn drop_if_ended(&mut self, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else { return };
        let mut byte = [0; 1];
        if Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_ready() {
            self.stream = None;
        }
    }

    /// Sends and reads at once: a server may answer before it has read the whole request, and would
    /// never read the rest from a client that does not listen meanwhile.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.poll_send(cx);
        if let Poll::Ready(end) = self.poll_answer(cx) {
            return Poll::Ready(end);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = clock::now();
            if now >= self.deadline {
                return Poll::Ready(Err(Failure::Timeout));
            }
            let deadline = self.deadline;
            self.timer.as_mut().reset(deadline.into());
        }
        Poll::Pending
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) {
        let Self { stream: Some(stream), shared, sent, send_failed, .. } = self else { return };
        let request = &shared.plan.request;
        while *sent < request.len() && !*send_failed {
            match Pin::new(&mut *stream).poll_write(cx, &request[*sent..]) {
                Poll::Ready(Ok(0) | Err(_)) => *send_failed = true,
                Poll::Ready(Ok(bytes)) => *sent += bytes,
                Poll::Pending => break,
            }
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Self { stream: Some(stream), shared, reader, body, received, .. } = self else {
            return Poll::Ready(Err(Failure::Io(io::ErrorKind::NotConnected)));
        };
        let mut scratch = shared.scratch.borrow_mut();
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            if let Err(error) = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                return Poll::Ready(Err(Failure::of_exchange(&error)));
            }
            let bytes = buffer.filled();
            if bytes.is_empty() {
                return Poll::Ready(reader.eof());
            }
            *received += bytes.len() as u64;
            match reader.feed(bytes, &mut |piece| body.piece(piece)) {
                Ok(Fed::More) => {}
                Ok(Fed::Whole { used }) if used < bytes.len() => {
                    return Poll::Ready(Err(Failure::StrayBytes));
                }
                Ok(Fed::Whole { .. }) => return Poll::Ready(Ok(())),
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
    }

    /// How long to wait before the next attempt. Without a pause a closed loop would ask a dead port
    /// a hundred thousand times a second, and starve the server that is about to come back.
    pub(crate) fn pause_after(failure: Failure) -> Option<Duration> {
        failure.is_connect().then_some(Duration::from_millis(10))
    }
}
