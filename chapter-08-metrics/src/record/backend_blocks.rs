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
/// Counters that fill a cache line.
const LINE: usize = 8;
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

/// A cache line of counters.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([SingleWriter; LINE]);

/// What a worker has counted of one backend, or all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendCounts {
    /// Responses by class, from 1xx.
    pub responses: [u64; 5],
    /// Failed attempts, as in [`AttemptFailure::ALL`].
    pub failures: [u64; 6],
    /// The time of all attempts, from the choice of the backend to the end of the attempt.
    pub time: Duration,
    /// Attempts over a connection from the pool.
    pub reused: u64,
    /// Whole answers by the time to their first byte, not cumulative. Empty if nothing has been counted.
    pub first_byte: Vec<u64>,
}

/// An attempt that ended with a whole answer.
#[derive(Clone, Copy, Debug)]
pub struct WholeAnswer {
    /// The class of its status, 1 to 5.
    pub class: usize,
    /// Whether it came over a connection from the pool.
    pub reused: bool,
    /// From the choice of the backend to the end, in nanoseconds.
    pub time_ns: u64,
    /// The bucket of the time to the first byte.
    pub first_byte_bucket: Option<usize>,
}

/// One worker's counters of all backends.
#[derive(Debug)]
pub struct BackendBlocks {
    chunks: Box<[OnceLock<Box<Chunk>>; CHUNKS]>,
    /// The buckets of a histogram.
    buckets: usize,
}

/// The counters of some backends.
#[derive(Debug)]
struct Chunk {
    blocks: [BackendBlock; CHUNK],
    /// Their histograms, one after the other, each on cache lines of its own.
    first_byte: Box<[Line]>,
}

impl BackendBlocks {
    /// With histograms of so many buckets.
    pub fn new(buckets: usize) -> Self {
        Self { chunks: Box::new([const { OnceLock::new() }; CHUNKS]), buckets }
    }

    /// The cache lines of a histogram.
    fn lines(&self) -> usize {
        self.buckets.div_ceil(LINE)
    }

    /// The counters of a backend and its histogram; `None` if its slot belongs to a newer one by now. Only for the
    /// worker whose they are.
    #[inline]
    fn block(&self, BackendId { slot, generation }: BackendId) -> Option<(&BackendBlock, &[Line])> {
        let (chunk, place) = (usize::from(slot) / CHUNK, usize::from(slot) % CHUNK);
        let chunk = &self.chunks[chunk];
        let (block, histogram) =
            chunk.get().map_or_else(|| new_chunk(chunk, self.lines()), |chunk| &**chunk).of(place, self.lines());
        block.is_of(generation, histogram).then_some((block, histogram))
    }

    /// Counts an attempt that ended with a whole answer. Only for the worker whose counters they are.
    #[inline]
    pub fn count_answer(&self, backend: BackendId, answer: WholeAnswer) {
        let Some((block, histogram)) = self.block(backend) else { return };
        block.responses[answer.class - 1].add(1);
        block.nanos.add(answer.time_ns);
        block.reused.add(u64::from(answer.reused));
        if let Some(bucket) = answer.first_byte_bucket {
            histogram[bucket / LINE].0[bucket % LINE].add(1);
        }
    }

    /// Counts an attempt that failed, through whatever. Only for the worker whose counters they are.
    #[cold]
    pub fn count_failed(&self, attempt: &AttemptRecord) {
        let Some((block, _)) = self.block(attempt.backend) else { return };
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
        let found = self.chunks[chunk].get().map(|chunk| chunk.of(place, self.lines()));
        let found = found.filter(|(block, _)| block.generation.load(Acquire) == u64::from(id.generation) + 1);
        found.map_or_else(BackendCounts::default, |(block, histogram)| block.counts(histogram, self.buckets))
    }

    /// The memory that they take, in bytes.
    pub fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().filter_map(OnceLock::get);
        let bytes = chunks.map(|chunk| size_of_val(&**chunk) + size_of_val(&*chunk.first_byte));
        size_of_val(&*self.chunks) + bytes.sum::<usize>()
    }
}

/// Allocates the counters of a chunk of backends, with so many cache lines for each histogram.
#[cold]
fn new_chunk(chunk: &OnceLock<Box<Chunk>>, lines: usize) -> &Chunk {
    chunk.get_or_init(|| {
        let blocks = std::array::from_fn(|_| BackendBlock::default());
        Box::new(Chunk { blocks, first_byte: (0..CHUNK * lines).map(|_| Line::default()).collect() })
    })
}

impl Chunk {
    /// A backend's counters, and its histogram.
    #[inline]
    fn of(&self, place: usize, lines: usize) -> (&BackendBlock, &[Line]) {
        (&self.blocks[place], &self.first_byte[place * lines..(place + 1) * lines])
    }
}

impl BackendBlock {
    /// Whether the block is that of this generation's backend: a newer one takes it over, and starts from 0, with its
    /// histogram.
    #[inline]
    fn is_of(&self, generation: u32, histogram: &[Line]) -> bool {
        let (ours, theirs) = (self.generation.load(Relaxed), u64::from(generation) + 1);
        if ours == theirs {
            return true;
        }
        if theirs > ours {
            let counters = self.responses.iter().chain(&self.failures).chain([&self.nanos, &self.reused]);
            counters.chain(histogram.iter().flat_map(|line| &line.0)).for_each(SingleWriter::clear);
            self.generation.store(theirs, Release);
        }
        theirs >= ours
    }

    fn counts(&self, histogram: &[Line], buckets: usize) -> BackendCounts {
        BackendCounts {
            responses: self.responses.each_ref().map(SingleWriter::get),
            failures: self.failures.each_ref().map(SingleWriter::get),
            time: Duration::from_nanos(self.nanos.get()),
            reused: self.reused.get(),
            first_byte: histogram.iter().flat_map(|line| &line.0).take(buckets).map(SingleWriter::get).collect(),
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
            first_byte: add(sum.first_byte, one.first_byte),
        })
    }
}

/// The sums of two workers' counts, of which one may have none.
fn add(mut sum: Vec<u64>, more: Vec<u64>) -> Vec<u64> {
    if sum.is_empty() {
        return more;
    }
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    sum
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
        let blocks = BackendBlocks::new(18);
        let answer = WholeAnswer { class: 2, reused: true, time_ns: 1_000, first_byte_bucket: Some(17) };
        let count = |generation| blocks.count_answer(BackendId { slot: 65_535, generation }, answer);
        count(0);
        count(0);
        let expected = |answers: u64| BackendCounts {
            responses: [0, answers, 0, 0, 0],
            reused: answers,
            time: Duration::from_micros(answers),
            first_byte: [0; 17].into_iter().chain([answers]).collect(),
            ..BackendCounts::default()
        };
        assert_eq!((block(0, &blocks), block(3, &blocks)), (expected(2), BackendCounts::default()));
        count(3);
        count(2); // an attempt on the one that was removed
        assert_eq!((block(3, &blocks), block(0, &blocks)), (expected(1), BackendCounts::default()));
        let sum: BackendCounts = [block(3, &blocks), BackendCounts::default(), block(3, &blocks)].into_iter().sum();
        assert_eq!(sum, expected(2));
    }

    #[test]
    fn nothing_is_allocated_before_the_first_request() {
        let blocks = BackendBlocks::new(18);
        assert_eq!(block(0, &blocks), BackendCounts::default());
        assert!(blocks.bytes() <= 32 << 10, "{}", blocks.bytes());
    }
}
