//! Histograms: how many durations fell between which bounds.
//!
//! | module | what it holds |
//! |---|---|
//! | [`buckets`] | the bounds, and which bucket a duration belongs to |
//! | [`log_linear`] | buckets by the bits of the number, as in `HdrHistogram`: a bounded relative error everywhere |
//!
//! A histogram can be added to others, over workers, machines and time; a percentile cannot. So the balancer counts, and
//! whoever reads the counts computes the percentile of whatever they belong to.

pub mod buckets;
pub mod log_linear;

pub use buckets::Buckets;
pub use log_linear::LogLinear;
