//! Exercise 1.3: line-based calculator server (an evening).
//!
//! **Contract.** [`serve`] answers each line with a line, one client after another: `2 + 3` with `5`. A line is two
//! whole numbers of 64 bits (`i64`) and one of `+ - * /` between them, with spaces around it; `/` drops the remainder.
//!
//! - A line ends with LF or CRLF, and the last one also with the end of the stream; answers end with LF. Segment
//!   boundaries mean nothing: one segment may hold several lines, and one line may span many. An answer is sent as
//!   soon as its line is complete.
//! - A line that is not such a calculation, divides by zero, or has a result that does not fit into an `i64` gets one
//!   line that begins with `error: `, and the next line is answered as usual.
//! - A line of more than 1024 bytes (its end not counted) gets one such line, then the end of the stream. It is not
//!   buffered, whether or not its end ever arrives. The client gets the error and a FIN, not a reset, even while it is
//!   still sending: keep receiving and discard. After 256 KiB or 2 s of that, disconnect the client.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Serves clients, one after another, until accepting fails.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (mut client, _) = listener.accept()?;
        // A reset of one client must not stop the server.
        let _ = serve_client(&mut client);
    }
}

/// Answers one client until it ends its sending side.
fn serve_client(client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let received = client.read(&mut buffer)?;
        if received == 0 {
            return Ok(());
        }
        let answer = calculate(&String::from_utf8_lossy(&buffer[..received]));
        writeln!(client, "{answer}")?;
    }
}

/// The answer to one line.
fn calculate(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [left, operator, right] = words[..] else { return "error: not a calculation".to_owned() };
    let (Ok(left), Ok(right)) = (left.parse::<i64>(), right.parse::<i64>()) else {
        return "error: not a number".to_owned();
    };
    let result = match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        _ => return "error: not an operator".to_owned(),
    };
    result.to_string()
}
