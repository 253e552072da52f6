//! Futures from the inside: an executor on chapter 5's loop, and an echo server written as an `async fn`.
//!
//! Three parts, and tokio has the same three. A *future* tries, and if it would have to wait it says `Pending` and leaves
//! its *waker* where the event will come. The *reactor* sleeps in `mio` and wakes whom an event is for. The *executor*
//! polls those who were woken, and nobody else. The states between two `await`s are written by the compiler.
//!
//! ```console
//! $ cargo run -p chapter-06-connection-pooling --example tiny_executor
//! $ nc 127.0.0.1 8080                                              # in a second terminal: type
//! ```
//!
//! What is missing: timers, and a turn for the others while one client sends without a pause. And look at the size that
//! it prints: `tokio_echo` says where it comes from.

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

/// Of each client. It lives across an `await`, and so in the future.
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
    let listener = std::net::TcpListener::bind(("127.0.0.1", args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    outln!("a client is a future of {} bytes", size_of_future(echo));
    run(|world| serve(listener, world))
}

/// The size of what an `async fn` makes, without making it.
fn size_of_future<F>(_: fn(Socket<TcpStream>) -> F) -> usize {
    mem::size_of::<F>()
}

async fn serve(listener: std::net::TcpListener, world: Rc<World>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = Socket::new(TcpListener::from_std(listener), &world)?;
    loop {
        match listener.attempt(|listener| listener.accept()).await {
            Ok((stream, _)) => {
                let client = Socket::new(stream, &world)?;
                world.spawn(async { drop(echo(client).await) }); // who breaks off harms nobody else
            }
            Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
            Err(error) => return Err(error),
        }
    }
}

// ANCHOR: echo
/// Gives back what comes, until the client has said its last.
async fn echo(mut client: Socket<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        let came = client.attempt(|stream| stream.read(&mut buffer)).await?;
        if came == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..came];
        while !rest.is_empty() {
            let sent = client.attempt(|stream| stream.write(rest)).await?;
            rest = &rest[sent..];
        }
    }
}
// ANCHOR_END: echo

/// What sockets and tasks share.
struct World {
    registry: Registry,
    /// Whom an event of a socket is for.
    waiting: RefCell<HashMap<Token, Waker>>,
    /// Numbers are not used again, so an event of a socket that is closed finds nobody.
    next: Cell<usize>,
    /// Tasks that have not been polled yet.
    newcomers: RefCell<Vec<Task>>,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

impl World {
    fn number(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.newcomers.borrow_mut().push(Box::pin(task));
    }
}

/// A socket whose calls can be awaited.
struct Socket<S: Source> {
    source: S,
    token: Token,
    world: Rc<World>,
}

impl<S: Source> Socket<S> {
    fn new(mut source: S, world: &Rc<World>) -> io::Result<Self> {
        let token = Token(world.number());
        world.registry.register(&mut source, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { source, token, world: Rc::clone(world) })
    }

    fn attempt<T, F: FnMut(&mut S) -> io::Result<T>>(&mut self, call: F) -> Attempt<'_, S, F> {
        Attempt { socket: self, call }
    }
}

impl<S: Source> Drop for Socket<S> {
    fn drop(&mut self) {
        self.world.waiting.borrow_mut().remove(&self.token);
    }
}

// ANCHOR: future
/// A call that may have to wait: a future written by hand.
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
                    socket.world.waiting.borrow_mut().insert(socket.token, context.waker().clone());
                    return Poll::Pending;
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}
// ANCHOR_END: future

/// The numbers of the tasks that are to be polled.
type Due = Mutex<Vec<usize>>;

// ANCHOR: waker
/// What is behind a waker: to wake a task is to write down its number. A waker may be sent anywhere, hence the lock.
struct Ticket {
    task: usize,
    due: Arc<Due>,
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}
// ANCHOR_END: waker

/// Polls whoever was woken, then sleeps until an event wakes somebody; until the first task fails.
fn run<F>(main: impl FnOnce(Rc<World>) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let mut poll = mio::Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let registry = poll.registry().try_clone()?;
    let world =
        Rc::new(World { registry, waiting: RefCell::default(), next: Cell::new(0), newcomers: RefCell::default() });
    let (failed, failure) = (Rc::new(Cell::new(None)), main(Rc::clone(&world)));
    let told = Rc::clone(&failed);
    world.spawn(async move { told.set(failure.await.err()) });
    let (mut tasks, due): (HashMap<usize, (Task, Waker)>, Arc<Due>) = Default::default();
    // ANCHOR: executor
    loop {
        for task in world.newcomers.take() {
            let ticket = Ticket { task: world.number(), due: Arc::clone(&due) };
            due.lock().unwrap_or_else(PoisonError::into_inner).push(ticket.task);
            tasks.insert(ticket.task, (task, Waker::from(Arc::new(ticket))));
        }
        let woken = mem::take(&mut *due.lock().unwrap_or_else(PoisonError::into_inner));
        for number in &woken {
            // Who has ended may be woken once more by an event of before.
            let Some((task, waker)) = tasks.get_mut(number) else { continue };
            if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                tasks.remove(number);
            }
        }
        if let Some(error) = failed.take() {
            return Err(error);
        }
        if !woken.is_empty() {
            continue; // to poll may have woken somebody, or brought a newcomer
        }
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            let waker = world.waiting.borrow_mut().remove(&event.token());
            waker.into_iter().for_each(Waker::wake);
        }
    }
    // ANCHOR_END: executor
}

#[cfg(test)]
mod tests {
    use std::thread;

    use integration_tests::{client::Client, seed::Seed, wait::ms};

    use super::*;

    #[test]
    fn clients_are_served_side_by_side_and_get_back_every_byte() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || run(|world| serve(listener, world)));
        // More than the kernel keeps on the way there and back.
        let message = Seed::new(6).bytes(32 << 20);
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
            assert!(late.read_exact(message.len()) == *message, "the echo is another message");
            assert!(writing.join().unwrap());
        });
        late.half_close();
        late.expect_closed();
    }
}
