//! What a configuration may say: one declaration of every key.
//!
//! The same tables check a file, suggest keys, fill in defaults, print the effective configuration, and make the JSON
//! Schema for editors and the reference page. A key that is not in [`keys`] does not exist.

mod declaration;
mod format;
pub mod json_schema;
pub mod keys;
pub mod reference;
mod rules;
mod scope;

pub use declaration::{Applies, Default, Key, Kind, Namespace, Section, When};
pub(in crate::config) use format::NAME;
pub use format::{Fault, Format};
pub(in crate::config) use rules::backend_address;
pub(crate) use rules::host_and_port;
pub use scope::{Rule, Scope};
