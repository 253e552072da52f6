#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`counter`] | four counters for many threads, to be measured |
//! | [`single_writer`] | the one that the balancer uses: a number that one thread writes |
//! | [`histogram`] | fixed buckets, and log-linear ones |
//! | [`end`] | why a request ended, in one word; what counts as failed |
//! | [`end_header`] | the same word for the client |
//! | [`access_log`] | a line per request, and the requests that were slow or failed |
//! | [`record`] | what each worker records, and the filter that records it |
//! | [`observers`] | the filters together |
//! | [`exposition`] | what is read: collectors, registry, text format |
//! | [`endpoint`] | where it is read: `/metrics`, `/healthz`, `/readyz`, `/stats`, `/requests`, `/log/reopen` |
//! | [`live`] | what is shown to people: the live page, and its document |
//! | [`top`] | the same in a terminal |
//! | [`args`] | the command line of the metrics |
//! | [`program`] | the program: command line, limits, metrics, balancer |

pub mod access_log;
pub mod args;
pub mod counter;
pub mod end;
pub mod end_header;
pub mod endpoint;
pub mod exposition;
pub mod histogram;
pub mod live;
pub mod observers;
pub mod program;
pub mod record;
mod server;
pub mod single_writer;
pub mod top;

pub use server::{ObservableServer, ProgramInfo, serve_public};
