//! The access log: a line per request that says who asked for what, who answered, how long each part took, and why it
//! ended.
//!
//! | module | what it holds |
//! |---|---|
//! | [`request_text`] | what is kept of a request's head until its end |
//! | [`entry`] | a finished request with names instead of ids |
//! | [`log_field`], [`field`] | what the fields of all lines have in common; those of a request, and their values |
//! | [`mod@format`] | JSON, common, combined, or a template |
//! | [`style`], [`escape`], [`timestamp`] | how values, texts and times are written |
//! | [`sampling`] | which requests get a line |
//! | [`line_log`] | a log of any fields: its format, its queues and its writer |
//! | [`line_queue`] | from a worker to the writer, without a lock and without waiting |
//! | [`writer`], [`log_file`] | the thread that writes, and the file that it reopens |
//! | [`recent`] | the last slow or failed requests |
//! | [`names`] | the names behind ids |
//! | [`filter`] | the filter that ties them together |
//! | [`args`] | its command line |

pub mod args;
pub mod entry;
pub mod escape;
pub mod field;
pub mod filter;
pub mod format;
pub mod line_log;
pub mod line_queue;
pub mod log_field;
pub mod log_file;
pub mod names;
pub mod recent;
pub mod request_text;
pub mod sampling;
pub mod style;
pub mod timestamp;
pub mod writer;

pub use args::AccessLogArgs;
pub use filter::{AccessLog, AccessLogConfig};
pub use format::LogFormat;
