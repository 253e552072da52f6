//! Runs an exchange as a chapter's program does, without an event loop.

use std::time::SystemTime;

use common::http::{
    AfterBackend, AfterClient, ClientAddress, Exchange, Forwarding, Head, HttpDate, ProxyError, ProxyRole, Pumped,
    Relay, Wants, Wire, pump,
};

/// The size that the chapters use.
pub(crate) const SCRATCH_BYTES: usize = 64 * 1024;
pub(crate) const REQUEST_ID: u128 = 0x1234_5678_9abc_def0;

/// The date of responses that have none.
pub(crate) fn date() -> HttpDate {
    SystemTime::UNIX_EPOCH.into()
}

pub(crate) fn forwarding(pooled: bool) -> Forwarding {
    Forwarding {
        role: ProxyRole::Reverse,
        via_pseudonym: "the-lb".into(),
        scheme: "http",
        trusted_proxies: Vec::new(),
        backend_keep_alive: pooled,
    }
}

pub(crate) fn client_address(forwarding: &Forwarding) -> ClientAddress {
    let peer = "192.0.2.1".parse().expect("an address");
    ClientAddress::new(peer, "192.0.2.9:8080".parse().expect("an address"), forwarding)
}

/// A relay that has begun the request at the start of `bytes` and consumed the bytes after its head.
pub(crate) fn relay_with_request(bytes: &[u8], pooled: bool) -> Relay {
    let mut relay = Relay::new();
    begin_request(&mut relay, bytes, pooled).expect("a valid request");
    relay
}

pub(crate) fn begin_request(relay: &mut Relay, bytes: &[u8], pooled: bool) -> Result<(), ProxyError> {
    let forwarding = forwarding(pooled);
    let client = client_address(&forwarding);
    let mut head = Head::new();
    let length = head.read_request(bytes, &mut 0).expect("no error").expect("a complete head");
    relay.begin(head.view(&bytes[..length]), &forwarding, &client, REQUEST_ID).expect("no loop");
    if bytes.len() > length {
        let used = relay.from_client(common::http::Input::Bytes(&bytes[length..]))?;
        relay.push_pipelined(&bytes[length + used..]);
    }
    Ok(())
}

/// Pumps until it waits, is done, or fails. `None`: done.
pub(crate) fn pump_until_wait<C: Wire, B: Wire>(
    relay: &mut Relay,
    client: &mut C,
    backend: &mut B,
) -> Result<Option<Wants>, ProxyError> {
    let mut scratch = vec![0; SCRATCH_BYTES];
    loop {
        match pump(relay, client, backend, &mut scratch, date)? {
            Pumped::Wait(wants) => return Ok(Some(wants)),
            Pumped::Done => return Ok(None),
            Pumped::Yield => {}
        }
    }
}

/// Runs an exchange over streams that never block; a failure gets a local reply, as in a chapter's program.
pub(crate) fn run_exchange<C: Wire, B: Wire>(
    relay: &mut Relay,
    client: &mut C,
    backend: &mut B,
) -> (Exchange, AfterClient, AfterBackend) {
    relay.attempt(false);
    loop {
        match pump_until_wait(relay, client, backend) {
            Ok(None) => return relay.end(),
            Ok(Some(wants)) => panic!("waits for {wants:?} although every byte is readable"),
            Err(error) => relay.fail(&error, date()),
        }
    }
}
