//! The configuration file: from its text to what it says, with every fault at its place.
//!
//! | module | what it holds |
//! |---|---|
//! | [`source`] | texts, and places in them |
//! | [`jsonc`] | the parser, which goes on behind an error |
//! | [`diagnostic`] | faults, shown to people and to programs |
//! | [`schema`] | the declaration of every key |
//! | [`check`] | the checks of a document against it |
//! | [`load`], `read` | files and what they include |
//! | `short_form` | nine lines as what they stand for |
//! | [`dump`] | the effective configuration |

pub mod check;
pub mod diagnostic;
pub mod dump;
pub mod jsonc;
pub mod load;
mod read;
pub mod schema;
mod short_form;
pub mod source;
