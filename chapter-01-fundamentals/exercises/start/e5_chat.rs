//! Exercise 1.5: chat server (project).
//!
//! **Contract.** [`serve`] is a chat room. All lines end with LF (CRLF from a client is fine).
//! - A client's first line is its name: 1 to 16 ASCII letters or digits, not used by another member. Otherwise it gets
//!   one line that begins with `error: ` and the end of the stream; no reset, even while it keeps sending. After 64 KiB
//!   or 2 s of that, it is disconnected. A name is free again once its owner has left.
//! - A new member gets the list of members, itself included, in alphabetical order: `* here: ann, bob`. All others get
//!   `* bob joined`. A client without a name receives nothing.
//! - Each further line goes to all others as `bob: hello`, and not back to its sender. All receive lines in the same
//!   order, and their bytes unchanged. A line of more than 1024 bytes disconnects its client, and is not forwarded;
//!   nor is a last line without LF.
//! - A client that ends its sending side has left, and so has one whose connection breaks. All others get `* bob left`,
//!   once. The client still receives the lines queued for it, then the end of the stream.
//! - A client that does not read blocks no other. At most `backlog` lines (at least 1) are queued for it, besides one
//!   being written to its socket; with one more it is disconnected and has left, and none of its lines are forwarded.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The members and their connections, by name.
type Room = Arc<Mutex<Vec<(String, TcpStream)>>>;

/// Serves all clients at once, until accepting fails.
pub fn serve(listener: &TcpListener, backlog: usize) -> io::Result<()> {
    let _ = backlog;
    let room = Room::default();
    loop {
        let (client, _) = listener.accept()?;
        let room = Arc::clone(&room);
        thread::spawn(move || serve_client(&client, &room));
    }
}

/// Serves one client, on its own thread.
fn serve_client(mut client: &TcpStream, room: &Room) -> io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let Some(name) = lines.next().transpose()? else { return Ok(()) };
    broadcast(room, &name, &format!("* {name} joined\n"));
    let names = {
        let mut here = room.lock().unwrap_or_else(PoisonError::into_inner);
        here.push((name.clone(), client.try_clone()?));
        here.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        here.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(", ")
    };
    writeln!(client, "* here: {names}")?;
    for line in lines {
        broadcast(room, &name, &format!("{name}: {}\n", line?));
    }
    broadcast(room, &name, &format!("* {name} left\n"));
    Ok(())
}

/// Sends a line to all members but its sender.
fn broadcast(room: &Room, sender: &str, line: &str) {
    for (name, client) in room.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        if name != sender {
            let _ = client.write_all(line.as_bytes());
        }
    }
}
