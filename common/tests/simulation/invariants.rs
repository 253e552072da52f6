//! The invariants of an exchange, checked after it has ended.
//!
//! The strict parser reads the bytes that client and backends received, and the result is compared with the scenario.

use common::http::{AfterBackend, AfterClient};

use super::{
    connection::{Attempt, Outcome, SimulatedConnection},
    scenario::{Request, ScriptedResponse},
};
use crate::support::strict_parser::{self, End, Message, show};

/// Panics when an invariant is violated. Returns whether the client received a complete response.
pub(crate) fn check(connection: &SimulatedConnection, at: usize, outcome: &Outcome) -> bool {
    let request = &connection.scenario.requests[at];
    for attempt in &outcome.attempts {
        backend_receives_what_the_client_sent(connection, request, attempt);
    }
    non_idempotent_request_reaches_one_backend_at_most(request, outcome);
    let (complete, message) = client_receives_what_the_backend_sent(connection, request, outcome);
    keeps_only_connections_with_complete_messages(connection, at, outcome, message.as_ref());
    exchange_without_a_fault_is_complete(connection, request, outcome, complete);
    complete
}

fn backend_receives_what_the_client_sent(connection: &SimulatedConnection, request: &Request, attempt: &Attempt) {
    let got = &attempt.stream.sent;
    let Some(message) = strict_parser::request(got).unwrap_or_else(|error| panic!("to the backend: {error}")) else {
        return;
    };
    if !message.has_head() {
        assert_eq!(message.end, End::Truncated);
        return;
    }
    let target = request.bytes.split(|byte| *byte == b' ').nth(1).expect("a target");
    assert_eq!(message.start, [request.method.as_bytes().to_vec(), target.to_vec(), b"HTTP/1.1".to_vec()]);
    assert_eq!(scenario_fields(&message), request.fields, "headers to the backend");
    assert_eq!(message.values("expect").len(), usize::from(request.expects));
    assert!(request.body.starts_with(&message.body), "the backend received another body: {}", show(&message.body));
    if message.end == End::Complete {
        assert_eq!(message.body.len(), request.body.len(), "a truncated body looks complete");
        assert!(!request.malformed, "a malformed body looks complete");
    }
    let beyond = &got[message.length..];
    if attempt.response.status == 101 {
        assert!(connection.client_tunnel().starts_with(beyond), "the tunnel received {}", show(beyond));
    } else {
        assert!(beyond.is_empty(), "bytes after the request: {}", show(beyond));
    }
}

fn non_idempotent_request_reaches_one_backend_at_most(request: &Request, outcome: &Outcome) {
    let reached = outcome.attempts.iter().filter(|attempt| !attempt.stream.sent.is_empty()).count();
    assert!(request.is_idempotent() || reached <= 1, "{reached} backends received bytes of a {}", request.method);
    let responded = outcome.attempts.iter().rev().skip(1).any(|attempt| attempt.stream.bytes_read > 0);
    assert!(!responded, "retried after a backend had responded");
    assert_eq!(
        usize::from(outcome.exchange.retries),
        connected_attempts(outcome).saturating_sub(1),
        "retries in the exchange"
    );
}

fn connected_attempts(outcome: &Outcome) -> usize {
    outcome.attempts.iter().filter(|attempt| attempt.response.connects).count()
}

/// Whether the client received a complete final response, and as much of the response as it received.
fn client_receives_what_the_backend_sent(
    connection: &SimulatedConnection,
    request: &Request,
    outcome: &Outcome,
) -> (bool, Option<Message>) {
    let got = &connection.client.sent[outcome.response_offset..];
    let fin = outcome.after_client == AfterClient::Linger;
    let (mut messages, beyond) = strict_parser::responses(got, request.method, fin)
        .unwrap_or_else(|error| panic!("to the client: {error}: {}", show(got)));
    let last = messages.pop_if(|last| !last.has_head() || !matches!(last.status(), 100 | 102..200));
    let response = outcome.attempts.last().map(|attempt| &attempt.response);
    check_interim(request, response, &messages);
    let Some(message) = last.filter(Message::has_head) else {
        assert_eq!(outcome.after_client, AfterClient::Abort, "no response: {}", show(got));
        return (false, None);
    };
    assert_eq!(message.status(), outcome.exchange.status, "the exchange's status");
    if outcome.exchange.local_reply {
        check_local_reply(request, &message, beyond, outcome);
        return (message.end == End::Complete, Some(message));
    }
    let response = response.expect("an attempt with a response");
    assert_eq!(message.status(), response.status);
    assert_eq!(message.start[2], b"Some Reason");
    assert_eq!(scenario_fields(&message), response.fields, "headers to the client");
    if response.status == 101 {
        return (check_tunnel(connection, response, outcome, beyond), Some(message));
    }
    assert!(beyond.is_empty(), "bytes after the response: {}", show(beyond));
    assert!(response.body.starts_with(&message.body), "the client received another body");
    let complete = message.end != End::Truncated;
    if complete {
        assert!(response.complete && message.body.len() == response.body.len(), "a truncated response looks complete");
        assert!(!request.http10 || message.values("transfer-encoding").is_empty() || request.method == "HEAD");
    } else {
        assert!(outcome.exchange.failure.is_some(), "a truncated response without a failure in the exchange");
        assert_ne!(outcome.after_client, AfterClient::KeepAlive);
    }
    (complete, Some(message))
}

fn check_interim(request: &Request, response: Option<&ScriptedResponse>, messages: &[Message]) {
    let statuses: Vec<_> = messages.iter().map(Message::status).collect();
    let sent = response.map_or(&[][..], |response| &response.interim);
    assert!(sent.starts_with(&statuses), "interim responses {statuses:?} of {sent:?}");
    assert!(!request.http10 || statuses.is_empty(), "an interim response to an HTTP/1.0 client");
}

fn check_local_reply(request: &Request, message: &Message, beyond: &[u8], outcome: &Outcome) {
    assert!(beyond.is_empty(), "bytes after the local reply: {}", show(beyond));
    assert!(outcome.exchange.failure.is_some() && outcome.exchange.status >= 400, "{:?}", outcome.exchange);
    assert_eq!(message.values("date").len(), 1);
    let line = [message.start[1].as_slice(), b" ", &message.start[2], b"\n"].concat();
    let expected = if request.method == "HEAD" { b"".as_slice() } else { &line };
    assert!(expected.starts_with(&message.body), "the local reply's body");
    assert!(message.end == End::Complete || outcome.after_client == AfterClient::Abort, "the local reply is truncated");
}

fn check_tunnel(
    connection: &SimulatedConnection,
    response: &ScriptedResponse,
    outcome: &Outcome,
    beyond: &[u8],
) -> bool {
    assert!(response.tunnel.starts_with(beyond), "the client's side of the tunnel received {}", show(beyond));
    assert_ne!(outcome.after_client, AfterClient::KeepAlive);
    let complete = outcome.exchange.failure.is_none();
    if complete {
        let attempt = outcome.attempts.last().expect("an attempt");
        let to_backend = attempt.stream.sent.len()
            - strict_parser::request(&attempt.stream.sent).expect("read before").map_or(0, |it| it.length);
        assert_eq!(beyond.len(), response.tunnel.len(), "the tunnel lost bytes to the client");
        assert_eq!(to_backend, connection.client_tunnel().len(), "the tunnel lost bytes to the backend");
        assert!(
            attempt.stream.write_shut_down && connection.client.write_shut_down,
            "a side of the tunnel received no FIN"
        );
    }
    complete
}

fn keeps_only_connections_with_complete_messages(
    connection: &SimulatedConnection,
    at: usize,
    outcome: &Outcome,
    message: Option<&Message>,
) {
    let request = &connection.scenario.requests[at];
    let end_of_request: usize = connection.scenario.requests[..=at].iter().map(|request| request.bytes.len()).sum();
    if outcome.after_client == AfterClient::KeepAlive {
        let message = message.expect("a response on a connection that is forwarded");
        assert_eq!(message.end, End::Complete);
        assert!(!message.has("connection", "close"), "forwarded after Connection: close");
        assert!(!request.http10, "forwarded an HTTP/1.0 connection");
        assert_eq!(outcome.consumed, end_of_request, "the next request does not begin where this one ended");
    } else if outcome.exchange.failure.is_none() && outcome.exchange.status != 101 {
        let message = message.expect("a response without a failure");
        assert!(message.has("connection", "close"), "closed without Connection: close");
    }
    let Some(last) = outcome.attempts.last() else { return };
    if outcome.after_backend == AfterBackend::Pool {
        let response = &last.response;
        assert!(
            connection.scenario.pooled && response.complete && response.keeps_alive,
            "pools a connection that is not reusable: {response:?}"
        );
        assert_eq!(last.stream.bytes_read, response.length, "pools after stray bytes, or before the response's end");
        let sent = strict_parser::request(&last.stream.sent).expect("read before").expect("some bytes");
        assert_eq!(sent.end, End::Complete, "pools with an incomplete request");
        assert!(outcome.exchange.failure.is_none() && !outcome.exchange.local_reply);
        assert!(!last.stream.end_was_read, "pools a connection that has reached its end of stream");
    }
}

/// Without a fault, the exchange must be complete: a relay that drops everything would satisfy every other invariant.
fn exchange_without_a_fault_is_complete(
    connection: &SimulatedConnection,
    request: &Request,
    outcome: &Outcome,
    complete: bool,
) {
    let Some(last) = outcome.attempts.last() else { return };
    let undisturbed = !outcome.has_fault
        && outcome.deadlines == 0
        && last.response.complete
        && last.response.connects
        // A response is relayed although its backend stopped reading; a tunnel has then lost one direction.
        && !(last.stream.broken_pipe && outcome.exchange.status == 101)
        && !request.malformed
        && !connection.client_is_reset();
    if !undisturbed {
        return;
    }
    assert!(complete && outcome.exchange.failure.is_none() && !outcome.exchange.local_reply, "{:?}", outcome.exchange);
    let all_taken =
        strict_parser::request(&last.stream.sent).is_ok_and(|it| it.is_some_and(|it| it.end == End::Complete));
    let stray = last.stream.bytes_read > last.response.length;
    if connection.scenario.pooled && last.response.keeps_alive && all_taken && !stray && !last.stream.end_was_read {
        assert_eq!(outcome.after_backend, AfterBackend::Pool, "a reusable connection is not pooled");
    }
}

/// The headers that the scenario generated, without those that the relay adds and without the framing.
fn scenario_fields(message: &Message) -> Vec<(String, String)> {
    let planned = |name: &str| {
        ["x-one", "x-latin", "x-empty", "x-hop", "keep-alive", "trailer"].iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = message.fields.iter().map(|(name, value)| (text(name), text(value)));
    fields.filter(|(name, _)| planned(name)).collect()
}
