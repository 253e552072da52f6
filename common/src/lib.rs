//! What every chapter stands on and no chapter teaches.
//!
//! | module | what it is | first needed in |
//! |---|---|---|
//! | [`endpoint`] | `host:port[:weight]` as people write it | chapter 2 |
//! | [`http`] | the HTTP/1.1 machine that all engines drive | chapter 2, which teaches it |
//! | [`clock`] | the two clocks | chapter 2 |
//! | [`net`] | listeners, name resolution, connects that do not wait, the file limit | chapter 2 |
//! | [`shutdown`] | stopping in two stages, waited for by a thread, an fd or a future | chapter 2 |
//! | [`signals`] | which signal asks for which stage | chapter 2 |
//! | [`cli`] | the flags all programs share, refusals on one line | chapter 2 |
//! | [`timeouts`] | how long each phase may take | chapter 2 |
//! | [`stdout`] | lines on stdout that survive a closed pipe | chapter 2 |
//! | [`instance_id`] | names for this process and for its requests | chapter 2 |
//! | [`logging`] | log lines on stderr | chapter 2 |
//! | [`worker`] | a thread per core, and connections spread over them | chapter 5 |
//!
//! There is no async runtime in here: three engines with three ways to wait share this crate.

pub mod cli;
pub mod clock;
pub mod endpoint;
pub mod http;
pub mod instance_id;
pub mod logging;
pub mod net;
pub mod shutdown;
pub mod signals;
pub mod stdout;
pub mod timeouts;
pub mod worker;
