//! The key of a limit: client address, header, cookie, route, or one key for all requests.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    str::FromStr,
};

use advanced_features::routing::{HashKey, RequestInfo, client_network};

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
/// By `SipHash` with a random key of the process: a client that could predict hashes could choose values that fill one
/// line of the table, or that share a key with somebody else's.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher {
    addresses: RandomState,
    /// Another key, so that a header's value cannot pass for an address.
    values: RandomState,
}

impl KeyHasher {
    /// The key of a request.
    pub fn key(&self, source: &KeySource, info: &RequestInfo<'_>) -> Key {
        let hash = match source {
            KeySource::Global => 1,
            KeySource::Route => self.values.hash_one(info.route),
            KeySource::Ip => self.hash_address(info.client),
            KeySource::Value(key) => match key.only_value(info) {
                Some(value) => self.values.hash_one(value),
                None => self.hash_address(info.client),
            },
        };
        Key::from_hash(hash)
    }

    /// The key of a client's address.
    pub fn address_key(&self, client: IpAddr) -> Key {
        Key::from_hash(self.hash_address(client))
    }

    fn hash_address(&self, client: IpAddr) -> u64 {
        // One write of 16 bytes; IPv4 as its mapped address, which no network of 64 bits is.
        let bits = match client_network(client) {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        self.addresses.hash_one(bits)
    }
}
