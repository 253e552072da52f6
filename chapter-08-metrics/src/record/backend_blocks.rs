//! Counters by backend. Backends come and go while the balancer runs, so their counters are allocated when the first
//! request of a chunk of them ends, once, and not again.

use std::{
    sync::{
        OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use common::http::{BackendId, ExchangeFailure, FailureKind, Phase, Side};
use connection_pooling::AttemptRecord;

use crate::single_writer::SingleWriter;

/// Backends whose counters are allocated together.
const CHUNK: usize = 64;
/// As many as there are slots.
const CHUNKS: usize = (1 << 16) / CHUNK;

/// How an attempt failed through its backend: the label `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptFailure {
    /// The connect was refused, or the backend was unreachable.
    Refused,
    /// The connect took too long.
    TimeoutConnect,
    /// The backend read or wrote too slowly.
    Timeout,
    /// The backend closed or reset the connection.
    Reset,
    /// The same, before the response, on a connection that had been idle: it may have closed it meanwhile.
    Stale,
    /// Its response is not valid HTTP.
    Invalid,
}

impl AttemptFailure {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Refused, Self::TimeoutConnect, Self::Timeout, Self::Reset, Self::Stale, Self::Invalid];

    /// The label's value.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimeoutConnect => "timeout_connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Stale => "stale",
            Self::Invalid => "invalid",
        }
    }

    /// How an attempt failed; `None` if its backend is not the cause.
    fn of(attempt: &AttemptRecord) -> Option<Self> {
        let ExchangeFailure { kind, side, phase } = attempt.failure?;
        (side == Side::Backend).then_some(match (kind, phase) {
            (FailureKind::Protocol(_), _) => Self::Invalid,
            (FailureKind::Timeout, Phase::Connect) => Self::TimeoutConnect,
            (FailureKind::Timeout, _) => Self::Timeout,
            (_, Phase::Connect) => Self::Refused,
            _ if attempt.reused && attempt.status.is_none() => Self::Stale,
            _ => Self::Reset,
        })
    }
}

/// One worker's counters of one backend.
#[derive(Debug, Default)]
#[repr(align(64))]
struct BackendBlock {
    /// The generation of the backend that is counted, and 1; 0 before the first.
    generation: AtomicU64,
    responses: [SingleWriter; 5],
    failures: [SingleWriter; 6],
    nanos: SingleWriter,
    reused: SingleWriter,
}

/// What a worker has counted of one backend, or all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendCounts {
    /// Responses by class, from 1xx.
    pub responses: [u64; 5],
    /// Failed attempts, as in [`AttemptFailure::ALL`].
    pub failures: [u64; 6],
    /// The time of all attempts, from the choice of the backend to the end of the attempt.
    pub time: Duration,
    /// Attempts over a connection from the pool.
    pub reused: u64,
}

/// One worker's counters of all backends.
#[derive(Debug)]
pub struct BackendBlocks(Box<[Chunk; CHUNKS]>);

type Chunk = OnceLock<Box<[BackendBlock; CHUNK]>>;

impl Default for BackendBlocks {
    fn default() -> Self {
        Self(Box::new([const { OnceLock::new() }; CHUNKS]))
    }
}

impl BackendBlocks {
    /// The counters of a backend; `None` if its slot belongs to a newer one by now. Only for the worker whose they are.
    #[inline]
    fn block(&self, BackendId { slot, generation }: BackendId) -> Option<&BackendBlock> {
        let (chunk, place) = (usize::from(slot) / CHUNK, usize::from(slot) % CHUNK);
        let chunk = &self.0[chunk];
        let block = &chunk.get().map_or_else(|| new_chunk(chunk), |blocks| &**blocks)[place];
        block.is_of(generation).then_some(block)
    }

    /// Counts an attempt that ended with a whole answer of this class, 1 to 5. Only for the worker whose counters they
    /// are.
    #[inline]
    pub fn count_answer(&self, backend: BackendId, class: usize, reused: bool, time_ns: u64) {
        let Some(block) = self.block(backend) else { return };
        block.responses[class - 1].add(1);
        block.nanos.add(time_ns);
        block.reused.add(u64::from(reused));
    }

    /// Counts an attempt that failed, through whatever. Only for the worker whose counters they are.
    #[cold]
    pub fn count_failed(&self, attempt: &AttemptRecord) {
        let Some(block) = self.block(attempt.backend) else { return };
        if let Some(class @ 1..=5) = attempt.status.map(|status| usize::from(status / 100)) {
            block.responses[class - 1].add(1);
        }
        if let Some(failure) = AttemptFailure::of(attempt) {
            block.failures[failure as usize].add(1);
        }
        block.nanos.add(nanos(attempt.total_time()));
        block.reused.add(u64::from(attempt.reused));
    }

    /// What has been counted of this backend.
    pub fn counts(&self, id: BackendId) -> BackendCounts {
        let (chunk, place) = (usize::from(id.slot) / CHUNK, usize::from(id.slot) % CHUNK);
        let block = self.0[chunk].get().map(|blocks| &blocks[place]);
        let block = block.filter(|block| block.generation.load(Acquire) == u64::from(id.generation) + 1);
        block.map_or_else(BackendCounts::default, BackendBlock::counts)
    }

    /// The memory that they take, in bytes.
    pub fn bytes(&self) -> usize {
        let chunks = self.0.iter().filter_map(OnceLock::get);
        size_of_val(&*self.0) + chunks.map(|blocks| size_of_val::<[BackendBlock]>(&**blocks)).sum::<usize>()
    }
}

/// Allocates the counters of a chunk of backends.
#[cold]
fn new_chunk(chunk: &Chunk) -> &[BackendBlock; CHUNK] {
    chunk.get_or_init(|| Box::new(std::array::from_fn(|_| BackendBlock::default())))
}

impl BackendBlock {
    /// Whether the block is that of this generation's backend: a newer one takes it over, and starts from 0.
    #[inline]
    fn is_of(&self, generation: u32) -> bool {
        let (ours, theirs) = (self.generation.load(Relaxed), u64::from(generation) + 1);
        if ours == theirs {
            return true;
        }
        if theirs > ours {
            let counters = self.responses.iter().chain(&self.failures).chain([&self.nanos, &self.reused]);
            counters.for_each(SingleWriter::clear);
            self.generation.store(theirs, Release);
        }
        theirs >= ours
    }

    fn counts(&self) -> BackendCounts {
        BackendCounts {
            responses: self.responses.each_ref().map(SingleWriter::get),
            failures: self.failures.each_ref().map(SingleWriter::get),
            time: Duration::from_nanos(self.nanos.get()),
            reused: self.reused.get(),
        }
    }
}

impl std::iter::Sum for BackendCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            responses: std::array::from_fn(|class| sum.responses[class] + one.responses[class]),
            failures: std::array::from_fn(|kind| sum.failures[kind] + one.failures[kind]),
            time: sum.time + one.time,
            reused: sum.reused + one.reused,
        })
    }
}

/// A duration in nanoseconds: 64 bits hold 584 years.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(duration.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(generation: u32, blocks: &BackendBlocks) -> BackendCounts {
        blocks.counts(BackendId { slot: 65_535, generation })
    }

    #[test]
    fn a_new_generation_of_a_slot_starts_from_zero() {
        let block = BackendBlock::default();
        assert!(block.is_of(0));
        block.responses[1].add(7);
        assert!(block.is_of(0) && block.counts().responses[1] == 7);
        assert!(block.is_of(3));
        assert_eq!(block.counts(), BackendCounts::default());
        assert!(!block.is_of(2), "an attempt on the one that was removed");
    }

    #[test]
    fn nothing_is_allocated_before_the_first_request() {
        let blocks = BackendBlocks::default();
        assert_eq!(block(0, &blocks), BackendCounts::default());
        assert!(blocks.bytes() <= 32 << 10, "{}", blocks.bytes());
    }
}
