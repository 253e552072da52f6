//! A relay: it copies bytes from a client to a server and back, with one thread for all pairs.
//!
//! Two sockets, of which one may be fast and the other slow. The rule that keeps memory flat: one side is read only
//! while no unsent bytes wait for the other. Unread bytes fill the kernel's buffers, then the sender's, and then the
//! sender blocks: this is *backpressure*. A FIN is relayed as well, and the other direction goes on.
//!
//! ```console
//! $ cargo run -p chapter-05-high-perf-io --example mio_relay                        # a slow reader: memory stays flat
//! $ cargo run -p chapter-05-high-perf-io --example mio_relay -- --greedy            # without the rule it does not
//! $ cargo run -p chapter-05-high-perf-io --example mio_relay -- 8080 127.0.0.1:9001 # in front of your server
//! ```

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
};

use clap::Parser;
use common::{cli, outln};
use mio::{Events, Interest, Poll, Registry, Token, net::TcpStream};

use crate::pair::{Pair, if_ready};

mod pair;
mod slow_reader;
#[path = "../status/mod.rs"]
mod status;

const LISTENER: Token = Token(0);
/// Shared by all pairs: no bytes stay in it between two reads.
const BUFFER_BYTES: usize = 64 * 1024;

/// Relays bytes to a server. Without a server it shows what a slow reader costs.
#[derive(Debug, Parser)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Address of the server
    server: Option<SocketAddr>,
    /// Read one side even while unsent bytes wait for the other
    #[arg(long)]
    greedy: bool,
}

fn main() -> ExitCode {
    cli::exit_code(start(&cli::parse()))
}

fn start(args: &Args) -> io::Result<()> {
    let Some(server) = args.server else { return slow_reader::show(args.greedy) };
    let listener = TcpListener::bind(("127.0.0.1", args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    serve(listener, server, args.greedy)
}

fn serve(listener: TcpListener, server: SocketAddr, greedy: bool) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    // Tokens are not reused, so an event of a closed pair finds nothing.
    let (mut pairs, mut tokens) = (HashMap::new(), LISTENER.0 + 1..);
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; BUFFER_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() != LISTENER {
                let pair = pairs.get_mut(&event.token());
                if pair.is_some_and(|pair: &mut Pair| pair.relay(&mut scratch, greedy).unwrap_or(true)) {
                    pairs.remove(&event.token());
                }
                continue;
            }
            while let Some((client, _)) = if_ready(|| listener.accept())? {
                let token = Token(tokens.next().expect("fewer than 2^64 clients"));
                // If the server cannot be reached, the client is closed.
                if let Ok(pair) = connect(client, server, poll.registry(), token) {
                    pairs.insert(token, pair);
                }
            }
        }
    }
}

/// This connect blocks, and with it all other pairs; `src/upstream/connect.rs` of this chapter does not.
fn connect(client: TcpStream, server: SocketAddr, registry: &Registry, token: Token) -> io::Result<Pair> {
    let server = std::net::TcpStream::connect(server)?;
    server.set_nonblocking(true)?;
    let mut streams = [client, TcpStream::from_std(server)];
    for stream in &mut streams {
        // One token for both: whichever is ready, the pair is driven until it would block.
        registry.register(stream, token, Interest::READABLE | Interest::WRITABLE)?;
    }
    Ok(Pair::new(streams))
}
