//! Exercise 1.5: a chat (project).
//!
//! **Contract.** [`serve`] is a chat room. All lines end with LF (CRLF from a client is fine).
//!
//! - A client's first line is its name: 1 to 16 ASCII letters or digits, and nobody else's here. Otherwise it gets one
//!   line that begins with `error: ` and the end of the stream; no reset, also while it goes on speaking. After 64 KiB
//!   or 2 s of that, it is cut off. A name is free again once its owner has left.
//! - The newcomer is told who is here, itself included, in alphabetical order: `* here: ann, bob`. All others are told
//!   `* bob joined`. Who has not given a name hears nothing.
//! - Each further line goes to all others as `bob: hello`, and not back to its speaker. All hear lines in the same
//!   order. Its bytes are passed on as they are. A line of more than 1024 bytes ends its client, and is not passed on;
//!   nor is a last one without LF.
//! - A client that ends its sending side has left, and so has one whose connection breaks. All others are told, once:
//!   `* bob left`. What it was owed before still reaches it, then the end of the stream.
//! - A client that does not read stops nobody. At most `backlog` lines (at least 1) wait for it, behind the one that
//!   the kernel is being handed; with one more it is cut off, and has left. Nothing of it is heard after that.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Everybody in the room, by name.
type Room = Arc<Mutex<Vec<(String, TcpStream)>>>;

/// Serves all clients at once, until accepting fails.
pub fn serve(listener: &TcpListener, backlog: usize) -> io::Result<()> {
    let _ = backlog;
    let room = Room::default();
    loop {
        let (client, _) = listener.accept()?;
        let room = Arc::clone(&room);
        thread::spawn(move || attend(&client, &room));
    }
}

/// One client's stay, on a thread of its own.
fn attend(mut client: &TcpStream, room: &Room) -> io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let Some(name) = lines.next().transpose()? else { return Ok(()) };
    tell_others(room, &name, &format!("* {name} joined\n"));
    let names = {
        let mut here = room.lock().unwrap_or_else(PoisonError::into_inner);
        here.push((name.clone(), client.try_clone()?));
        here.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        here.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(", ")
    };
    writeln!(client, "* here: {names}")?;
    for line in lines {
        tell_others(room, &name, &format!("{name}: {}\n", line?));
    }
    tell_others(room, &name, &format!("* {name} left\n"));
    Ok(())
}

/// Sends a line to everybody but its speaker.
fn tell_others(room: &Room, speaker: &str, line: &str) {
    for (name, client) in room.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        if name != speaker {
            let _ = client.write_all(line.as_bytes());
        }
    }
}
