//! The first message of a TLS connection: which host the client wants, and which protocols it speaks.
//!
//! **When to use it**: to choose a backend for a TLS connection without decrypting it, as nginx's `ssl_preread` and
//! HAProxy's `req.ssl_sni` do. The name is sent in the clear, before any key exists. Nothing is consumed: the backend
//! gets the same bytes and completes the handshake. The client chooses the name, so a rule decides *where* it is
//! served and is no access control.
//!
//! | module | what lives there |
//! |---|---|
//! | [`read()`](mod@read), [`hello`] | reads a `ClientHello` that arrives in any number of pieces; what it says |
//! | `record`, `message`, `vector` | the layers below: TLS records, the handshake message in them, its nested vectors |
//! | `server_name`, `alpn` | the two extensions |
//! | [`rule`], [`table`] | rules by name and protocol, and the group that a connection goes to |
//! | [`error`] | why bytes are no `ClientHello` |

mod alpn;
pub mod error;
pub mod hello;
mod message;
pub mod read;
mod record;
pub mod rule;
mod server_name;
pub mod table;
mod vector;

#[cfg(test)]
mod tests;

pub use error::ClientHelloError;
pub use hello::ClientHello;
pub use message::MAX_RECEIVED_BYTES;
pub use read::{ClientHelloRead, read};
pub use rule::SniRule;
pub use table::SniTable;
