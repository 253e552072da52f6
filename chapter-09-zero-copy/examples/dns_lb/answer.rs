//! A query's bytes in, the answer's bytes out: no socket, no clock.
//!
//! Nothing that a sender can put into a query may panic, and no answer may be longer than the sender allows.

use std::net::IpAddr;

use hickory_proto::{
    ProtoError,
    op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{DNSClass, RecordType},
};

use crate::{
    turns::Turns,
    zone::{Node, Zone},
};

const HEADER_BYTES: usize = 12;
/// What every resolver takes over UDP (RFC 1035 section 4.2.1).
const MIN_UDP_BYTES: usize = 512;
/// What fits into one packet on nearly every path: longer datagrams are fragmented, and fragments get lost.
pub(crate) const MAX_UDP_BYTES: u16 = 1232;

/// How the query came, which bounds the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// The answer to `query`; `None` for what must not be answered: no header, or itself a response (two servers that
/// answered each other's answers would never stop). `healthy` has one element per backend of the zone.
pub(crate) fn answer(
    query: &[u8],
    zone: &Zone,
    healthy: &[bool],
    turns: &Turns,
    transport: Transport,
) -> Option<Vec<u8>> {
    let header = query.first_chunk::<HEADER_BYTES>()?;
    if header[2] & 0x80 != 0 {
        return None;
    }
    // The body of another kind of message, such as an update, may look different, so it is not read.
    if header[2] & 0x78 != 0 {
        return Some(header_only(header, ResponseCode::NotImp));
    }
    let Ok(request) = Message::from_vec(query) else { return Some(header_only(header, ResponseCode::FormErr)) };
    let response = respond(&request, zone, healthy, turns);
    // A name that cannot be encoded again was not a name.
    Some(encode(response, limit(&request, transport)).unwrap_or_else(|_| header_only(header, ResponseCode::FormErr)))
}

fn respond(request: &Message, zone: &Zone, healthy: &[bool], turns: &Turns) -> Message {
    let mut response = Message::new(request.id, MessageType::Response, OpCode::Query);
    response.metadata = Metadata::response_from_request(&request.metadata);
    if let Some(edns) = &request.edns {
        response.set_edns(our_edns(edns));
    }
    let [question] = &request.queries[..] else {
        response.metadata.response_code = ResponseCode::FormErr;
        return response;
    };
    response.add_query(question.clone());
    if request.version() > 0 {
        response.metadata.response_code = ResponseCode::BADVERS;
    } else {
        fill(&mut response, question, zone, healthy, turns);
    }
    response
}

// ANCHOR: fill
/// Answers the question in `response`.
fn fill(response: &mut Message, question: &Query, zone: &Zone, healthy: &[bool], turns: &Turns) {
    let (name, kind) = (question.name(), question.query_type());
    let is_transfer = matches!(kind, RecordType::AXFR | RecordType::IXFR);
    let node = zone.find(name).filter(|_| question.query_class() == DNSClass::IN && !is_transfer);
    let Some(node) = node else {
        response.metadata.response_code = ResponseCode::Refused;
        return;
    };
    response.metadata.authoritative = true;
    match (node, kind) {
        (Node::Host, _) => {
            let kind = if kind == RecordType::ANY { host_type(zone) } else { kind };
            let mut addresses = usable(zone, kind, healthy);
            turns.rotate(kind, &mut addresses);
            response.add_answers(addresses.into_iter().map(|address| zone.address_record(name, address)));
        }
        (Node::Apex, RecordType::SOA | RecordType::ANY) => response.answers.push(zone.soa_record()),
        (Node::Apex, RecordType::NS) => response.answers.push(zone.ns_record()),
        (Node::NameServer, RecordType::A | RecordType::ANY) => response.answers.push(zone.name_server_record(name)),
        (Node::Missing, _) => response.metadata.response_code = ResponseCode::NXDomain,
        _ => {}
    }
    // Without an SOA, a resolver would not know how long to remember that there is nothing.
    if response.answers.is_empty() {
        response.add_authority(zone.soa_record());
    }
}
// ANCHOR_END: fill

/// What a query for all types gets: one of them (RFC 8482).
fn host_type(zone: &Zone) -> RecordType {
    if zone.addresses(RecordType::A).next().is_some() { RecordType::A } else { RecordType::AAAA }
}

// ANCHOR: usable
/// The addresses of the healthy backends; if there are none, all addresses.
///
/// An empty answer would be cached as "no such record", by resolvers and in clients, and keep clients away after the
/// backends have come back. Chapter 4 ignores the checks when fewer than half of the backends are healthy: a wrong pick
/// costs it a retry. Here a wrong address costs all clients of a resolver a TTL, so one healthy backend is enough.
fn usable(zone: &Zone, kind: RecordType, healthy: &[bool]) -> Vec<IpAddr> {
    let is_healthy = |index: usize| healthy.get(index).copied().unwrap_or(false);
    let up: Vec<_> = zone.addresses(kind).filter(|(index, _)| is_healthy(*index)).map(|(_, address)| address).collect();
    if up.is_empty() { zone.addresses(kind).map(|(_, address)| address).collect() } else { up }
}
// ANCHOR_END: usable

/// The longest answer that the sender takes, in bytes.
fn limit(request: &Message, transport: Transport) -> usize {
    match (transport, &request.edns) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => MIN_UDP_BYTES,
        // A size below 512 was read as 512 (RFC 6891 section 6.2.5).
        (Transport::Udp, Some(edns)) => usize::from(edns.max_payload().min(MAX_UDP_BYTES)),
    }
}

/// The message's bytes. One that is longer than `limit` becomes an empty one with the TC bit, which tells the resolver
/// to ask again over TCP. A part of the addresses could be mistaken for all of them.
fn encode(mut response: Message, limit: usize) -> Result<Vec<u8>, ProtoError> {
    let bytes = response.to_vec()?;
    if bytes.len() <= limit {
        return Ok(bytes);
    }
    response.metadata.truncation = true;
    response.answers.clear();
    response.authorities.clear();
    response.to_vec()
}

/// The OPT record of an answer: our own size and version, and the sender's DO bit (RFC 3225), but no options.
fn our_edns(theirs: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_UDP_BYTES).set_dnssec_ok(theirs.flags().dnssec_ok);
    edns
}

/// An answer to a message whose body was not read: its id, its opcode and its RD bit.
fn header_only(header: &[u8; HEADER_BYTES], code: ResponseCode) -> Vec<u8> {
    let mut answer = [0; HEADER_BYTES];
    answer[..2].copy_from_slice(&header[..2]);
    answer[2] = 0x80 | (header[2] & 0x79);
    answer[3] = code.low();
    answer.to_vec()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
