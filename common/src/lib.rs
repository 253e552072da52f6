//! The HTTP/1.1 implementation and the plumbing that all chapters share; no chapter teaches the plumbing.
//!
//! | module | what it is | first needed in |
//! |---|---|---|
//! | [`endpoint`] | configured addresses: `host:port[:weight]` | chapter 2 |
//! | [`http`] | the sans-IO HTTP/1.1 state machine that all engines drive | chapter 2, which teaches it |
//! | [`clock`] | the monotonic clock and the wall clock | chapter 2 |
//! | [`net`] | listeners, accept errors, the connection limit, name resolution, connects, fd limit | chapter 2 |
//! | [`shutdown`], [`signals`] | shutdown in two stages, and which signal requests which stage | chapter 2 |
//! | [`cli`], [`timeouts`] | the flags that all programs share, error messages of one line | chapter 2 |
//! | [`stdout`], [`logging`] | lines on stdout that survive a closed pipe; log lines on stderr | chapter 2 |
//! | [`instance_id`] | ids of this process and of its requests | chapter 2 |
//! | [`random`] | random numbers for jitter and ids | chapter 2 |
//! | [`worker`] | a thread per core, and the distribution of connections over workers | chapter 5 |
//!
//! There is no async runtime in this crate: it serves three engines that wait in three different ways.

pub mod cli;
pub mod clock;
pub mod endpoint;
pub mod http;
pub mod instance_id;
pub mod logging;
pub mod net;
pub mod random;
pub mod shutdown;
pub mod signals;
pub mod stdout;
pub mod timeouts;
pub mod worker;
