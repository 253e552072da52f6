//! The extension with the name of the host that the client wants (Server Name Indication, RFC 6066 §3).

use std::{net::Ipv4Addr, ops::Range};

use super::{error::ClientHelloError, vector::Vector};

/// Its number.
pub(super) const EXTENSION: u16 = 0;
const HOST_NAME: u8 = 0;
const MALFORMED: ClientHelloError = ClientHelloError::Malformed("server_name");
/// RFC 1035 §2.3.4, as text without the trailing dot.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// The place of the host name in the message.
///
/// The list must consist of one host name, as OpenSSL demands. RFC 6066 allows names of other types, but defines none,
/// and servers disagree about what follows one: such a connection could be routed by one name and served by another.
pub(super) fn read(content: Vector<'_>) -> Result<Range<usize>, ClientHelloError> {
    let mut list = content.only_vector16().ok_or(MALFORMED)?;
    let kind = list.u8().ok_or(MALFORMED)?;
    let name = list.only_vector16().filter(|_| kind == HOST_NAME).ok_or(MALFORMED)?;
    if is_host_name(name.bytes()) { Ok(name.range()) } else { Err(ClientHelloError::InvalidServerName) }
}

/// Whether these are labels of letters, digits and hyphens, in ASCII.
///
/// An underscore is one of them too: no host name has it, but DNS names do, Docker's among them, and clients send them.
/// RFC 6066 §3 says "without a trailing dot" and that addresses "are not permitted", so both are refused: a name has
/// one spelling, except for its case. An IPv6 address has characters that no name has.
pub(super) fn is_host_name(name: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_ipv4 = || str::from_utf8(name).is_ok_and(|text| text.parse::<Ipv4Addr>().is_ok());
    name.len() <= MAX_NAME_BYTES && name.split(|byte| *byte == b'.').all(is_label) && !is_ipv4()
}
