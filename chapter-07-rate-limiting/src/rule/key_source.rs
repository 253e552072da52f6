//! The key of a limit: client address, header, cookie, route, or one key for all requests.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    str::FromStr,
};

use advanced_features::routing::{HashKey, RequestInfo, client_network};
use siphasher::sip::SipHasher13;

use crate::table::Key;

/// What a limit is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A client's address, as a trusted proxy reports it; IPv6 by /64.
    Ip,
    /// The value of a header or a cookie; the address of a client without it, or with several: otherwise a client could bypass the
    /// limit by omitting the header.
    Value(HashKey),
    /// The routing rule that matched; requests without one count together.
    Route,
    /// All requests together.
    Global,
}

impl FromStr for KeySource {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "ip" => Ok(Self::Ip),
            "route" => Ok(Self::Route),
            "global" => Ok(Self::Global),
            _ => match text.parse() {
                Ok(key @ (HashKey::Header(_) | HashKey::Cookie(_))) => Ok(Self::Value(key)),
                _ => Err(()),
            },
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip => f.write_str("ip"),
            Self::Value(key) => key.fmt(f),
            Self::Route => f.write_str("route"),
            Self::Global => f.write_str("global"),
        }
    }
}

/// Turns what tells clients apart into [`Key`]s.
///
/// By SipHash-1-3 with secret keys, in one call: the standard library has the same function, but takes a message in pieces
/// and buffers them. Clients choose what is hashed, and learn from the headers which of their requests share
/// a count. From a hash that is only fast (a multiplication or two with secret factors, as `foldhash`, whose documentation
/// warns of this) they could work out which other values fill a line of the table, or share a count with somebody else's.
/// Two such multiplications saved 31 of 12,357 instructions per request: not worth it.
#[derive(Clone, Debug)]
pub struct KeyHasher {
    addresses: SipHasher13,
    /// Another key, so that a header's value cannot pass for an address.
    values: SipHasher13,
}

impl Default for KeyHasher {
    fn default() -> Self {
        Self { addresses: random_hasher(), values: random_hasher() }
    }
}

/// With a key of two hashes by a key of the standard library's, which it has from the operating system.
fn random_hasher() -> SipHasher13 {
    let secret = RandomState::new();
    SipHasher13::new_with_keys(secret.hash_one(0), secret.hash_one(1))
}

impl KeyHasher {
    /// The keys of a request.
    pub fn keys_of<'a, 'r>(&'a self, request: &'a RequestInfo<'r>) -> RequestKeys<'a, 'r> {
        RequestKeys { hasher: self, request, address: None }
    }

    /// The key of a client's address. 4 bytes of IPv4 and the 8 of an IPv6 network are different messages.
    pub fn address_key(&self, client: IpAddr) -> Key {
        Key::from_hash(match client_network(client) {
            IpAddr::V4(address) => self.addresses.hash(&address.octets()),
            IpAddr::V6(network) => self.addresses.hash(&network.octets()[..8]),
        })
    }
}

/// The keys of a request, for all limits that it is checked against.
#[derive(Debug)]
pub struct RequestKeys<'a, 'r> {
    hasher: &'a KeyHasher,
    request: &'a RequestInfo<'r>,
    /// Hashed once, however many limits count by it.
    address: Option<Key>,
}

impl RequestKeys<'_, '_> {
    /// The key by this source.
    pub fn by(&mut self, source: &KeySource) -> Key {
        match source {
            KeySource::Ip => self.by_address(),
            KeySource::Global => Key::from_hash(1),
            KeySource::Route => self.by_route(),
            KeySource::Value(key) => self.by_value(key),
        }
    }

    #[inline(never)]
    fn by_value(&mut self, key: &HashKey) -> Key {
        match key.only_value(self.request) {
            Some(value) => Key::from_hash(self.hasher.values.hash(value)),
            None => self.by_address(),
        }
    }

    #[inline(never)]
    fn by_route(&self) -> Key {
        let route = self.request.route.map_or([0; 3], |route| {
            let [low, high] = route.0.to_le_bytes();
            [1, low, high]
        });
        Key::from_hash(self.hasher.values.hash(&route))
    }

    fn by_address(&mut self) -> Key {
        *self.address.get_or_insert_with(|| self.hasher.address_key(self.request.client))
    }
}
