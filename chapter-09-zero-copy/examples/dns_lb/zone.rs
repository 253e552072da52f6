//! What the server is authoritative for: one zone with one balanced name.

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::{
    ProtoError,
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, NS, SOA},
    },
};

/// Why a name cannot be balanced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZoneError {
    /// Not a domain name.
    #[error("'{0}' is not a domain name: {1}")]
    Invalid(String, ProtoError),
    /// A name of one label: its zone would be the root.
    #[error("'{0}' needs at least three labels, such as www.example.test: the last ones are the zone")]
    TooShort(String),
}

/// A zone: an SOA and an NS record at its apex, the name server's address, and the balanced host.
#[derive(Debug)]
pub(crate) struct Zone {
    apex: Name,
    host: Name,
    name_server: Name,
    name_server_address: Ipv4Addr,
    /// The backends' addresses, in the order of the command line.
    addresses: Vec<IpAddr>,
    /// In seconds, of every record. Also the time for which a negative answer may be cached.
    ttl: u32,
}

/// What a name in the zone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Apex,
    NameServer,
    /// The balanced name.
    Host,
    /// A name that does not exist.
    Missing,
}

impl Zone {
    /// The zone of `host`, whose first label is the host and whose others are the zone. `ttl` is in seconds.
    pub(crate) fn new(
        host: &str,
        addresses: Vec<IpAddr>,
        ttl: u32,
        name_server_address: Ipv4Addr,
    ) -> Result<Self, ZoneError> {
        let invalid = |error| ZoneError::Invalid(host.to_owned(), error);
        let mut name = Name::from_ascii(host).map_err(invalid)?;
        name.set_fqdn(true);
        if name.num_labels() < 3 {
            return Err(ZoneError::TooShort(host.to_owned()));
        }
        let apex = name.base_name();
        let name_server = apex.prepend_label("ns").map_err(invalid)?;
        Ok(Self { apex, host: name, name_server, name_server_address, addresses, ttl })
    }

    /// What `name` is in this zone; `None` if it is outside. Names compare without regard to case.
    pub(crate) fn find(&self, name: &Name) -> Option<Node> {
        if !self.apex.zone_of(name) {
            return None;
        }
        Some(match name {
            name if *name == self.apex => Node::Apex,
            name if *name == self.host => Node::Host,
            name if *name == self.name_server => Node::NameServer,
            _ => Node::Missing,
        })
    }

    /// The backends' addresses of the family that `record_type` asks for, each with its index.
    pub(crate) fn addresses(&self, record_type: RecordType) -> impl Iterator<Item = (usize, IpAddr)> {
        let is_wanted = move |address: &IpAddr| match record_type {
            RecordType::A => address.is_ipv4(),
            RecordType::AAAA => address.is_ipv6(),
            _ => false,
        };
        self.addresses.iter().copied().enumerate().filter(move |(_, address)| is_wanted(address))
    }

    /// An A or AAAA record. It is owned by `name` as the query spelled it, which may have random case (as a defence
    /// against forged answers, resolvers compare it).
    pub(crate) fn address_record(&self, name: &Name, address: IpAddr) -> Record {
        let data = match address {
            IpAddr::V4(address) => RData::A(A(address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(address)),
        };
        Record::from_rdata(name.clone(), self.ttl, data)
    }

    /// The name server's address record.
    pub(crate) fn name_server_record(&self, name: &Name) -> Record {
        self.address_record(name, self.name_server_address.into())
    }

    /// The apex's NS record.
    pub(crate) fn ns_record(&self) -> Record {
        Record::from_rdata(self.apex.clone(), self.ttl, RData::NS(NS(self.name_server.clone())))
    }

    /// The apex's SOA record. In a negative answer, its TTL and its last field say how long that may be cached
    /// (RFC 2308 section 5).
    pub(crate) fn soa_record(&self) -> Record {
        let mailbox = self.apex.prepend_label("hostmaster").unwrap_or_else(|_| self.apex.clone());
        // No secondary transfers this zone, so the serial and the three intervals are of no use to anyone.
        let soa = SOA::new(self.name_server.clone(), mailbox, 1, 3600, 600, 86_400, self.ttl);
        Record::from_rdata(self.apex.clone(), self.ttl, RData::SOA(soa))
    }
}
