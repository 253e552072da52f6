//! Exits before the server runs: `--help`, an invalid command line, a failed startup.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};

use crate::{logging, stdout};

/// Exit code for an invalid command line or configuration (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;
/// Exit code for a failure of the environment: a port in use, a name that does not resolve.
pub const EXIT_FAILURE: u8 = 1;

/// The text to print instead of running, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlyExit {
    /// 0 for `--help` and `--version`, else [`EXIT_USAGE`].
    pub code: u8,
    /// The text without its final newline: one line for an error, several for `--help`.
    pub text: String,
    /// To stdout, because the user asked for it (`--help`); otherwise to stderr.
    pub to_stdout: bool,
}

impl EarlyExit {
    /// Prints the text to its stream and returns the exit code, for the end of `main`.
    pub fn print(&self) -> ExitCode {
        if self.to_stdout {
            stdout::print_line(format_args!("{}", self.text));
        } else {
            stdout::eprint_line(format_args!("{}", self.text));
        }
        ExitCode::from(self.code)
    }
}

/// Parses the command line of this process; on `--help`, `--version` or an error, prints the text and exits.
///
/// `--help` and `--version` go to stdout with exit code 0. An error is one line on stderr (`clap`'s own report takes
/// six) with [`EXIT_USAGE`]:
///
/// ```text
/// load_balancer: invalid value '70000' for '[PORT]': expected the port to listen on, a number from 0 to 65535 (see --help)
/// ```
pub fn parse<T: clap::Parser>() -> T {
    match try_parse_from(std::env::args_os()) {
        Ok(args) => args,
        Err(exit) => {
            exit.print();
            std::process::exit(exit.code.into())
        }
    }
}

/// [`parse`] without side effects. The first of `args` is the program, as in `argv`.
pub fn try_parse_from<T: clap::Parser>(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<T, EarlyExit> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let program = args.first().map_or_else(String::new, file_name);
    T::try_parse_from(args).map_err(|error| {
        if error.use_stderr() {
            let text = format!("{program}: {} (see --help)", clap_summary(&error));
            EarlyExit { code: EXIT_USAGE, text, to_stdout: false }
        } else {
            EarlyExit { code: 0, text: error.to_string().trim_end().to_owned(), to_stdout: true }
        }
    })
}

/// The whole of a `main`: parses the command line, starts logging and calls `program`. An error of `program` is one line on
/// stderr and [`EXIT_FAILURE`].
pub fn run<A: clap::Parser, E: Display>(program: impl FnOnce(A) -> Result<ExitCode, E>) -> ExitCode {
    let args = parse();
    logging::init();
    program(args).unwrap_or_else(|error| print_error(&error, EXIT_FAILURE))
}

/// The exit code of `main`: success, or one line `program: error` on stderr and [`EXIT_FAILURE`].
pub fn exit_code<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => print_error(&error, EXIT_FAILURE),
    }
}

/// Reports a usage error that `clap` cannot detect, such as two contradictory flags: one line on stderr and
/// [`EXIT_USAGE`].
pub fn usage_error(reason: impl Display) -> ExitCode {
    print_error(&reason, EXIT_USAGE)
}

fn print_error(error: &impl Display, code: u8) -> ExitCode {
    let program = std::env::args_os().next().map_or_else(String::new, |path| file_name(&path));
    stdout::eprint_line(format_args!("{program}: {}", one_line(&error.to_string())));
    ExitCode::from(code)
}

/// The first paragraph of `clap`'s report, and its suggestion.
fn clap_summary(error: &clap::Error) -> String {
    let report = error.to_string();
    let paragraph = report.split("\n\n").next().unwrap_or_default();
    let mut summary = one_line(paragraph.strip_prefix("error: ").unwrap_or(paragraph));
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedValue, ContextKind::SuggestedSubcommand] {
        let suggestion = match error.get(kind) {
            Some(ContextValue::String(one)) => one,
            Some(ContextValue::Strings(several)) if !several.is_empty() => &several[0],
            _ => continue,
        };
        summary.extend(["; did you mean '", suggestion, "'?"]);
    }
    summary
}

/// The lines of `text` joined by spaces: an argument quoted in it may contain newlines.
fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

fn file_name(path: &OsString) -> String {
    Path::new(path).file_name().unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ServeArgs;
    use crate::endpoint::Endpoint;

    /// A balancer.
    #[derive(clap::Parser, Debug)]
    #[command(name = "load_balancer", version)]
    struct Args {
        /// The port to listen on
        #[arg(default_value_t = 8080)]
        port: u16,
        /// The servers
        backends: Vec<Endpoint>,
        /// The algorithm
        #[arg(short, default_value = "rr", value_parser = ["rr", "wrr"])]
        algorithm: String,
        #[command(flatten)]
        serve: ServeArgs,
        /// Declared after the shared flags
        #[arg(long)]
        own: bool,
    }

    fn parse(line: &str) -> Result<Args, EarlyExit> {
        try_parse_from(std::iter::once("target/debug/load_balancer").chain(line.split(' ').filter(|w| !w.is_empty())))
    }

    #[test]
    fn parses_a_valid_command_line() {
        let args = parse("0 127.0.0.1:9001 [::1]:9002:3 -a wrr --log-requests").unwrap();
        assert_eq!((args.port, args.algorithm.as_str()), (0, "wrr"));
        assert_eq!(args.backends[1].weight, Some(3));
        assert!(args.serve.log_requests && !args.own);
        assert_eq!(parse("").unwrap().port, 8080);
    }

    #[test]
    fn usage_errors_are_one_line() {
        for (line, expected) in [
            ("70000", "invalid value '70000' for '[PORT]': 70000 is not in 0..=65535"),
            ("--bnid ::1", "unexpected argument '--bnid' found; did you mean '--bind'?"),
            ("-x", "unexpected argument '-x' found"),
            ("-a rrr", "invalid value 'rrr' for '-a <ALGORITHM>' [possible values: rr, wrr]; did you mean 'rr'?"),
            ("--bind", "a value is required for '--bind <IP>' but none was supplied"),
            ("--log-requests --log-requests", "the argument '--log-requests' cannot be used multiple times"),
            (
                "1 ::1",
                "invalid value '::1' for '[BACKENDS]...': '::1': an IPv6 address needs brackets, such as [::1]:9001",
            ),
            (
                "--head-timeout 3",
                "invalid value '3' for '--head-timeout <TIME>': the unit is missing; \
                 expected a whole number and a unit, such as 500ms, 3s, 5m or 1h",
            ),
        ] {
            let exit = parse(line).expect_err(line);
            let text = format!("load_balancer: {expected} (see --help)");
            assert_eq!(exit, EarlyExit { code: EXIT_USAGE, text, to_stdout: false });
        }
    }

    #[test]
    fn errors_stay_on_one_line_for_any_argument() {
        for word in ["--a\nb", "a\n\nb", "\r\n", "\u{1b}[2J\n"] {
            let exit = try_parse_from::<Args>(["p", word]).expect_err(word);
            assert!(!exit.text.contains(['\n', '\r']), "{:?}", exit.text);
        }
    }

    #[test]
    fn help_and_version_go_to_stdout() {
        let help = parse("--help").unwrap_err();
        assert_eq!((help.code, help.to_stdout), (0, true));
        assert!(help.text.contains("Usage: load_balancer"), "{}", help.text);
        assert!(help.text.contains("--first-byte-timeout <TIME>"), "{}", help.text);
        let (options, timeouts) = help.text.split_once("Timeouts:").unwrap();
        assert!(options.contains("--own") && !timeouts.contains("--own"), "{}", help.text);
        let text = format!("load_balancer {}", env!("CARGO_PKG_VERSION"));
        assert_eq!(parse("--version").unwrap_err(), EarlyExit { code: 0, text, to_stdout: true });
    }
}
