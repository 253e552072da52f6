//! Histograms: how many durations fell between which bounds.
//!
//! | module | what it holds |
//! |---|---|
//! | [`buckets`] | the bounds, and which bucket a duration belongs to |
//! | [`log_linear`] | buckets by the bits of the number, as in `HdrHistogram`: a bounded relative error everywhere |
//!
//! Histograms can be added, over workers, machines and time; percentiles cannot. So the balancer exports counts, and
//! percentiles are computed when they are queried.

pub mod buckets;
pub mod log_linear;

pub use buckets::Buckets;
pub(crate) use buckets::rank;
pub use log_linear::LogLinear;
