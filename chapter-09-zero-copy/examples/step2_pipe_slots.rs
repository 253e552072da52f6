//! How many bytes one `splice` moves into an empty pipe: it depends on the pieces in which they were sent.
//!
//! ```console
//! $ cargo run -p chapter-09-zero-copy --example step2_pipe_slots
//! ```
//!
//! A pipe of 64 KiB has 16 slots. Each holds one piece, however small, so the slots are used up before the bytes are.

use std::{
    io::{self, Write as _},
    net::{TcpListener, TcpStream},
};

use common::outln;
use zero_copy::relay::pipe::Pipe;

const BYTES: usize = 100_000;
const PIPE_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    outln!("{BYTES} bytes in the receive queue, a pipe of {PIPE_BYTES} bytes");
    for piece in [100, 1_000, 10_000] {
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        // Each piece is a segment of its own: none waits for the next one.
        client.set_nodelay(true)?;
        for _ in 0..BYTES / piece {
            client.write_all(&vec![0; piece])?;
        }
        let moved = Pipe::open(PIPE_BYTES)?.fill_from(&server)?;
        outln!("sent in pieces of {piece:>6}: one splice moves {moved:>6} bytes");
    }
    Ok(())
}
