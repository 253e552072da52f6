//! What is read: the counters as metric families, in Prometheus's text format.
//!
//! | module | what it holds |
//! |---|---|
//! | `family`, `busy` | a metric without its samples, as the crate `prometheus` has it; how busy the workers are |
//! | [`request_collector`], [`backend_collector`] | collectors over the workers' blocks: what the filter has recorded |
//! | [`balancer_collector`], [`process_collector`] | collectors of what others count: the engine, the limits, the kernel |
//! | [`exposition`](mod@exposition) | the registry, and the text |
//!
//! Collecting reads relaxed atomics on the thread that scrapes. No worker waits for it, or knows of it.

pub mod backend_collector;
pub mod balancer_collector;
mod busy;
#[expect(clippy::module_inception, reason = "it is the folder's main type")]
pub mod exposition;
pub mod family;
pub mod process_collector;
pub mod request_collector;

pub use exposition::Exposition;
