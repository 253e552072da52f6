//! The timeouts of all phases, as flags on the command line and, from chapter 10 on, in a configuration file.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use crate::cli::parse_duration;

/// Set per flag and not as `next_help_heading`, which would also apply to the flags that a program declares after
/// these.
const HELP_HEADING: &str = "Timeouts";

/// How long a client may take to read its last response and close, once the balancer has sent FIN. Bytes that it still
/// sends are read and discarded, because closing a socket with unread bytes sends a reset that can overtake the
/// response (RFC 9112 §9.6). The limit is in time alone: with a limit of 256 KiB, Python's http.client lost the 413 to
/// every 8 MB upload; with 2 s and no byte limit, to none.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many reads a lingering connection may make before the event loop serves other connections.
pub const MAX_LINGER_READS: usize = 16;
/// How long an idle client may still send a request once the process drains: one may already be in flight.
pub const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long each phase of an exchange may take: without a timeout, a silent peer would hold its connection slot
/// forever.
#[derive(clap::Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Limit for connecting to a backend
    #[arg(long = "connect-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "3s", value_parser = parse_duration)]
    pub connect: Duration,
    /// Limit for receiving a whole request head, from its first byte
    #[arg(long = "head-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "10s", value_parser = parse_duration)]
    pub head: Duration,
    /// Limit from the sent request to the first response byte
    #[arg(long = "first-byte-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "30s", value_parser = parse_duration)]
    pub first_byte: Duration,
    /// Limit without progress while receiving a request body or a response body of known length, or writing
    #[arg(long = "body-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "30s", value_parser = parse_duration)]
    pub body: Duration,
    /// Limit for an idle client connection between two requests
    #[arg(long = "idle-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "60s", value_parser = parse_duration)]
    pub idle: Duration,
    /// Limit without progress while receiving a response body of unknown length, such as a stream of events
    #[arg(long = "stream-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "5m", value_parser = parse_duration)]
    pub stream: Duration,
    /// Limit without traffic in a tunnel (WebSocket, CONNECT)
    #[arg(long = "tunnel-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "1h", value_parser = parse_duration)]
    pub tunnel: Duration,
    /// Limit for requests in flight when the program is asked to stop
    #[arg(long = "drain-timeout", value_name = "TIME", help_heading = HELP_HEADING)]
    #[arg(default_value = "30s", value_parser = parse_duration)]
    pub drain: Duration,
    /// The least bytes per second of a request body, on average since it began. Set by the programs that have an option
    /// for it.
    #[arg(skip)]
    pub min_body_rate: Option<NonZeroU64>,
}

impl Timeouts {
    /// The deadline for the next request head of a client connection. An `idle` connection waits from `since`, the end
    /// of its last exchange, and once the process drains for at most [`DRAIN_IDLE_TIMEOUT`]. Otherwise a head has begun
    /// at `since`, and one deadline covers all of it: a byte now and then does not extend it.
    pub fn head_deadline(&self, since: Instant, idle: bool, drain_started: Option<Instant>) -> Instant {
        if !idle {
            return since + self.head;
        }
        let deadline = since + self.idle;
        drain_started.map_or(deadline, |started| deadline.min(started.max(since) + DRAIN_IDLE_TIMEOUT))
    }
}

/// The defaults of the command line.
impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            head: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            body: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            stream: Duration::from_mins(5),
            tunnel: Duration::from_hours(1),
            drain: Duration::from_secs(30),
            min_body_rate: None,
        }
    }
}
