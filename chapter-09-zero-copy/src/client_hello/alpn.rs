//! The extension with the protocols that the client speaks inside TLS (ALPN, RFC 7301 §3.1), such as `h2`.

use std::ops::Range;

use super::{error::ClientHelloError, vector::Vector};

/// Its number.
pub(super) const EXTENSION: u16 = 16;
const MALFORMED: ClientHelloError = ClientHelloError::Malformed("application_layer_protocol_negotiation");

/// The place of the list in the message, once all its names are valid: not empty.
pub(super) fn read(content: Vector<'_>) -> Result<Range<usize>, ClientHelloError> {
    let mut list = content.only_vector16().filter(|list| !list.is_empty()).ok_or(MALFORMED)?;
    let range = list.range();
    while !list.is_empty() {
        list.vector8().filter(|name| !name.is_empty()).ok_or(MALFORMED)?;
    }
    Ok(range)
}

/// The names in a list that [`read`] has found, in the client's order of preference.
pub(super) fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut list = Vector::new(list);
    std::iter::from_fn(move || list.vector8().map(|name| name.bytes()))
}
