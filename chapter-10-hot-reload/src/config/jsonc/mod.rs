//! JSON with comments and trailing commas, parsed into a tree that knows where each value stands.
//!
//! The parser is the project's own because it has to go on behind an error: a file with a missing comma and a misspelled
//! key is told about both at once. It reads RFC 8259, plus `//` and `/* */` comments and trailing commas.

mod parser;
mod scanner;
mod value;

pub use parser::{MAX_DEPTH, parse};
pub use value::{Data, Member, Object, Value};
