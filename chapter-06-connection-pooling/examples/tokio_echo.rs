//! The echo server on tokio, twice: with a buffer for each client, and with one for all of them.
//!
//! [`LocalRuntime`](tokio::runtime::LocalRuntime) is a runtime that never leaves its thread. So a task need not be
//! `Send`, and the tasks of a worker share an `Rc` with a cell in it: no lock, no atomic.
//!
//! ```console
//! $ cargo run -p chapter-06-connection-pooling --example tokio_echo                        # one buffer for all
//! $ cargo run -p chapter-06-connection-pooling --example tokio_echo -- --own-buffer        # one for each
//! $ nc 127.0.0.1 8080                                              # in a second terminal: type
//! ```
//!
//! A variable that lives across an `await` is stored in the future, and a future lives as long as its client: a
//! thousand idle clients with a buffer of 16 KiB each need 16 MiB. A shared buffer must be empty whenever a task
//! suspends. So the task reads into it *within* a poll (`poll_read`), and moves bytes that the client does not take at
//! once into its own buffer. (`readable().await`, then `try_read` would work too, with one more system call each.)

use std::{
    cell::RefCell,
    io, mem,
    pin::Pin,
    process::ExitCode,
    rc::Rc,
    task::{Context, Poll, ready},
};

use clap::Parser;
use common::{cli, net::AcceptError, outln};
use tokio::{
    io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    task::spawn_local,
};

const BUFFER_BYTES: usize = 16 * 1024;

/// The buffer that all clients of a worker share. No bytes stay in it between two polls.
type Scratch = Rc<RefCell<Box<[u8]>>>;

/// An echo server on tokio.
#[derive(Debug, Parser)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Give each client a buffer of its own
    #[arg(long)]
    own_buffer: bool,
}

fn main() -> ExitCode {
    cli::exit_code(start(&cli::parse()))
}

fn start(args: &Args) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    let (own, shared) = (size_of_future(echo), size_of_future(echo_through));
    outln!("a client is a future of {own} bytes with a buffer of its own, of {shared} without");
    serve(listener, args.own_buffer)
}

/// The size of the future that an `async fn` returns, without calling it.
fn size_of_future<F>(_: fn(TcpStream, Scratch) -> F) -> usize {
    mem::size_of::<F>()
}

fn serve(listener: std::net::TcpListener, own_buffer: bool) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let scratch: Scratch = Rc::new(RefCell::new(vec![0; BUFFER_BYTES].into_boxed_slice()));
        loop {
            match listener.accept().await {
                Ok((stream, _)) if own_buffer => drop(spawn_local(echo(stream, Rc::clone(&scratch)))),
                Ok((stream, _)) => drop(spawn_local(echo_through(stream, Rc::clone(&scratch)))),
                Err(error) if AcceptError::classify(&error) == AcceptError::Transient => {}
                Err(error) => return Err(error),
            }
        }
    })
}

/// The obvious way: each client has a buffer.
async fn echo(mut stream: TcpStream, _: Scratch) -> io::Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
    }
}

/// The same with the shared buffer.
async fn echo_through(mut stream: TcpStream, scratch: Scratch) -> io::Result<()> {
    let mut unsent = Vec::new();
    std::future::poll_fn(|context| poll_echo(&mut stream, &scratch, &mut unsent, context)).await
}

/// Echoes until a call would block. Each call that returns `Pending` has registered the task's waker with the socket.
fn poll_echo(
    stream: &mut TcpStream,
    scratch: &RefCell<Box<[u8]>>,
    unsent: &mut Vec<u8>,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        while !unsent.is_empty() {
            let sent = ready!(Pin::new(&mut *stream).poll_write(context, unsent))?;
            unsent.drain(..sent);
        }
        // ANCHOR: shared
        let scratch = &mut *scratch.borrow_mut();
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        let received = buffer.filled();
        if received.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let sent = match Pin::new(&mut *stream).poll_write(context, received)? {
            Poll::Ready(sent) => sent,
            Poll::Pending => 0,
        };
        *unsent = received[sent..].to_vec(); // empty, it does not allocate
        // ANCHOR_END: shared
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, thread};

    use integration_tests::{client::Client, rng::Rng, wait::ms};

    use super::*;

    #[test]
    fn both_echo_every_byte_to_a_slow_reader() {
        for own_buffer in [false, true] {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let address = listener.local_addr().unwrap();
            thread::spawn(move || serve(listener, own_buffer));
            // More than the kernel's buffers hold in both directions.
            let message = Rng::new(6).bytes(32 << 20);
            let (mut late, mut other) = (Client::connect(address), Client::connect(address));
            thread::scope(|scope| {
                let (mut writer, message) = (late.stream(), &message);
                let writing = scope.spawn(move || writer.write_all(message).is_ok());
                integration_tests::wait::pause(ms(200));
                for _ in 0..100 {
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

    #[test]
    fn a_buffer_that_lives_across_an_await_is_in_the_future() {
        assert!(size_of_future(echo) > BUFFER_BYTES);
        assert!(size_of_future(echo_through) < 256);
    }
}
