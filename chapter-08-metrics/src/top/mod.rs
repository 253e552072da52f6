//! The live page in a terminal: the program `lb_top`.
//!
//! WHEN TO USE IT: on a machine that you reach by SSH, for a balancer whose admin interface listens on its loopback.
//! It reads the same document as the page, once a second, and computes rates from two readings.
//!
//! | module | what it holds |
//! |---|---|
//! | [`args`], [`url`] | the command line |
//! | [`client`], [`poller`] | reads the document, on a thread of its own |
//! | [`reading`], [`percentile`] | what happened between two readings |
//! | [`view`] | what is shown: numbers computed, names escaped ([`escape`]) |
//! | [`app`], [`sort`], [`change`] | what is selected, what is asked |
//! | [`screen`], [`columns`], [`format`](mod@format) | draws it; [`plain`] prints it |
//! | [`run`](mod@run) | the loop |

pub mod app;
pub mod args;
pub mod change;
pub mod client;
pub mod columns;
pub mod escape;
pub mod format;
pub mod percentile;
pub mod plain;
pub mod poller;
pub mod reading;
pub mod run;
pub mod screen;
pub mod sort;
mod terminal;
pub mod url;
pub mod view;

pub use args::TopArgs;
pub use run::run;
