//! What each worker records, and the filter that records it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`layout`] | which requests share series: the routes, and how many series there may be |
//! | [`worker_block`] | one worker's counters: single writer, merged by a reader |
//! | [`outcomes`], [`backend_blocks`] | its counters that are not known in advance: by end, by backend |
//! | [`filter`] | the filter: a request's end becomes a handful of additions |

pub mod backend_blocks;
pub mod filter;
pub mod layout;
pub mod outcomes;
pub mod worker_block;

pub use filter::Metrics;
pub use layout::Layout;
