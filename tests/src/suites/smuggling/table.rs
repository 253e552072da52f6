//! Tables of malformed requests, and how each row is tried.

use std::borrow::Cow;
use std::time::Duration;

use crate::Context;
use crate::backend::Backend;
use crate::client::Client;
use crate::process::Program;
use crate::rng::Rng;
use crate::suites::local_reply;
use crate::wait::{ms, pause};

/// The time limit for an error response. Shorter than elsewhere, because a failing row waits for all of it.
const ERROR_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reporting stops after this many failing rows.
const MAX_REPORTED: usize = 8;

/// The request that would be executed if the balancer lost track of where the row before it ends.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request that must be refused.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    name: Cow<'static, str>,
    raw: Cow<'static, [u8]>,
    status: u16,
    or: u16,
}

/// A row of a constant table.
pub(crate) const fn row(name: &'static str, raw: &'static [u8], status: u16) -> Row {
    Row { name: Cow::Borrowed(name), raw: Cow::Borrowed(raw), status, or: status }
}

impl Row {
    /// A row made at run time.
    pub(crate) fn made(name: impl Into<String>, raw: impl Into<Vec<u8>>, status: u16) -> Self {
        let (name, raw) = (Cow::Owned(name.into()), Cow::Owned(raw.into()));
        Self { name, raw, status, or: status }
    }

    /// Another status that is as correct.
    pub(crate) const fn or(mut self, status: u16) -> Self {
        self.or = status;
        self
    }
}

/// Tries every row; panics with all rows that are not refused as they should be.
pub(crate) fn assert_refused(ctx: &Context, rows: &[Row]) {
    let backend = Backend::ok("from the backend");
    let mut program = ctx.start(&[backend.addr()], &[]);
    let mut rng = Rng::new(rows.len() as u64);
    let mut failures = Vec::new();
    for row in rows {
        if let Err(what) = try_row(&program, &backend, row, &mut rng) {
            failures.push(format!("{}: {what}", row.name));
        }
        if failures.len() == MAX_REPORTED {
            break;
        }
    }
    // A byte that was forwarded late would have arrived by now.
    pause(ms(50));
    if backend.total_bytes() > 0 && failures.is_empty() {
        failures.push(format!("the backend received bytes: {:?}", backend.recordings()));
    }
    program.assert_running();
    assert!(failures.is_empty(), "{} rows:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(program.client().get("/after").status(), 200, "it no longer serves");
    assert_eq!(backend.last_request().0.target, "/after");
}

fn try_row(program: &Program, backend: &Backend, row: &Row, rng: &mut Rng) -> Result<(), String> {
    let raw = &row.raw[..];
    let before = backend.total_bytes();
    let at = 1 + rng.below(raw.len().max(2) - 1);
    let (first, second) = raw.split_at(at.min(raw.len()));
    let with_tail = [raw, SMUGGLED].concat();
    let variants: [(String, Vec<&[u8]>); 3] = [
        ("whole".into(), vec![raw]),
        (format!("split at {at}"), vec![first, second]),
        ("with a request behind it".into(), vec![&with_tail]),
    ];
    for (how, pieces) in variants {
        check_rejected(program, row, pieces).map_err(|what| format!("{how}: {what}"))?;
        if backend.total_bytes() != before {
            return Err(format!("{how}: the backend received {:?}", backend.recordings().last()));
        }
    }
    Ok(())
}

fn check_rejected(program: &Program, row: &Row, pieces: Vec<&[u8]>) -> Result<(), String> {
    let mut client = Client::connect(program.addr());
    client.set_read_timeout(ERROR_RESPONSE_TIMEOUT);
    client.send_pieces(pieces, ms(4));
    let response = client.try_response("GET").map_err(|error| format!("{error:?}"))?;
    if response.status() != row.status && response.status() != row.or {
        return Err(format!("{} instead of {}", response.status(), row.status));
    }
    local_reply::check(&response)?;
    if !response.head.says_close() {
        return Err(format!("an error response without Connection: close: {:?}", response.head));
    }
    if response.status() == 405 && !response.fields().has("allow") {
        return Err("405 without Allow".into());
    }
    match client.read_until_closed(ERROR_RESPONSE_TIMEOUT) {
        Some(rest) if rest.is_empty() => Ok(()),
        Some(rest) => Err(format!("bytes after the error response: {}", rest.escape_ascii())),
        None => Err("the connection stays open".into()),
    }
}
