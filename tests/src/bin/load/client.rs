//! One connection and its exchanges.
//!
//! Written on raw sockets on purpose: the generator shares its machine with the server that it measures, so every
//! microsecond it uses is taken from the server. Bytes are read into a buffer that all connections of a thread share
//! and are checked there; nothing is allocated per request.

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
    response::{FeedResult, ResponseReader},
    tally::Tally,
};

/// The most bytes of one read: large enough that a large body takes few calls.
const SCRATCH_BYTES: usize = 64 * 1024;

/// What the connections of one thread share.
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) tally: RefCell<Tally>,
    /// Borrowed within one poll only.
    scratch: RefCell<Box<[u8]>>,
    /// Which of the target's addresses answered last: `localhost` has two, and often only one listens.
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
    /// Bytes of this request that were sent.
    sent: usize,
    /// Bytes of its response that were received.
    received: u64,
    /// The rest of the request cannot be sent. The response may still arrive.
    send_failed: bool,
    deadline: Instant,
    /// Set once and moved only when it expires too early: a timer per request would cost more than parsing the
    /// response.
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

    /// The `X-Server-ID` of the last response; empty without one.
    pub(crate) fn server_id(&self) -> &[u8] {
        &self.reader.server_id
    }

    /// Sends one request and reads its response, on the open connection or else on a new one.
    ///
    /// Never retries: a request that met a closing connection has failed, as a real client's POST would have. Only a
    /// connection whose end was seen *before* the request is replaced.
    pub(crate) async fn request(&mut self, now: Instant) -> Result<(), Failure> {
        self.deadline = now + self.shared.plan.timeout;
        self.reader.begin();
        self.body.begin();
        self.sent = 0;
        self.received = 0;
        self.send_failed = false;
        std::future::poll_fn(|cx| {
            self.drop_if_closed(cx);
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
            for attempt in 0..addresses.len() {
                let index = (first + attempt) % addresses.len();
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

    /// An idle connection must stay silent: any byte or FIN is its end. Needs no system call while the runtime has
    /// reported no event.
    fn drop_if_closed(&mut self, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else { return };
        let mut byte = [0; 1];
        if Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_ready() {
            self.stream = None;
        }
    }

    /// Sends and reads at once: a server may respond before it has read the whole request, and would then never read
    /// the rest from a client that does not read meanwhile.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.poll_send(cx);
        if let Poll::Ready(end) = self.poll_response(cx) {
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

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
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
                Ok(FeedResult::Incomplete) => {}
                Ok(FeedResult::Complete { used }) if used < bytes.len() => {
                    return Poll::Ready(Err(Failure::StrayBytes));
                }
                Ok(FeedResult::Complete { .. }) => return Poll::Ready(Ok(())),
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
    }

    /// The delay before the next attempt. Without it a closed loop would connect to a dead port a hundred thousand
    /// times a second, and starve a server that is restarting.
    pub(crate) fn pause_after(failure: Failure) -> Option<Duration> {
        failure.is_connect().then_some(Duration::from_millis(10))
    }
}
