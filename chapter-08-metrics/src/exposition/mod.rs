//! What is read: the counters as metric families, in Prometheus's text format.
//!
//! | module | what it holds |
//! |---|---|
//! | [`family`] | a metric's name, help, type and samples, as the crate `prometheus` has them |
//! | [`requests`], [`backends`] | collectors over the workers' blocks: what the filter has recorded |
//! | [`balancer`], [`process`] | collectors of what others count: the engine, the limits, the kernel |
//! | [`exposition`](mod@exposition) | the registry, and the text |
//!
//! Collecting reads relaxed atomics on the thread that scrapes. No worker waits for it, or knows of it.

pub mod backends;
pub mod balancer;
pub mod busy;
#[expect(clippy::module_inception, reason = "it is the folder's main type")]
pub mod exposition;
pub mod family;
pub mod process;
pub mod requests;

pub use exposition::Exposition;
