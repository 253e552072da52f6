//! What the relays of one worker share: its pipes, its scratch memory, and what they have moved.

use std::{cell::RefCell, sync::Arc};

use common::http::READ_BUFFER_BYTES;
use lb_metrics::single_writer::SingleWriter;

use super::pipe_pool::PipePool;

/// The bytes that one worker has sent. Only that worker writes them; any thread may read them.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's
pub struct MovedBytes {
    /// Through a pipe.
    pub spliced: SingleWriter,
    /// Through user space.
    pub copied: SingleWriter,
}

/// When bytes go through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplicePolicy {
    /// Never.
    Never,
    /// Once this many bytes have arrived without a pause. Below that, the system calls for a pipe cost more than the
    /// copy that they save.
    FromBytes(u64),
}

/// One worker's means to move bytes.
#[derive(Debug)]
pub struct Mover {
    pub(super) pipes: PipePool,
    /// Bytes that are read and sent in the same poll.
    pub(super) scratch: RefCell<Box<[u8]>>,
    pub(super) policy: SplicePolicy,
    pub(super) moved: Arc<MovedBytes>,
}

impl Mover {
    /// Moves bytes as `policy` says, through pipes of `pipe_bytes`, and counts them in `moved`.
    pub fn new(pipe_bytes: usize, policy: SplicePolicy, moved: Arc<MovedBytes>) -> Self {
        let scratch = RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice());
        Self { pipes: PipePool::new(pipe_bytes), scratch, policy, moved }
    }

    /// Its pipes.
    pub fn pipes(&self) -> &PipePool {
        &self.pipes
    }
}
