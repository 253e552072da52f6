//! What is wrong with a configuration: every fault, with its place and what to do about it.
//!
//! A [`Diagnostic`] is data. [`text`] shows a list of them to a person, [`json`] to a program. Nothing stops at the first:
//! parsing and each check add to one list of [`Diagnostics`].

mod code;
pub mod json;
mod list;
mod message;
pub mod suggest;
pub mod text;

pub use code::{Code, Severity};
pub use list::Diagnostics;
pub use message::{Diagnostic, Related};
