//! The texts that a configuration is read from, and places in them.
//!
//! Every value of a configuration keeps its [`Span`], so that a diagnostic can point at it long after parsing.

mod file;
mod span;

pub use file::{Position, SourceFile, Sources};
pub use span::{SourceId, Span};
