//! Log lines: on stderr, one per event, `12:34:56.789Z  INFO message field=value`.
//!
//! `RUST_LOG` selects what is logged (`RUST_LOG=debug`, `RUST_LOG=load_balancer=trace`); the default is `info`. Stdout
//! is reserved for the program's output ([`crate::stdout`]), so that the two can be redirected separately.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Installs the logger that writes to stderr; a second call does nothing.
///
/// A line that cannot be written is dropped: logging must never end the program.
pub fn init() {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filter, parse_error) = parse_filter(&wanted);
    let installed = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .with_timer(UtcTime)
        .with_env_filter(filter)
        // The layer reports an internal error with `eprintln!`, which panics when stderr is a closed pipe.
        .log_internal_errors(false)
        .try_init();
    if let (Ok(()), Some(reason)) = (installed, parse_error) {
        tracing::warn!("ignoring invalid RUST_LOG={wanted}: {reason}");
    }
}

/// The filter for a `RUST_LOG` value, and the parse error if the value is invalid: a typo there must not keep the
/// program from starting.
///
/// Not `parse_lossy`, which reports errors with `eprintln!`.
fn parse_filter(wanted: &str) -> (EnvFilter, Option<String>) {
    let builder = || EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    match builder().parse(wanted) {
        Ok(filter) => (filter, None),
        Err(reason) => (builder().parse_lossy(""), Some(reason.to_string())),
    }
}

/// The time of day in UTC. Local time would need the time zone database; the date is known from the log file or the
/// collector.
struct UtcTime;

impl FormatTime for UtcTime {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        #[expect(clippy::disallowed_methods, reason = "a log line carries the time at which it was written")]
        let now = SystemTime::now();
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        write_time(to, since_epoch)
    }
}

fn write_time(to: &mut impl fmt::Write, since_epoch: Duration) -> fmt::Result {
    let of_day = since_epoch.as_secs() % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    write!(to, "{hour:02}:{minute:02}:{second:02}.{:03}Z", since_epoch.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_time_of_day_in_utc() {
        for (millis, shown) in
            [(0, "00:00:00.000Z"), (86_399_999, "23:59:59.999Z"), (1_000_000_000_001, "01:46:40.001Z")]
        {
            let mut text = String::new();
            write_time(&mut text, Duration::from_millis(millis)).unwrap();
            assert_eq!(text, shown);
        }
    }

    #[test]
    fn defaults_to_info_and_ignores_an_invalid_filter() {
        assert_eq!(parse_filter("").0.max_level_hint(), Some(LevelFilter::INFO));
        assert_eq!(parse_filter("debug").0.max_level_hint(), Some(LevelFilter::DEBUG));
        let (fallback, reason) = parse_filter("info=bogus=worse");
        assert_eq!(fallback.max_level_hint(), Some(LevelFilter::INFO));
        assert!(reason.is_some());
    }

    #[test]
    fn can_be_called_twice() {
        init();
        init();
    }
}
