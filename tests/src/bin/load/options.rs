//! The command line as typed. [`Plan`](crate::plan::Plan) is its resolved form.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Parser;
use common::cli::{EarlyExit, parse_duration};
use integration_tests::command_line;

/// HTTP/1.1 load generator that checks every response
///
/// By default a closed loop: each connection sends its next request when the last response is complete.
/// With --rate an open loop: requests are sent on a fixed schedule, and latency counts from the time
/// at which a request was due (corrected for coordinated omission, as in Gil Tene's wrk2).
/// Responses must be complete and 2xx; those to /bytes/N and /chunked/N are checked byte by byte.
/// Ctrl-C ends the run early and prints the report. Exit code 1 if any request failed.
#[derive(Clone, Debug, Parser)]
#[command(name = "load", version)]
pub(crate) struct Options {
    /// Target URL: http://host:port/path, on this machine
    pub(crate) url: String,
    /// Concurrent connections, each with one request at a time
    #[arg(short, long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) connections: u32,
    /// Duration of the run after the warm-up [default: 5s]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "requests")]
    pub(crate) duration: Option<Duration>,
    /// Number of requests, instead of a duration
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Open loop with this many requests per second, over all connections
    #[arg(short, long, value_name = "R", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Threads, which share the connections
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,
    /// Warm-up before the measurement; its requests are not counted
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) warm_up: Option<Duration>,
    /// A request that takes longer fails
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Open a new connection per request; latency then includes the connect
    #[arg(long)]
    pub(crate) new_connection: bool,

    /// Request method [default: GET, or POST with --body-size]
    #[arg(short, long, value_parser = method)]
    pub(crate) method: Option<String>,
    /// Send a body of N bytes, byte i being i % 251
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1 << 30))]
    pub(crate) body_size: u64,
    /// Add a header (repeatable)
    #[arg(short = 'H', long = "header", value_name = "K: V", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,

    /// Expected status (repeatable) [default: any 2xx]
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..=599))]
    pub(crate) expect_status: Vec<u16>,
    /// Expected length of every body
    #[arg(long, value_name = "N")]
    pub(crate) expect_body_len: Option<u64>,
    /// Expected SHA-256 digest of every body
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    pub(crate) expect_body_sha256: Option<[u8; 32]>,

    /// Also report the CPU time of this process (repeatable)
    #[arg(long = "pid", value_name = "P")]
    pub(crate) pids: Vec<u32>,
    /// Write the result as JSON to this file; "-" writes it to stdout instead of the report
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Hide the progress bar
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Allow a target that is not on this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// Why the run cannot start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OptionsError {
    /// Invalid command line: exit code 64.
    Usage(String),
    /// The machine cannot do it: exit code 1.
    Machine(String),
}

impl Options {
    /// Reads a command line; the first of `args` is the program.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, EarlyExit> {
        command_line::read(args)
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // The limits keep the interval between two requests within a `Duration`.
        Ok(rate) if (0.001..=10_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected requests per second, from 0.001 to 10000000".to_owned()),
    }
}

fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn method(text: &str) -> Result<String, String> {
    match text {
        "CONNECT" => Err("CONNECT is not supported: a tunnel cannot be measured".to_owned()),
        _ if is_token(text) => Ok(text.to_owned()),
        _ => Err("invalid method".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'Name: value'")?;
    if !is_token(name) {
        return Err(format!("invalid header name '{name}'"));
    }
    if ["content-length", "transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err("framing headers are set by --body-size".to_owned());
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err("control character in the header value".to_owned());
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn sha256(text: &str) -> Result<[u8; 32], String> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("expected 64 hexadecimal digits".to_owned());
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|error| error.to_string())?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, EarlyExit> {
        // No arguments for "": `split` would return one empty one.
        let words = line.split(' ').filter(|word| !word.is_empty());
        Options::read(std::iter::once("load").chain(words).map(OsString::from))
    }

    #[test]
    fn accepts_a_second_separator() {
        for line in ["-- http://127.0.0.1/ -c 64 -d 5s", "-c 64 http://127.0.0.1/ -d 5s"] {
            let options = read(line).unwrap();
            assert_eq!((options.connections, options.duration), (64, Some(Duration::from_secs(5))));
        }
    }

    #[test]
    fn reads_fields_and_digests() {
        let digest = "00ff".repeat(16);
        let options = read(&format!("u -H X-A:b --header X-C:d:e --expect-body-sha256 {digest}")).unwrap();
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(options.headers, [field("X-A", "b"), field("X-C", "d:e")]);
        assert_eq!(options.expect_body_sha256.unwrap()[..4], [0, 255, 0, 255]);
    }

    #[test]
    fn refuses_with_the_usage_code() {
        for line in [
            "",
            "u -c 0",
            "u -d 5",
            "u -d 5s -n 9",
            "u --rate 0",
            "u --rate nan",
            "u -m CONNECT",
            "u -m G/T",
            "u -H NoColon",
            "u -H Content-Length:5",
            "u -H A\r\nB:c",
            "u --expect-status 99",
            "u --expect-body-sha256 00",
            "u --warm-upp 1s",
        ] {
            let exit = read(line).expect_err(line);
            assert_eq!((exit.code, exit.to_stdout), (64, false), "{line}");
        }
    }
}
