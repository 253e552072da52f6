//! Futures from the inside: an executor on chapter 5's loop, and an echo server written as an `async fn`.
//!
//! Three parts, and tokio has the same three. A *future* tries, and if it would block it returns `Pending` and stores
//! its *waker* with the socket. The *reactor* blocks in `mio` and wakes the task that an event is for. The *executor*
//! polls the tasks that were woken, and no others. The compiler generates the states between two `await`s.
//!
//! ```console
//! $ cargo run -p chapter-06-connection-pooling --example tiny_executor
//! $ nc 127.0.0.1 8080                                              # in a second terminal: type
//! ```
//!
//! What is missing: timers, and fairness while one client sends without a pause. Note the size that it prints:
//! `tokio_echo` explains where it comes from.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io::{self, ErrorKind, Read as _, Write as _},
    mem,
    pin::Pin,
    process::ExitCode,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use clap::Parser;
use common::{cli, net::AcceptError, outln};
use mio::{
    Events, Interest, Registry, Token,
    event::Source,
    net::{TcpListener, TcpStream},
};

/// Per client. The buffer lives across an `await`, and so in the future.
const BUFFER_BYTES: usize = 1024;

/// An echo server on an executor of a hundred lines.
#[derive(Debug, Parser)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
}

fn main() -> ExitCode {
    cli::exit_code(start(&cli::parse()))
}

fn start(args: &Args) -> io::Result<()> {
    let future_bytes = size_of_future(echo);
    let listener = std::net::TcpListener::bind(("127.0.0.1", args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    outln!("a client is a future of {future_bytes} bytes");
    run(|reactor| serve(listener, reactor))
}

/// The size of the future that an `async fn` returns, without calling it.
fn size_of_future<F>(_: fn(Socket<TcpStream>) -> F) -> usize {
    mem::size_of::<F>()
}

async fn serve(listener: std::net::TcpListener, reactor: Rc<Reactor>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = Socket::new(TcpListener::from_std(listener), &reactor)?;
    loop {
        match listener.attempt(|listener| listener.accept()).await {
            Ok((stream, _)) => {
                let client = Socket::new(stream, &reactor)?;
                reactor.spawn(async { drop(echo(client).await) }); // an error closes this client only
            }
            Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
            Err(error) => return Err(error),
        }
    }
}

// ANCHOR: echo
/// Echoes the received bytes until FIN.
async fn echo(mut client: Socket<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        let received = client.attempt(|stream| stream.read(&mut buffer)).await?;
        if received == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..received];
        while !rest.is_empty() {
            let sent = client.attempt(|stream| stream.write(rest)).await?;
            rest = &rest[sent..];
        }
    }
}
// ANCHOR_END: echo

/// What sockets and tasks share with the loop.
struct Reactor {
    registry: Registry,
    /// The waker of the task that waits for each socket.
    waiting: RefCell<HashMap<Token, Waker>>,
    /// The next id. Ids are not reused, so an event of a closed socket finds no waker.
    next: Cell<usize>,
    /// Tasks that have not been polled yet.
    spawned: RefCell<Vec<Task>>,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

impl Reactor {
    fn next_id(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Box::pin(task));
    }
}

/// A socket whose calls can be awaited.
struct Socket<S: Source> {
    source: S,
    token: Token,
    reactor: Rc<Reactor>,
}

impl<S: Source> Socket<S> {
    fn new(mut source: S, reactor: &Rc<Reactor>) -> io::Result<Self> {
        let token = Token(reactor.next_id());
        reactor.registry.register(&mut source, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { source, token, reactor: Rc::clone(reactor) })
    }

    fn attempt<T, F: FnMut(&mut S) -> io::Result<T>>(&mut self, call: F) -> Attempt<'_, S, F> {
        Attempt { socket: self, call }
    }
}

impl<S: Source> Drop for Socket<S> {
    fn drop(&mut self) {
        self.reactor.waiting.borrow_mut().remove(&self.token);
    }
}

// ANCHOR: future
/// A call that may block: a future written by hand.
struct Attempt<'a, S: Source, F> {
    socket: &'a mut Socket<S>,
    call: F,
}

impl<S: Source, T, F: FnMut(&mut S) -> io::Result<T> + Unpin> Future for Attempt<'_, S, F> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, call } = &mut *self;
        loop {
            match call(&mut socket.source) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    socket.reactor.waiting.borrow_mut().insert(socket.token, context.waker().clone());
                    return Poll::Pending;
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}
// ANCHOR_END: future

/// The ids of the tasks that have been woken.
type ReadyQueue = Mutex<Vec<usize>>;

// ANCHOR: waker
/// The data behind a waker: waking a task pushes its id. A waker may be sent to any thread, hence the lock.
struct TaskWaker {
    task_id: usize,
    ready: Arc<ReadyQueue>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.task_id);
    }
}
// ANCHOR_END: waker

/// Polls the tasks that were woken, then blocks until an event wakes one. Returns when the main task fails.
fn run<F>(main: impl FnOnce(Rc<Reactor>) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let mut poll = mio::Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let registry = poll.registry().try_clone()?;
    let reactor =
        Rc::new(Reactor { registry, waiting: RefCell::default(), next: Cell::new(0), spawned: RefCell::default() });
    let (failed, main_task) = (Rc::new(Cell::new(None)), main(Rc::clone(&reactor)));
    let result = Rc::clone(&failed);
    reactor.spawn(async move { result.set(main_task.await.err()) });
    let (mut tasks, ready): (HashMap<usize, (Task, Waker)>, Arc<ReadyQueue>) = Default::default();
    // ANCHOR: executor
    loop {
        for task in reactor.spawned.take() {
            let waker = TaskWaker { task_id: reactor.next_id(), ready: Arc::clone(&ready) };
            ready.lock().unwrap_or_else(PoisonError::into_inner).push(waker.task_id);
            tasks.insert(waker.task_id, (task, Waker::from(Arc::new(waker))));
        }
        let woken = mem::take(&mut *ready.lock().unwrap_or_else(PoisonError::into_inner));
        for task_id in &woken {
            // A task that has ended may still be woken by an earlier event.
            let Some((task, waker)) = tasks.get_mut(task_id) else { continue };
            if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                tasks.remove(task_id);
            }
        }
        if let Some(error) = failed.take() {
            return Err(error);
        }
        if !woken.is_empty() {
            continue; // polling may have woken or spawned a task
        }
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            let waker = reactor.waiting.borrow_mut().remove(&event.token());
            waker.into_iter().for_each(Waker::wake);
        }
    }
    // ANCHOR_END: executor
}

#[cfg(test)]
mod tests {
    use std::thread;

    use integration_tests::{client::Client, rng::Rng, wait::ms};

    use super::*;

    #[test]
    fn clients_are_served_concurrently_and_get_every_byte_back() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || run(|reactor| serve(listener, reactor)));
        // More than the kernel's buffers hold in both directions.
        let message = Rng::new(6).bytes(32 << 20);
        let mut late = Client::connect(address);
        let mut others = [(); 3].map(|()| Client::connect(address));
        thread::scope(|scope| {
            let (mut writer, message) = (late.stream(), &message);
            let writing = scope.spawn(move || writer.write_all(message).is_ok());
            integration_tests::wait::pause(ms(200));
            for turn in 0..100 {
                let other = &mut others[turn % 3];
                other.send("hello");
                assert_eq!(other.read_exact(5), b"hello");
            }
            assert!(late.read_exact(message.len()) == *message, "the echo differs from the message");
            assert!(writing.join().unwrap());
        });
        late.half_close();
        late.expect_closed();
    }
}
