//! Which options are of use in which mode. One that would do nothing is refused: it is a trap.

use clap::{CommandFactory as _, parser::ValueSource};

use crate::{args::Args, mode::Mode};

/// Options that are of no use for requests, but for sessions.
const ONLY_TCP: &[&str] = &["session_timeout", "send_proxy", "sni"];

/// Options that are of use only for flows.
const ONLY_UDP: &[&str] = &["udp_timeout", "max_flows", "max_flows_per_source"];

/// The other options that are of use for flows.
const ALSO_UDP: &[&str] = &[
    "send_proxy",
    "port",
    "mode",
    "backends",
    "algorithm",
    "balance_factor",
    "sticky_source",
    "check",
    "down_time",
    "breaker",
    "slow_start",
    "max_connections",
    "resolve_interval",
    "admin",
    "workers",
    "bind",
    "drain",
    "log_requests",
    "metrics",
];

/// The other options that are of use for sessions.
const WITHOUT_REQUESTS: &[&str] = &[
    "port",
    "mode",
    "copy",
    "splice_threshold",
    "pipe_size",
    "backends",
    "algorithm",
    "balance_factor",
    "groups",
    "sticky_source",
    "check",
    "down_time",
    "eject_after",
    "breaker",
    "slow_start",
    "max_connections",
    "queue",
    "queue_timeout",
    "resolve_interval",
    "admin",
    "workers",
    "bind",
    "max_clients",
    "connect",
    "drain",
    "log_requests",
    "access_log",
    "access_log_format",
    "access_log_sample",
    "metrics",
    "accept_proxy",
    "prelude_timeout",
];

/// Checks that each option on this process's command line, which has been parsed, is of use in `mode`.
///
/// # Errors
/// A line that names the first one that is not.
pub(crate) fn check_mode(mode: Mode) -> Result<(), String> {
    check_mode_of(mode, std::env::args_os())
}

fn check_mode_of(
    mode: Mode,
    line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
) -> Result<(), String> {
    for (id, name) in given_options(line) {
        if !is_of_use(mode, &id) {
            let modes: Vec<_> = Mode::ALL.into_iter().filter(|other| is_of_use(*other, &id)).collect();
            let modes = modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            let reason = if mode == Mode::Http && id == "send_proxy" {
                "a connection to a backend is pooled, and carries requests of many clients"
            } else {
                "there is nothing that it applies to"
            };
            return Err(format!("--{name} needs --mode {modes}: in {mode} mode {reason}"));
        }
    }
    Ok(())
}

fn is_of_use(mode: Mode, id: &str) -> bool {
    match mode {
        Mode::Tcp => ONLY_TCP.contains(&id) || WITHOUT_REQUESTS.contains(&id),
        Mode::Http => !ONLY_TCP.contains(&id) && !ONLY_UDP.contains(&id),
        Mode::Udp => ONLY_UDP.contains(&id) || ALSO_UDP.contains(&id),
    }
}

/// Whether this process's command line has the option `--check`: otherwise flows do without.
pub(crate) fn has_check() -> bool {
    given_options(std::env::args_os()).iter().any(|(id, _)| id == "check")
}

/// The id and the name of each option on the line.
fn given_options(line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>) -> Vec<(String, String)> {
    let command = Args::command();
    let Ok(matches) = command.clone().try_get_matches_from(line) else { return Vec::new() };
    let is_given =
        |argument: &&clap::Arg| matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine);
    let names = |argument: &clap::Arg| {
        let id = argument.get_id().as_str();
        (id.to_owned(), argument.get_long().unwrap_or(id).to_owned())
    };
    command.get_arguments().filter(is_given).map(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_other_mode_are_refused_by_name() {
        let check = |mode, line: &str| check_mode_of(mode, std::iter::once("zero_copy_lb").chain(line.split(' ')));
        assert_eq!(check(Mode::Tcp, "0 127.0.0.1:1 -a lc --copy --connect-timeout 1s --log-requests"), Ok(()));
        assert_eq!(check(Mode::Http, "0 127.0.0.1:1 --mode http --retries 2 --limit 5/s"), Ok(()));
        for mode in [Mode::Tcp, Mode::Http] {
            assert_eq!(check(mode, "0 127.0.0.1:1 --accept-proxy 127.0.0.1 --prelude-timeout 1s"), Ok(()));
        }
        assert_eq!(
            check(Mode::Udp, "0 127.0.0.1:1 --mode udp -a lc --send-proxy v2 --max-flows 5 --check tcp"),
            Ok(())
        );
        for (mode, line, option) in [
            (Mode::Tcp, "--sticky --retries 2", "--sticky needs --mode http"),
            (Mode::Tcp, "--retries 2", "--retries needs --mode http"),
            (Mode::Tcp, "--limit 5/s", "--limit needs --mode http"),
            (Mode::Tcp, "--idle-timeout 5s", "--idle-timeout needs --mode http"),
            (Mode::Tcp, "--access-log - --slow 5s", "--slow needs --mode http"),
            (Mode::Tcp, "--access-log - --access-log-redact-query", "--access-log-redact-query needs --mode http"),
            (Mode::Http, "--mode http --copy --session-timeout 1s", "--session-timeout needs --mode tcp"),
            (
                Mode::Http,
                "--mode http --send-proxy v1",
                "--send-proxy needs --mode tcp or udp: in http mode a connection to a",
            ),
            (Mode::Http, "--mode http --udp-timeout 5s", "--udp-timeout needs --mode udp:"),
            (Mode::Tcp, "--max-flows 5", "--max-flows needs --mode udp:"),
            (Mode::Udp, "--mode udp --retries 2", "--retries needs --mode http:"),
            (Mode::Udp, "--mode udp --copy", "--copy needs --mode tcp or http:"),
            (Mode::Udp, "--mode udp --access-log -", "--access-log needs --mode tcp or http:"),
            (Mode::Udp, "--mode udp --queue 5", "--queue needs --mode tcp or http:"),
            (Mode::Udp, "--mode udp --group a=127.0.0.1:1", "--group needs --mode tcp or http:"),
        ] {
            let error = check(mode, line).unwrap_err();
            assert!(error.starts_with(option), "{error}");
        }
    }

    #[test]
    fn every_name_is_that_of_an_option() {
        let command = Args::command();
        for id in ONLY_TCP.iter().chain(WITHOUT_REQUESTS).chain(ONLY_UDP).chain(ALSO_UDP) {
            assert!(command.get_arguments().any(|argument| argument.get_id() == id), "{id}");
        }
    }
}
