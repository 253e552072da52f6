//! What a `ClientHello` says about where its connection should go.

use std::{borrow::Cow, ops::Range};

use super::{alpn, error::ClientHelloError, server_name, vector::Vector};

/// The host and the protocols that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    body: Cow<'a, [u8]>,
    server_name: Option<Range<usize>>,
    alpn: Option<Range<usize>>,
}

impl<'a> ClientHello<'a> {
    /// Reads the body of the message (RFC 8446 §4.1.2, and RFC 5246 §7.4.1.2 for older versions).
    ///
    /// All lengths must add up, so that no server can find other extensions in it than we do.
    pub(super) fn parse(body: Cow<'a, [u8]>) -> Result<Self, ClientHelloError> {
        let mut message = Vector::new(&body);
        let malformed = ClientHelloError::Malformed;
        message.take(2 + 32).ok_or(malformed("version and random"))?;
        message.vector8().filter(|id| id.len() <= 32).ok_or(malformed("session id"))?;
        let is_list_of_u16 = |suites: &Vector<'_>| !suites.is_empty() && suites.len().is_multiple_of(2);
        message.vector16().filter(is_list_of_u16).ok_or(malformed("cipher suites"))?;
        message.vector8().filter(|methods| !methods.is_empty()).ok_or(malformed("compression methods"))?;
        // Before TLS 1.3, a message may end here.
        let (mut server_name, mut alpn) = (None, None);
        if !message.is_empty() {
            let mut extensions = message.only_vector16().ok_or(malformed("extensions"))?;
            let mut seen = ExtensionSet::default();
            while !extensions.is_empty() {
                let number = extensions.u16().ok_or(malformed("extensions"))?;
                let content = extensions.vector16().ok_or(malformed("extensions"))?;
                if !seen.insert(number) {
                    return Err(ClientHelloError::DuplicateExtension(number));
                }
                match number {
                    server_name::EXTENSION => server_name = Some(server_name::read(content)?),
                    alpn::EXTENSION => alpn = Some(alpn::read(content)?),
                    // All others, and the invented numbers that browsers send so that servers keep ignoring what they
                    // do not know (GREASE, RFC 8701).
                    _ => {}
                }
            }
        }
        Ok(Self { body, server_name, alpn })
    }

    /// The host name as the client sent it: ASCII without a trailing dot, in upper or lower case.
    pub fn server_name(&self) -> Option<&str> {
        let name = &self.body[self.server_name.clone()?];
        // The reader has accepted ASCII only.
        str::from_utf8(name).ok()
    }

    /// The protocols that the client speaks, in its order of preference; none if it does not say.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        alpn::names(self.alpn.clone().map_or(&[], |list| &self.body[list]))
    }
}

/// The numbers of extensions, a bit for each. A list would have to be searched for each of 4,000 extensions, which is
/// how many fit into a message: 8 million comparisons for a hostile client.
struct ExtensionSet([u64; 1 << 10]);

impl Default for ExtensionSet {
    fn default() -> Self {
        Self([0; 1 << 10])
    }
}

impl ExtensionSet {
    /// Whether it is new.
    fn insert(&mut self, number: u16) -> bool {
        let (word, bit) = (&mut self.0[usize::from(number >> 6)], 1_u64 << (number & 63));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}
