//! The PROXY protocol: a header in front of a connection's bytes that names the client behind a proxy.
//!
//! **When to use it**: a proxy that relays bytes cannot add `X-Forwarded-For`, because it does not read the messages.
//! It sends this header first, and the server takes the client's address from there. Accept it only from trusted
//! proxies: a client that may send it chooses its own address.
//!
//! | module | what lives there |
//! |---|---|
//! | [`header`], [`parsed`] | the addresses in a header; what a reader returns |
//! | [`parse()`](mod@parse), `v1`, `v2`, `tlv` | reads a header that arrives in any number of pieces; text, binary, its extensions |
//! | [`write()`](mod@write), [`version`] | writes one |
//! | [`error`] | why bytes are no header |
//!
//! Nothing here allocates, except the writer for the bytes it appends. The specification is HAProxy's
//! `proxy-protocol.txt`; section numbers in this module are its own.

pub mod error;
pub mod header;
pub mod parse;
pub mod parsed;
mod tlv;
mod v1;
mod v2;
pub mod version;
pub mod write;

#[cfg(test)]
mod tests;

pub use error::ProxyHeaderError;
pub use header::ProxyHeader;
pub use parse::parse;
pub use parsed::{MAX_HEADER_BYTES, Parsed};
pub use version::Version;
pub use write::{write, write_datagram};
