//! From a worker to the writer: a ring of bytes with one producer and one consumer (the crate `rtrb`).
//!
//! Neither side takes a lock or waits for the other. A line is pushed whole or, if there is no room for it, dropped and
//! counted: a log that cannot be written must not stop requests. So what is in a queue always ends with a whole line.
//! The writer sleeps a little between two rounds, to write many lines at once; it is woken when a queue fills, or when
//! the first line after a pause arrives.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    thread::Thread,
};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::single_writer::SingleWriter;

/// The bytes of one worker's queue: some 3,000 lines.
pub const QUEUE_BYTES: usize = 1 << 20;
/// With less room than this left, the writer is woken.
const LOW_ROOM: usize = QUEUE_BYTES / 4 * 3;

/// The worker's end.
#[derive(Debug)]
pub struct LineSender {
    queue: Producer<u8>,
    dropped: Arc<DroppedLines>,
    waker: Arc<WriterWaker>,
}

/// The writer's end.
#[derive(Debug)]
pub struct LineReceiver {
    queue: Consumer<u8>,
    dropped: Arc<DroppedLines>,
}

/// The lines of one worker for which there was no room.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's
pub struct DroppedLines(SingleWriter);

/// Wakes the writer.
#[derive(Debug, Default)]
pub struct WriterWaker {
    sleeps: AtomicU8,
    /// Set when the writer starts.
    thread: OnceLock<Thread>,
}

/// Why the writer sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sleep {
    /// It does not.
    Awake = 0,
    /// It lets lines gather.
    Gathering = 1,
    /// There was nothing to write.
    Idle = 2,
    /// It could not write. No line wakes it.
    Retrying = 3,
}

/// A queue of one worker, and the count of lines that did not fit into it.
pub fn line_queue(waker: &Arc<WriterWaker>) -> (LineSender, LineReceiver) {
    let (sender, receiver) = RingBuffer::new(QUEUE_BYTES);
    let (dropped, waker) = (Arc::<DroppedLines>::default(), Arc::clone(waker));
    (LineSender { queue: sender, dropped: Arc::clone(&dropped), waker }, LineReceiver { queue: receiver, dropped })
}

impl LineSender {
    // ANCHOR: push
    /// Pushes `line`, which ends with a line end, or drops it.
    pub fn push(&mut self, line: &[u8]) {
        if self.queue.push_entire_slice(line).is_err() {
            self.dropped.0.add(1);
        }
        let sleeps = self.waker.sleeps.load(Relaxed);
        let is_full_soon = || self.queue.slots() <= LOW_ROOM;
        if sleeps == Sleep::Idle as u8 || sleeps == Sleep::Gathering as u8 && is_full_soon() {
            self.waker.wake();
        }
    }
    // ANCHOR_END: push
}

impl LineReceiver {
    /// Appends all lines that are there.
    pub fn take_all(&mut self, lines: &mut Vec<u8>) {
        if let Ok(chunk) = self.queue.read_chunk(self.queue.slots()) {
            let (first, second) = chunk.as_slices();
            lines.extend_from_slice(first);
            lines.extend_from_slice(second);
            chunk.commit_all();
        }
    }

    /// The count of dropped lines.
    pub fn dropped(&self) -> &Arc<DroppedLines> {
        &self.dropped
    }
}

impl DroppedLines {
    /// How many.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

impl WriterWaker {
    /// `thread` is the writer.
    pub fn set_thread(&self, thread: Thread) {
        let _ = self.thread.set(thread); // it starts once
    }

    /// The writer is about to sleep, or awake again. A line that is pushed at this very moment may not wake it: it waits
    /// for the end of the sleep, which is at most a second. A fence for each line would cost more than that is worth.
    pub fn set(&self, sleep: Sleep) {
        self.sleeps.store(sleep as u8, Relaxed);
    }

    /// Wakes the writer.
    pub fn wake(&self) {
        self.set(Sleep::Awake);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn lines_come_out_whole_and_in_order_and_those_without_room_are_counted() {
        let (mut sender, mut receiver) = line_queue(&Arc::default());
        let line = [&[b'a'; 999][..], b"\n"].concat();
        let fit = QUEUE_BYTES / line.len();
        (0..fit + 5).for_each(|_| sender.push(&line));
        sender.push(b"short\n"); // it has room
        assert_eq!(receiver.dropped().get(), 5);
        let mut lines = Vec::new();
        receiver.take_all(&mut lines);
        assert_eq!(lines, [line.repeat(fit), b"short\n".to_vec()].concat());
        sender.push(b"next\n");
        lines.clear();
        receiver.take_all(&mut lines);
        assert_eq!(lines, b"next\n");
        receiver.take_all(&mut lines);
        assert_eq!(lines.len(), 5, "nothing is there");
    }

    #[test]
    fn no_byte_is_lost_between_two_threads() {
        const LINES: u32 = 200_000;
        let (mut sender, mut receiver) = line_queue(&Arc::default());
        let mut lines = Vec::new();
        thread::scope(|scope| {
            let sending =
                scope.spawn(move || (0..LINES).for_each(|number| sender.push(format!("{number}\n").as_bytes())));
            while !sending.is_finished() {
                receiver.take_all(&mut lines);
            }
            receiver.take_all(&mut lines);
        });
        let numbers: Vec<u32> = str::from_utf8(&lines).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(numbers.len() as u64 + receiver.dropped().get(), u64::from(LINES));
    }

    #[test]
    fn the_writer_is_woken_by_the_first_line_after_a_pause_and_when_a_queue_fills() {
        let waker = Arc::<WriterWaker>::default();
        let (mut sender, _receiver) = line_queue(&waker);
        let is_awake = || waker.sleeps.load(Relaxed) == Sleep::Awake as u8;
        waker.set(Sleep::Idle);
        sender.push(b"a\n");
        assert!(is_awake());
        waker.set(Sleep::Gathering);
        sender.push(b"b\n");
        assert!(!is_awake(), "it waits for more");
        sender.push(&vec![b'\n'; QUEUE_BYTES / 4]);
        assert!(is_awake());
    }
}
