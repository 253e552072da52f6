//! Exercise 1.5, solved.
//!
//! No thread blocks while it holds the room's lock: a line is put into each member's bounded queue with `try_send`, and
//! a thread per member writes it from there to the socket. A full queue means that its member does not read. The lock
//! also gives all members the same order, because queues are filled only while it is held.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const LONGEST_LINE: usize = 1024;
const LONGEST_NAME: usize = 16;
/// How long a write may block. It ends the thread of a member that has left and never reads its queued lines.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much a rejected client may still send, and for how long, before it is disconnected.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Serves all clients at once, until accepting fails.
pub fn serve(listener: &TcpListener, backlog: usize) -> io::Result<()> {
    let room = Arc::new(Room { backlog: backlog.max(1), members: Mutex::default() });
    loop {
        let (client, _) = listener.accept()?;
        let room = Arc::clone(&room);
        // If the thread cannot be spawned, its closure is dropped, which closes this client and no other.
        let _ = thread::Builder::new().spawn(move || serve_client(&Arc::new(client), &room));
    }
}

/// Serves one client, on its own thread: joins under its name, forwards its lines, and removes it at the end.
fn serve_client(client: &Arc<TcpStream>, room: &Room) -> io::Result<()> {
    client.set_nodelay(true)?;
    client.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut stream = BufReader::new(&**client);
    let mut line = Vec::new();
    if !next_line(&mut stream, &mut line)? {
        return Ok(());
    }
    let (id, name, queue) = match room.join(&line, client) {
        Ok(joined) => joined,
        Err(reason) => return reject(client, reason),
    };
    let to = Arc::clone(client);
    if thread::Builder::new().spawn(move || write_queued_lines(&queue, &to)).is_ok() {
        while let Ok(true) = next_line(&mut stream, &mut line) {
            // A disconnected member has left, although its lines may still be in this buffer or in the kernel.
            if !room.lock().forward(id, &[name.as_bytes(), b": ", &line, b"\n"].concat()) {
                break;
            }
        }
    }
    room.lock().remove(id);
    Ok(())
}

/// Rejects a client with an error line. What it still sends is received and discarded, within limits: closing a
/// socket with unread bytes resets the connection, and the reset may reach the client before the error.
#[expect(clippy::disallowed_methods, reason = "a deadline on real I/O")]
fn reject(mut client: &TcpStream, reason: &str) -> io::Result<()> {
    client.write_all(format!("error: {reason}\n").as_bytes())?;
    client.shutdown(Shutdown::Write)?;
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

/// Writes lines from a member's queue to its socket: the only place that blocks on a slow reader. It ends when the
/// member has left and its queue is empty, or when writing fails.
fn write_queued_lines(queue: &Receiver<Arc<[u8]>>, mut to: &TcpStream) {
    for line in queue {
        if to.write_all(&line).is_err() {
            break;
        }
    }
    // Ends the reading thread too, if the connection broke while it is blocked.
    let _ = to.shutdown(Shutdown::Both);
}

/// Reads the next line, without its line end; `false` at the end of the stream. A last line without LF is dropped.
fn next_line(stream: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let with_crlf = LONGEST_LINE as u64 + 2;
    stream.take(with_crlf).read_until(b'\n', line)?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
        return if line.len() > LONGEST_LINE { Err(io::ErrorKind::InvalidData.into()) } else { Ok(true) };
    }
    Ok(false)
}

/// The room: its members, behind one lock.
struct Room {
    backlog: usize,
    members: Mutex<Members>,
}

impl Room {
    /// Ignores poisoning: a panic in another thread leaves the members consistent.
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a client under `name`; returns its ID, its name, and the queue of lines to send to it.
    fn join(&self, name: &[u8], socket: &Arc<TcpStream>) -> Result<Joined, &'static str> {
        let is_plain = name.iter().all(u8::is_ascii_alphanumeric) && (1..=LONGEST_NAME).contains(&name.len());
        let name = str::from_utf8(name).ok().filter(|_| is_plain).ok_or("a name is 1 to 16 letters or digits")?;
        let mut members = self.lock();
        if members.here.values().any(|member| member.name == name) {
            return Err("this name is taken");
        }
        let id = members.next_id;
        members.next_id += 1;
        members.broadcast(id, format!("* {name} joined\n").as_bytes());
        let (queue, lines) = sync_channel(self.backlog);
        let member = Member { name: name.to_owned(), queue, socket: Arc::clone(socket) };
        members.here.insert(id, member);
        members.send_member_list(id);
        Ok((id, name.to_owned(), lines))
    }
}

/// A member's ID, its name, and its queue.
type Joined = (u64, String, Receiver<Arc<[u8]>>);

/// By ID, not by name: a name may be taken again before the thread of its last owner has ended.
#[derive(Default)]
struct Members {
    next_id: u64,
    here: BTreeMap<u64, Member>,
}

struct Member {
    name: String,
    /// Dropped with the member; lines that are already queued are still delivered.
    queue: SyncSender<Arc<[u8]>>,
    socket: Arc<TcpStream>,
}

impl Members {
    fn send_member_list(&self, new_id: u64) {
        let mut names: Vec<&str> = self.here.values().map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        if let Some(member) = self.here.get(&new_id) {
            // A new queue has room for one line.
            let _ = member.queue.try_send(Arc::from(format!("* here: {}\n", names.join(", ")).as_bytes()));
        }
    }

    /// Queues a member's line for all others; `false` if the member is not here any more.
    fn forward(&mut self, id: u64, line: &[u8]) -> bool {
        let is_here = self.here.contains_key(&id);
        if is_here {
            self.broadcast(id, line);
        }
        is_here
    }

    /// Removes a member and announces it, unless it was disconnected before.
    fn remove(&mut self, id: u64) {
        if let Some(member) = self.here.remove(&id) {
            self.broadcast(id, format!("* {} left\n", member.name).as_bytes());
        }
    }

    /// Queues `line` for all but `sender`. A member with a full queue is disconnected, and that is announced to the
    /// others, whose queues may be full in turn: hence a queue of announcements instead of recursion.
    fn broadcast(&mut self, sender: u64, line: &[u8]) {
        let mut pending: VecDeque<(Option<u64>, Arc<[u8]>)> = VecDeque::from([(Some(sender), Arc::from(line))]);
        while let Some((sender, line)) = pending.pop_front() {
            let others = self.here.iter().filter(|(id, _)| Some(**id) != sender);
            let stalled = others.filter(|(_, member)| member.queue.try_send(Arc::clone(&line)).is_err());
            let stalled: Vec<u64> = stalled.map(|(&id, _)| id).collect();
            for member in stalled.iter().filter_map(|id| self.here.remove(id)) {
                // Wakes both of its threads, whichever call they are blocked in.
                let _ = member.socket.shutdown(Shutdown::Both);
                pending.push_back((None, Arc::from(format!("* {} left\n", member.name).as_bytes())));
            }
        }
    }
}
