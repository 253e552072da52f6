//! Exercise 1.3, solved.
//!
//! The stream is split into lines in one place, `next_line`, which alone handles segments, line ends and the limit; the
//! arithmetic never sees a socket. The delicate part is a line that is too long: closing a socket with unread bytes
//! resets the connection, and the reset may reach the client before the error that explains it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const LONGEST_LINE: usize = 1024;
/// How much a rejected client may still send, and for how long, before it is disconnected.
const DRAIN_BYTES: usize = 256 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Serves clients, one after another, until accepting fails.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept()?;
        // A reset of one client must not stop the server.
        let _ = serve_client(&client);
    }
}

/// Answers one client until it ends its sending side, or sends a line that is too long.
fn serve_client(mut client: &TcpStream) -> io::Result<()> {
    // No Nagle delay: an answer must not wait for the acknowledgement of the one before.
    client.set_nodelay(true)?;
    let mut stream = BufReader::new(client);
    let mut buffer = Vec::new();
    loop {
        let answer = match next_line(&mut stream, &mut buffer)? {
            Line::End => return Ok(()),
            Line::TooLong => {
                client.write_all(format!("error: a line has at most {LONGEST_LINE} bytes\n").as_bytes())?;
                client.shutdown(Shutdown::Write)?;
                return drain(client);
            }
            Line::Whole(line) => match calculate(line) {
                Ok(result) => format!("{result}\n"),
                Err(reason) => format!("error: {reason}\n"),
            },
        };
        client.write_all(answer.as_bytes())?;
    }
}

/// The next item in a stream of lines.
enum Line<'a> {
    /// A complete line, without its line end.
    Whole(&'a [u8]),
    TooLong,
    End,
}

/// Reads the next line; buffers no more of it than the limit and its line end.
fn next_line<'a>(stream: &mut impl BufRead, buffer: &'a mut Vec<u8>) -> io::Result<Line<'a>> {
    buffer.clear();
    let with_crlf = LONGEST_LINE as u64 + 2;
    if stream.take(with_crlf).read_until(b'\n', buffer)? == 0 {
        return Ok(Line::End);
    }
    let line = buffer.strip_suffix(b"\n").map_or(&buffer[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(if line.len() > LONGEST_LINE { Line::TooLong } else { Line::Whole(line) })
}

/// The result of one line, or why it is invalid.
fn calculate(line: &[u8]) -> Result<i64, &'static str> {
    let line = str::from_utf8(line).map_err(|_| "not text")?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [left, operator, right] = words[..] else { return Err("not of the form `2 + 3`") };
    let number = |word: &str| word.parse::<i64>().map_err(|_| "not a whole number of 64 bits");
    let (left, right) = (number(left)?, number(right)?);
    let result = match operator {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" if right == 0 => return Err("division by zero"),
        // Division can overflow, too: the least number has no positive counterpart.
        "/" => left.checked_div(right),
        _ => return Err("none of + - * /"),
    };
    result.ok_or("the result does not fit into 64 bits")
}

/// Receives and discards what a rejected client still sends, within limits, so that it can read the error.
#[expect(clippy::disallowed_methods, reason = "a deadline on real I/O")]
fn drain(mut client: &TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + DRAIN_TIME;
    let mut scratch = [0; 4096];
    let mut dropped = 0;
    while dropped < DRAIN_BYTES {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            break;
        }
        client.set_read_timeout(Some(remaining))?;
        match client.read(&mut scratch)? {
            0 => break,
            received => dropped += received,
        }
    }
    Ok(())
}
