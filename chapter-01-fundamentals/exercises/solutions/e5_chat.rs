//! Exercise 1.5, solved.
//!
//! Nobody who holds the room's lock ever waits: a line is put into each member's bounded queue with `try_send`, and
//! a thread per member carries it from there to the socket. A full queue is the verdict on its reader. The lock also
//! gives all members the same order, for queues are filled under it and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const LONGEST_LINE: usize = 1024;
const LONGEST_NAME: usize = 16;
/// How long a send may stand still. It ends the thread of a member that has left and never reads what it is owed.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// How much a client that was refused may still send, and for how long, before it is cut off.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Serves all clients at once, until accepting fails.
pub fn serve(listener: &TcpListener, backlog: usize) -> io::Result<()> {
    let room = Arc::new(Room { backlog: backlog.max(1), members: Mutex::default() });
    loop {
        let (client, _) = listener.accept()?;
        let room = Arc::clone(&room);
        // A closure that finds no thread is dropped, and the client in it is closed: one turned away, none ended.
        let _ = thread::Builder::new().spawn(move || attend(&Arc::new(client), &room));
    }
}

/// One client's stay, on a thread of its own: its name, its lines, its leave.
fn attend(client: &Arc<TcpStream>, room: &Room) -> io::Result<()> {
    client.set_nodelay(true)?;
    client.set_write_timeout(Some(STALL_LIMIT))?;
    let mut stream = BufReader::new(&**client);
    let mut line = Vec::new();
    if !next_line(&mut stream, &mut line)? {
        return Ok(());
    }
    let (id, name, queue) = match room.join(&line, client) {
        Ok(joined) => joined,
        Err(reason) => return refuse(client, reason),
    };
    let to = Arc::clone(client);
    if thread::Builder::new().spawn(move || deliver(&queue, &to)).is_ok() {
        while let Ok(true) = next_line(&mut stream, &mut line) {
            // Who was cut off has left, although the reader and the kernel may still hold lines of it.
            if !room.lock().say(id, &[name.as_bytes(), b": ", &line, b"\n"].concat()) {
                break;
            }
        }
    }
    room.lock().remove(id);
    Ok(())
}

/// Says why somebody cannot come in. What it has said already is received and dropped, within limits: closing a
/// socket that holds unread bytes resets the connection, and the reset may overtake the reason.
#[expect(clippy::disallowed_methods, reason = "a deadline on real I/O")]
fn refuse(mut client: &TcpStream, reason: &str) -> io::Result<()> {
    client.write_all(format!("error: {reason}\n").as_bytes())?;
    client.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + DRAIN_TIME;
    let mut scratch = [0; 4096];
    let mut dropped = 0;
    while dropped < DRAIN_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        client.set_read_timeout(Some(left))?;
        match client.read(&mut scratch)? {
            0 => break,
            received => dropped += received,
        }
    }
    Ok(())
}

/// Carries lines from a member's queue to its socket: the only place that waits for a reader. It ends when the
/// member has left and all that it was owed is sent, or when sending fails.
fn deliver(queue: &Receiver<Arc<[u8]>>, mut to: &TcpStream) {
    for line in queue {
        if to.write_all(&line).is_err() {
            break;
        }
    }
    // Ends the reading thread too, if the connection broke while it sleeps.
    let _ = to.shutdown(Shutdown::Both);
}

/// Reads the next line, without its end; `false` at the end of the stream. What has no end has not been said.
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

/// The room: who is here, behind one lock.
struct Room {
    backlog: usize,
    members: Mutex<Members>,
}

impl Room {
    /// A panic elsewhere leaves nothing half done that matters to the others.
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client in under `name`: the number it has here, its name, and the queue of what it is to be sent.
    fn join(&self, name: &[u8], socket: &Arc<TcpStream>) -> Result<Joined, &'static str> {
        let is_plain = name.iter().all(u8::is_ascii_alphanumeric) && (1..=LONGEST_NAME).contains(&name.len());
        let name = str::from_utf8(name).ok().filter(|_| is_plain).ok_or("a name is 1 to 16 letters or digits")?;
        let mut members = self.lock();
        if members.here.values().any(|member| member.name == name) {
            return Err("this name is taken");
        }
        let id = members.next_id;
        members.next_id += 1;
        members.tell_others(id, format!("* {name} joined\n").as_bytes());
        let (queue, lines) = sync_channel(self.backlog);
        let member = Member { name: name.to_owned(), queue, socket: Arc::clone(socket) };
        members.here.insert(id, member);
        members.tell_who_is_here(id);
        Ok((id, name.to_owned(), lines))
    }
}

/// A member's number, its name, and its queue.
type Joined = (u64, String, Receiver<Arc<[u8]>>);

/// By number, not by name: a name may be taken anew before the thread of its last owner has ended.
#[derive(Default)]
struct Members {
    next_id: u64,
    here: BTreeMap<u64, Member>,
}

struct Member {
    name: String,
    /// Dropped with the member; what it holds is still delivered.
    queue: SyncSender<Arc<[u8]>>,
    socket: Arc<TcpStream>,
}

impl Members {
    fn tell_who_is_here(&self, newcomer: u64) {
        let mut names: Vec<&str> = self.here.values().map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        if let Some(member) = self.here.get(&newcomer) {
            // A new queue has room for one line.
            let _ = member.queue.try_send(Arc::from(format!("* here: {}\n", names.join(", ")).as_bytes()));
        }
    }

    /// Tells all others what a member says; `false` if it is not here any more.
    fn say(&mut self, id: u64, line: &[u8]) -> bool {
        let is_here = self.here.contains_key(&id);
        if is_here {
            self.tell_others(id, line);
        }
        is_here
    }

    /// Takes a member out and announces it, unless it was cut off before.
    fn remove(&mut self, id: u64) {
        if let Some(member) = self.here.remove(&id) {
            self.tell_others(id, format!("* {} left\n", member.name).as_bytes());
        }
    }

    /// Queues `line` for all but `speaker`. Who has no room for it is cut off, and that is news for those who are
    /// left, for whom there may be no room in turn: hence a list of news and no recursion.
    fn tell_others(&mut self, speaker: u64, line: &[u8]) {
        let mut news: VecDeque<(Option<u64>, Arc<[u8]>)> = VecDeque::from([(Some(speaker), Arc::from(line))]);
        while let Some((speaker, line)) = news.pop_front() {
            let others = self.here.iter().filter(|(id, _)| Some(**id) != speaker);
            let stalled = others.filter(|(_, member)| member.queue.try_send(Arc::clone(&line)).is_err());
            let stalled: Vec<u64> = stalled.map(|(&id, _)| id).collect();
            for member in stalled.iter().filter_map(|id| self.here.remove(id)) {
                // Wakes both of its threads, whatever they wait for.
                let _ = member.socket.shutdown(Shutdown::Both);
                news.push_back((None, Arc::from(format!("* {} left\n", member.name).as_bytes())));
            }
        }
    }
}
