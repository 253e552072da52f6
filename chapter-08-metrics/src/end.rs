//! Why a request ended, in one word.

use common::http::Exchange;

macro_rules! ends {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Why a request ended: the label `end`. The page has a table of the words, with what to do about each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum End { $($(#[$doc])* $name,)+ }

        impl End {
            /// All of them. The most frequent ones come first: they are searched in this order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its word.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

ends! {
    /// The answer was delivered whole.
    Done = "done",
    /// A rate limit refused it (chapter 7).
    Limited = "limited",
    /// It was shed, because its group was overloaded (chapter 7).
    Shed = "shed",
    /// No backend was left to try.
    NoBackend = "no_backend",
    /// The connect to the last backend tried failed.
    BackendRefused = "backend_refused",
    /// No rule matches it, and there is no default group.
    NoRoute = "no_route",
    /// Its group's queue was full.
    QueueFull = "queue_full",
    /// It waited in the queue for as long as it may.
    QueueTimeout = "queue_timeout",
    /// Its group's circuit breaker was open.
    BreakerOpen = "breaker_open",
    /// Its head is not valid HTTP.
    RefusedHead = "refused_head",
    /// The forward proxy refused its target.
    RefusedTarget = "refused_target",
    /// Its body is not valid HTTP.
    RefusedBody = "refused_body",
    /// It was answered here, because of `Max-Forwards: 0`.
    MaxForwards = "max_forwards",
    /// The client was too slow with its head.
    ClientTimeoutRequestHead = "client_timeout_request_head",
    /// The client was too slow with its body.
    ClientTimeoutRequestBody = "client_timeout_request_body",
    /// The client did not read the response.
    ClientTimeoutResponse = "client_timeout_response",
    /// The client closed in the middle of its head.
    ClientClosedInRequestHead = "client_closed_in_request_head",
    /// The client closed in the middle of its body.
    ClientClosedInRequestBody = "client_closed_in_request_body",
    /// The client closed while its request was queued.
    ClientLeftInQueue = "client_left_in_queue",
    /// The client reset the connection in the middle of its head.
    ClientResetInRequestHead = "client_reset_in_request_head",
    /// The client reset the connection in the middle of its body.
    ClientResetInRequestBody = "client_reset_in_request_body",
    /// The client reset the connection before the response began.
    ClientResetBeforeResponse = "client_reset_before_response",
    /// The client reset the connection during the response.
    ClientResetInResponseBody = "client_reset_in_response_body",
    /// The client reset an upgraded connection.
    ClientResetInTunnel = "client_reset_in_tunnel",
    /// The backend's response is not valid HTTP.
    InvalidResponse = "invalid_response",
    /// The connect took too long.
    BackendTimeoutConnect = "backend_timeout_connect",
    /// The backend did not read the request.
    BackendTimeoutRequestBody = "backend_timeout_request_body",
    /// The backend's response did not begin in time.
    BackendTimeoutFirstByte = "backend_timeout_first_byte",
    /// The backend's response stopped in the middle.
    BackendTimeoutResponseBody = "backend_timeout_response_body",
    /// The backend closed or reset the connection while the request was sent.
    BackendResetInRequestBody = "backend_reset_in_request_body",
    /// The backend closed or reset the connection before its response began.
    BackendResetBeforeResponse = "backend_reset_before_response",
    /// The backend closed or reset the connection during its response.
    BackendResetInResponseBody = "backend_reset_in_response_body",
    /// The backend reset an upgraded connection.
    BackendResetInTunnel = "backend_reset_in_tunnel",
    /// An upgraded connection was idle for too long.
    TunnelIdleTimeout = "tunnel_idle_timeout",
    /// The balancer had no descriptors or no memory left.
    OutOfResources = "out_of_resources",
    /// The balancer stopped before the request had ended.
    ShuttingDown = "shutting_down",
    /// The request's task panicked or was dropped.
    Aborted = "aborted",
    /// Another reason: a filter of yours has refused it.
    Other = "other",
}

impl End {
    /// Why the request ended.
    pub fn of(exchange: &Exchange) -> Self {
        if exchange.failure.is_none() && !exchange.local_reply {
            return Self::Done;
        }
        Self::from_word(exchange.end_reason)
    }

    /// The end with this word; [`Other`](Self::Other) if none has it: filters choose the words of their refusals.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.iter().copied().find(|end| end.word() == word).unwrap_or(Self::Other)
    }

    /// Whether the client is the cause.
    fn is_clients(self) -> bool {
        self.word().starts_with("client_")
            || matches!(self, Self::RefusedHead | Self::RefusedBody | Self::RefusedTarget)
    }
}

/// The label `code`: exact for a local reply, else the class of the backend's status. 499 if the client left without an
/// answer, 500 if the balancer gave up without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

impl Code {
    /// The code of an exchange.
    pub fn of(exchange: &Exchange) -> Self {
        if exchange.has_response { Self(exchange.status / 100) } else { Self(exchange.status) }
    }

    /// The class of a backend's response, from 1 to 5; `None` if the code is exact.
    pub fn class(self) -> Option<usize> {
        (1..=5).contains(&self.0).then_some(usize::from(self.0))
    }

    /// As a number that [`from_bits`](Self::from_bits) turns back into the code. Never 0 for a code of an exchange.
    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The label's value: `2xx` or `503`.
    pub fn label(self) -> String {
        self.class().map_or_else(|| self.0.to_string(), |class| format!("{class}xx"))
    }
}

// ANCHOR: failed
/// Whether such a request has failed: the balancer answered with 500 or more itself, or the answer broke off; and not
/// because of the client, who may have sent an HTTP version that does not exist (505). A backend's own 500 is an answer
/// like any other, and an upgraded connection has no end to miss.
pub fn is_failed(code: Code, end: End) -> bool {
    match code.class() {
        None => code.0 >= 500 && !end.is_clients(),
        Some(1) => false,
        Some(_) => end != End::Done && !end.is_clients(),
    }
}
// ANCHOR_END: failed

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use advanced_features::request::local_reply::{NO_ROUTE, QUEUE_FULL, QUEUE_TIMEOUT, SHED, breaker_open};
    use common::http::{ExchangeFailure, FailureKind, Phase, ProtocolError, Side};

    use super::*;

    /// The words of all failures that an exchange can record.
    fn words_of_failures() -> BTreeSet<&'static str> {
        let kinds = [
            FailureKind::Protocol(ProtocolError::StatusCode),
            FailureKind::Connect,
            FailureKind::Timeout,
            FailureKind::IncompleteMessage,
            FailureKind::Reset,
            FailureKind::ClosedInQueue,
            FailureKind::Unavailable,
            FailureKind::ShuttingDown,
            FailureKind::Aborted,
            FailureKind::ResourceExhausted,
        ];
        let phases = [
            Phase::RequestHead,
            Phase::Connect,
            Phase::Request,
            Phase::WaitingForResponse,
            Phase::Response,
            Phase::Tunnel,
        ];
        let sides = [Side::Client, Side::Backend, Side::Internal];
        let failures = sides.iter().flat_map(|side| {
            let kinds = kinds.iter().flat_map(move |kind| phases.map(|phase| (*kind, *side, phase)));
            kinds.map(|(kind, side, phase)| ExchangeFailure { kind, side, phase }.reason())
        });
        failures.collect()
    }

    #[test]
    fn every_word_is_one_of_an_exchange_and_every_exchange_has_one() {
        let replies = [NO_ROUTE, QUEUE_FULL, QUEUE_TIMEOUT, SHED, breaker_open(std::time::Duration::ZERO)];
        let replies = replies.iter().map(|reply| reply.reason);
        // The replies of `common` and of chapter 7 are not public; the suites `proxy`, `rate_limit` and `metrics` see them.
        let others = ["done", "max_forwards", "limited", "other"];
        let known: BTreeSet<_> = words_of_failures().into_iter().chain(replies).chain(others).collect();
        let ours: BTreeSet<_> = End::ALL.iter().map(|end| end.word()).collect();
        assert_eq!(ours, known);
        assert_eq!(End::ALL.len(), ours.len(), "no word twice");
        assert!(End::ALL.iter().all(|end| End::from_word(end.word()) == *end));
        assert_eq!(End::from_word("a filter's own"), End::Other);
    }

    #[test]
    fn the_page_explains_every_word() {
        let page = include_str!("../README.md");
        let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).collect();
        for end in End::ALL {
            let row = rows.iter().find(|(word, _)| *word == end.word());
            let (_, rest) = row.unwrap_or_else(|| panic!("the page has no row for `{}`", end.word()));
            let cells = rest.split('|').filter(|cell| !cell.trim().is_empty()).count();
            assert_eq!(cells, 3, "who, what has happened, and what to do: {}", end.word());
        }
    }

    #[test]
    fn failed_is_what_the_balancer_answers_with_500_or_more_and_what_breaks_off() {
        for (code, end, failed) in [
            (2, End::Done, false),
            (5, End::Done, false),
            (404, End::NoRoute, false),
            (429, End::Limited, false),
            (499, End::ClientLeftInQueue, false),
            (400, End::RefusedHead, false),
            (505, End::RefusedHead, false),
            (408, End::ClientTimeoutRequestBody, false),
            (502, End::BackendRefused, true),
            (503, End::Shed, true),
            (500, End::Aborted, true),
            (2, End::ClientResetInResponseBody, false),
            (2, End::RefusedBody, false),
            (2, End::BackendResetInResponseBody, true),
            (4, End::BackendTimeoutResponseBody, true),
            (2, End::ShuttingDown, true),
            (1, End::TunnelIdleTimeout, false),
            (1, End::ShuttingDown, false),
        ] {
            assert_eq!(is_failed(Code(code), end), failed, "{code} {end:?}");
        }
    }

    #[test]
    fn a_code_is_a_class_or_exact() {
        assert_eq!([Code(2), Code(1), Code(503), Code(499)].map(Code::label), ["2xx", "1xx", "503", "499"]);
    }
}
