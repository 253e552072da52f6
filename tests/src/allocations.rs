//! Counts a thread's calls of the allocator, for tests that a program in steady state allocates nothing.
//!
//! A test enables it by `#[global_allocator] static ALLOCATOR: CountingAllocator = CountingAllocator;`. Counts are kept
//! per thread, because the test harness has its own threads; a thread that serves others is
//! [`watched`](count_this_thread).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use sys::{CountingAllocator, allocation_count, count_this_thread};

/// The allocations of one watched thread, readable from another thread.
#[derive(Debug, Default)]
pub struct AllocationCounter(AtomicU64);

impl AllocationCounter {
    /// A counter of zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Calls so far.
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[expect(unsafe_code, reason = "a global allocator cannot be written without")]
mod sys {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;
    use std::sync::atomic::Ordering::Relaxed;

    use super::AllocationCounter;

    thread_local! {
        static COUNT: Cell<u64> = const { Cell::new(0) };
        static COUNTER: Cell<Option<&'static AllocationCounter>> = const { Cell::new(None) };
    }

    /// This thread's calls that allocated memory.
    pub fn allocation_count() -> u64 {
        COUNT.with(Cell::get)
    }

    /// From now on, this thread's allocations are counted in `counter` too.
    pub fn count_this_thread(counter: &'static AllocationCounter) {
        COUNTER.with(|watching| watching.set(Some(counter)));
    }

    fn count_one() {
        // A thread that is ending has no counter any more, and needs none.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        let _ = COUNTER.try_with(|counter| counter.get().map(|counter| counter.0.fetch_add(1, Relaxed)));
    }

    /// The system's allocator, with a counter.
    #[derive(Debug)]
    pub struct CountingAllocator;

    // SAFETY: each call goes to `System` with the arguments it came with, whose contract is ours; the counters are
    // `Cell`s without destructor or lazy initialization, so counting never allocates.
    unsafe impl GlobalAlloc for CountingAllocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count_one();
            // SAFETY: the caller keeps `GlobalAlloc::alloc`'s contract, which is `System`'s.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            count_one();
            // SAFETY: as above.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            count_one();
            // SAFETY: `pointer` came from `System`, by one of these functions, with this layout.
            unsafe { System.realloc(pointer, layout, size) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            // SAFETY: `pointer` came from `System`, by one of these functions, with this layout.
            unsafe { System.dealloc(pointer, layout) }
        }
    }
}
