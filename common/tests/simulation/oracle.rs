//! What must hold when an exchange is over, whatever was done to it.
//!
//! The client's and the backends' bytes are read by the strict reader and held against the plan.

use common::http::{AfterBackend, AfterClient};

use super::{
    plan::{Reply, Request},
    world::{Attempt, Outcome, World},
};
use crate::support::strict::{self, End, Message, show};

/// Panics where a law is broken. Gives whether the client got a whole response.
pub(crate) fn check(world: &World, at: usize, outcome: &Outcome) -> bool {
    let request = &world.plan.requests[at];
    for attempt in &outcome.attempts {
        backend_reads_what_the_client_said(world, request, attempt);
    }
    one_backend_at_most_sees_what_must_not_be_repeated(request, outcome);
    let (complete, message) = client_reads_what_the_backend_said(world, request, outcome);
    keeps_only_what_ended_exactly(world, at, outcome, message.as_ref());
    undisturbed_exchange_is_whole(world, request, outcome, complete);
    complete
}

fn backend_reads_what_the_client_said(world: &World, request: &Request, attempt: &Attempt) {
    let got = &attempt.wire.sent;
    let Some(message) = strict::request(got).unwrap_or_else(|error| panic!("to the backend: {error}")) else { return };
    if !message.has_head() {
        assert_eq!(message.end, End::Cut);
        return;
    }
    let target = request.wire.split(|byte| *byte == b' ').nth(1).expect("a target");
    assert_eq!(message.start, [request.method.as_bytes().to_vec(), target.to_vec(), b"HTTP/1.1".to_vec()]);
    assert_eq!(own_fields(&message), request.fields, "fields to the backend");
    assert_eq!(message.values("expect").len(), usize::from(request.expects));
    assert!(request.body.starts_with(&message.body), "the backend got another body: {}", show(&message.body));
    if message.end == End::Exact {
        assert_eq!(message.body.len(), request.body.len(), "a body that was cut looks whole");
        assert!(!request.broken, "a broken body looks whole");
    }
    let beyond = &got[message.length..];
    if attempt.reply.status == 101 {
        assert!(world.client_tunnel().starts_with(beyond), "the tunnel got {}", show(beyond));
    } else {
        assert!(beyond.is_empty(), "beyond the request: {}", show(beyond));
    }
}

fn one_backend_at_most_sees_what_must_not_be_repeated(request: &Request, outcome: &Outcome) {
    let reached = outcome.attempts.iter().filter(|attempt| !attempt.wire.sent.is_empty()).count();
    assert!(request.is_idempotent() || reached <= 1, "{reached} backends got bytes of a {}", request.method);
    let answered = outcome.attempts.iter().rev().skip(1).any(|attempt| attempt.wire.received > 0);
    assert!(!answered, "asked another backend after one had answered");
    assert_eq!(usize::from(outcome.record.retries), tries(outcome).saturating_sub(1), "retries in the record");
}

fn tries(outcome: &Outcome) -> usize {
    outcome.attempts.iter().filter(|attempt| attempt.reply.connects).count()
}

/// Whether the client got a whole final response, and that response as far as it came.
fn client_reads_what_the_backend_said(world: &World, request: &Request, outcome: &Outcome) -> (bool, Option<Message>) {
    let got = &world.client.sent[outcome.mark..];
    let fin = outcome.after_client == AfterClient::Linger;
    let (mut messages, beyond) = strict::answer(got, request.method, fin)
        .unwrap_or_else(|error| panic!("to the client: {error}: {}", show(got)));
    let last = messages.pop_if(|last| !last.has_head() || !matches!(last.status(), 100 | 102..200));
    let reply = outcome.attempts.last().map(|attempt| &attempt.reply);
    check_interim(request, reply, &messages);
    let Some(message) = last.filter(Message::has_head) else {
        assert_eq!(outcome.after_client, AfterClient::Abort, "no response: {}", show(got));
        return (false, None);
    };
    assert_eq!(message.status(), outcome.record.status, "the record's status");
    if outcome.record.local_reply {
        check_own_answer(request, &message, beyond, outcome);
        return (message.end == End::Exact, Some(message));
    }
    let reply = reply.expect("an attempt that was answered");
    assert_eq!(message.status(), reply.status);
    assert_eq!(message.start[2], b"Some Reason");
    assert_eq!(own_fields(&message), reply.fields, "fields to the client");
    if reply.status == 101 {
        return (check_tunnel(world, reply, outcome, beyond), Some(message));
    }
    assert!(beyond.is_empty(), "beyond the response: {}", show(beyond));
    assert!(reply.body.starts_with(&message.body), "the client got another body");
    let complete = message.end != End::Cut;
    if complete {
        assert!(reply.whole && message.body.len() == reply.body.len(), "a truncated response looks whole");
        assert!(!request.http10 || message.values("transfer-encoding").is_empty() || request.method == "HEAD");
    } else {
        assert!(outcome.record.failure.is_some(), "a truncated response without a failure in the record");
        assert_ne!(outcome.after_client, AfterClient::KeepAlive);
    }
    (complete, Some(message))
}

fn check_interim(request: &Request, reply: Option<&Reply>, messages: &[Message]) {
    let statuses: Vec<_> = messages.iter().map(Message::status).collect();
    let sent = reply.map_or(&[][..], |reply| &reply.interim);
    assert!(sent.starts_with(&statuses), "interim responses {statuses:?} of {sent:?}");
    assert!(!request.http10 || statuses.is_empty(), "an interim response to a client of 1.0");
}

fn check_own_answer(request: &Request, message: &Message, beyond: &[u8], outcome: &Outcome) {
    assert!(beyond.is_empty(), "beyond our answer: {}", show(beyond));
    assert!(outcome.record.failure.is_some() && outcome.record.status >= 400, "{:?}", outcome.record);
    assert_eq!(message.values("date").len(), 1);
    let line = [message.start[1].as_slice(), b" ", &message.start[2], b"\n"].concat();
    let expected = if request.method == "HEAD" { b"".as_slice() } else { &line };
    assert!(expected.starts_with(&message.body), "our answer's body");
    assert!(message.end == End::Exact || outcome.after_client == AfterClient::Abort, "our own answer is cut");
}

fn check_tunnel(world: &World, reply: &Reply, outcome: &Outcome, beyond: &[u8]) -> bool {
    assert!(reply.tunnel.starts_with(beyond), "the client's end of the tunnel got {}", show(beyond));
    assert_ne!(outcome.after_client, AfterClient::KeepAlive);
    let whole = outcome.record.failure.is_none();
    if whole {
        let attempt = outcome.attempts.last().expect("an attempt");
        let to_backend = attempt.wire.sent.len()
            - strict::request(&attempt.wire.sent).expect("read before").map_or(0, |it| it.length);
        assert_eq!(beyond.len(), reply.tunnel.len(), "the tunnel lost bytes to the client");
        assert_eq!(to_backend, world.client_tunnel().len(), "the tunnel lost bytes to the backend");
        assert!(attempt.wire.shut && world.client.shut, "an end of the tunnel was not told of the other's");
    }
    whole
}

fn keeps_only_what_ended_exactly(world: &World, at: usize, outcome: &Outcome, message: Option<&Message>) {
    let request = &world.plan.requests[at];
    let end_of_request: usize = world.plan.requests[..=at].iter().map(|request| request.wire.len()).sum();
    if outcome.after_client == AfterClient::KeepAlive {
        let message = message.expect("a response on a connection that is kept");
        assert_eq!(message.end, End::Exact);
        assert!(!message.has("connection", "close"), "announced its end and is kept");
        assert!(!request.http10, "kept a connection of 1.0");
        assert_eq!(outcome.consumed, end_of_request, "the next request does not begin where this one ended");
    } else if outcome.record.failure.is_none() && outcome.record.status != 101 {
        let message = message.expect("a response without a failure");
        assert!(message.has("connection", "close"), "is closed and did not say so");
    }
    let Some(last) = outcome.attempts.last() else { return };
    if outcome.after_backend == AfterBackend::Pool {
        let reply = &last.reply;
        assert!(world.plan.pooled && reply.whole && reply.stays, "pools what does not stay: {reply:?}");
        assert_eq!(last.wire.received, reply.length, "pools after stray bytes, or before the response's end");
        let sent = strict::request(&last.wire.sent).expect("read before").expect("some bytes");
        assert_eq!(sent.end, End::Exact, "pools with the request half sent");
        assert!(outcome.record.failure.is_none() && !outcome.record.local_reply);
        assert!(!last.wire.end_read, "pools a connection whose end it has read");
    }
}

/// What nobody disturbed must come through: a machine that drops everything keeps every other law.
fn undisturbed_exchange_is_whole(world: &World, request: &Request, outcome: &Outcome, complete: bool) {
    let Some(last) = outcome.attempts.last() else { return };
    let undisturbed = !outcome.disturbed
        && outcome.deadlines == 0
        && last.reply.whole
        && last.reply.connects
        // An answer comes through though its backend stopped reading; a tunnel has then lost an end.
        && !(last.wire.broken && outcome.record.status == 101)
        && !request.broken
        && !world.client_is_reset();
    if !undisturbed {
        return;
    }
    assert!(complete && outcome.record.failure.is_none() && !outcome.record.local_reply, "{:?}", outcome.record);
    let all_taken = strict::request(&last.wire.sent).is_ok_and(|it| it.is_some_and(|it| it.end == End::Exact));
    let stray = last.wire.received > last.reply.length;
    if world.plan.pooled && last.reply.stays && all_taken && !stray && !last.wire.end_read {
        assert_eq!(outcome.after_backend, AfterBackend::Pool, "a fine connection is thrown away");
    }
}

/// The fields that the plan put there: the machine's own and the framing left out.
fn own_fields(message: &Message) -> Vec<(String, String)> {
    let planned = |name: &str| {
        ["x-one", "x-latin", "x-empty", "x-hop", "keep-alive", "trailer"].iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = message.fields.iter().map(|(name, value)| (text(name), text(value)));
    fields.filter(|(name, _)| planned(name)).collect()
}
