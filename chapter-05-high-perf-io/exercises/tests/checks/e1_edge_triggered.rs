//! The checks of exercise 5.1.

use exercises_05::contracts::{
    HistoryEntry::{self, Event, Read},
    ReadResult::{self, Bytes, ConnectionReset, Eof, Interrupted, WouldBlock},
    Readiness,
};
use integration_tests::rng::Rng;

use crate::exercise_checks;

type IsReadable = fn(&[HistoryEntry]) -> bool;

exercise_checks!(
    exercises_05,
    e1_edge_triggered::is_readable,
    [
        before_the_first_event_nothing_is_known,
        a_short_read_has_emptied_the_socket,
        a_full_buffer_may_have_left_bytes,
        a_fin_that_arrived_with_bytes_still_has_to_be_read,
        an_error_is_read_after_the_bytes_before_it,
        an_interrupted_read_changes_nothing,
        after_the_fin_or_the_error_nothing_is_readable,
        no_wake_up_is_lost_in_any_interleaving,
        no_read_is_certain_to_return_nothing,
    ]
);

const BYTES: HistoryEntry = Event(Readiness { readable: true, read_closed: false, error: false });
const FIN: HistoryEntry = Event(Readiness { readable: true, read_closed: true, error: false });
const ERROR: HistoryEntry = Event(Readiness { readable: true, read_closed: true, error: true });
const WRITABLE: HistoryEntry = Event(Readiness { readable: false, read_closed: false, error: false });

fn read(result: ReadResult) -> HistoryEntry {
    Read { buffer_len: 64, result }
}

fn expect(is_readable: IsReadable, expected: bool, histories: &[&[HistoryEntry]]) {
    for history in histories {
        assert_eq!(is_readable(history), expected, "whether it is readable after {history:?}");
    }
}

fn before_the_first_event_nothing_is_known(is_readable: IsReadable) {
    expect(is_readable, false, &[&[], &[WRITABLE], &[WRITABLE, WRITABLE]]);
    expect(is_readable, true, &[&[BYTES], &[WRITABLE, BYTES], &[BYTES, WRITABLE], &[FIN], &[ERROR]]);
}

fn a_short_read_has_emptied_the_socket(is_readable: IsReadable) {
    expect(
        is_readable,
        false,
        &[
            &[BYTES, read(Bytes(63))],
            &[BYTES, read(Bytes(1)), WRITABLE],
            &[BYTES, read(WouldBlock)],
            &[BYTES, read(Bytes(64)), read(Bytes(1))],
        ],
    );
    expect(is_readable, true, &[&[BYTES, read(Bytes(1)), BYTES]]);
}

fn a_full_buffer_may_have_left_bytes(is_readable: IsReadable) {
    expect(is_readable, true, &[&[BYTES, read(Bytes(64))], &[BYTES, read(Bytes(64)), read(Bytes(64))]]);
    expect(is_readable, true, &[&[BYTES, Read { buffer_len: 1, result: Bytes(1) }]]);
    expect(is_readable, false, &[&[BYTES, read(Bytes(64)), read(WouldBlock)]]);
}

fn a_fin_that_arrived_with_bytes_still_has_to_be_read(is_readable: IsReadable) {
    expect(
        is_readable,
        true,
        &[
            &[FIN, read(Bytes(10))],
            &[FIN, read(Bytes(64)), read(Bytes(10))],
            &[BYTES, FIN, read(Bytes(10))],
            &[BYTES, read(Bytes(10)), FIN],
            &[FIN, read(Bytes(10)), WRITABLE],
        ],
    );
}

fn an_error_is_read_after_the_bytes_before_it(is_readable: IsReadable) {
    let error_only = Event(Readiness { error: true, ..Readiness::default() });
    expect(
        is_readable,
        true,
        &[
            &[ERROR, read(Bytes(10))],
            &[error_only],
            &[error_only, read(Bytes(10))],
            &[BYTES, read(Bytes(10)), error_only],
        ],
    );
}

fn an_interrupted_read_changes_nothing(is_readable: IsReadable) {
    expect(is_readable, true, &[&[BYTES, read(Interrupted)], &[FIN, read(Bytes(10)), read(Interrupted)]]);
    expect(is_readable, false, &[&[BYTES, read(Bytes(10)), read(Interrupted)], &[read(Interrupted)]]);
}

fn after_the_fin_or_the_error_nothing_is_readable(is_readable: IsReadable) {
    expect(
        is_readable,
        false,
        &[
            &[FIN, read(Eof)],
            &[FIN, read(Bytes(10)), read(Eof)],
            &[ERROR, read(ConnectionReset)],
            &[FIN, read(Eof), WRITABLE],
            &[FIN, read(Eof), FIN],
        ],
    );
}

/// A socket with edge-triggered events.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
struct Socket {
    bytes: usize,
    fin: bool,
    broken: bool,
    /// Something new has arrived since the last event.
    edge: bool,
    end_read: bool,
}

impl Socket {
    /// The peer acts. After its FIN it can only reset the connection, and after a reset it can do nothing.
    fn peer_acts(&mut self, random: &mut Rng) {
        match random.below(8) {
            _ if self.broken => return,
            0 => self.broken = true,
            _ if self.fin => return,
            1 => self.fin = true,
            _ => self.bytes += 1 + random.below(100),
        }
        self.edge = true;
    }

    /// The next event, if there is one.
    fn event(&mut self) -> Option<HistoryEntry> {
        let closed = self.fin || self.broken;
        let event = Readiness { readable: self.bytes > 0 || closed, read_closed: closed, error: self.broken };
        std::mem::take(&mut self.edge).then_some(Event(event))
    }

    fn read(&mut self, buffer_len: usize) -> ReadResult {
        let length = self.bytes.min(buffer_len);
        self.bytes -= length;
        self.end_read |= length == 0 && (self.fin || self.broken);
        match length {
            0 if self.broken => ConnectionReset,
            0 if self.fin => Eof,
            0 => WouldBlock,
            length => Bytes(length),
        }
    }
}

/// Runs an event loop that reads when `is_readable` says so, against a peer that acts at random. Returns the history,
/// and the final state of the socket.
fn run(is_readable: IsReadable, seed: u64) -> (Vec<HistoryEntry>, Socket) {
    let (mut random, mut socket, mut history) = (Rng::new(seed), Socket::default(), Vec::new());
    let mut peer_actions = 1 + random.below(12);
    loop {
        if peer_actions > 0 && random.below(3) == 0 {
            peer_actions -= 1;
            socket.peer_acts(&mut random);
        } else if is_readable(&history) && random.below(4) > 0 {
            let buffer_len = 1 + random.below(80);
            let result = if random.below(8) == 0 { Interrupted } else { socket.read(buffer_len) };
            history.push(Read { buffer_len, result });
        } else if let Some(event) = socket.event() {
            history.push(event);
        } else if peer_actions == 0 && !is_readable(&history) {
            return (history, socket);
        }
        assert!(history.len() < 10_000, "seed {seed}: it never stops reading: {:?}", &history[..40]);
    }
}

fn no_wake_up_is_lost_in_any_interleaving(is_readable: IsReadable) {
    for seed in 0..20_000 {
        let (history, socket) = run(is_readable, seed);
        assert_eq!(socket.bytes, 0, "seed {seed}: bytes stay unread, and no event will report them: {history:?}");
        let has_end = socket.fin || socket.broken;
        assert_eq!(
            socket.end_read, has_end,
            "seed {seed}: whether the FIN or the error is read; no event will report it again: {history:?}"
        );
    }
}

fn no_read_is_certain_to_return_nothing(is_readable: IsReadable) {
    for seed in 0..20_000 {
        let (history, _) = run(is_readable, seed);
        let is_read = |history: &&HistoryEntry| !matches!(history, Read { result: Interrupted, .. });
        let history: Vec<_> = history.iter().filter(is_read).collect();
        for pair in history.windows(2) {
            if let [Read { buffer_len, result: Bytes(bytes) }, Read { result: WouldBlock, .. }] = pair {
                assert_eq!(
                    bytes, buffer_len,
                    "seed {seed}: after a short read and no event, a read returns nothing: {history:?}"
                );
            }
            let twice = matches!(pair, [Read { result: WouldBlock | Eof | ConnectionReset, .. }, Read { .. }]);
            assert!(!twice, "seed {seed}: a read after {:?} cannot return anything: {history:?}", pair[0]);
        }
    }
}
