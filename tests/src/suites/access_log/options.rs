//! The command line of the log.

use super::{LogFile, stdout_lines};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::support::assert_usage_error;
use crate::wait::until;

cases! { "access_log";
    Fast log_requests_is_the_access_log_on_standard_output,
    Fast wrong_options_are_refused_in_one_line,
    Fast a_log_that_cannot_be_opened_is_an_error_at_the_start,
    Fast without_the_option_there_is_no_log,
}

fn log_requests_is_the_access_log_on_standard_output(ctx: &Context) {
    let backend = Backend::ok("a");
    for flags in [&["--log-requests"][..], &["--access-log", "-"], &["--log-requests", "--access-log", "-"]] {
        let program = ctx.start(&[backend.addr()], flags);
        assert_eq!(program.client().get("/").status(), 200);
        until("there is a line", || stdout_lines(&program).len() == 1);
        assert_eq!(stdout_lines(&program)[0]["end"], "done");
        assert!(!program.stderr().contains("GET"), "no second log: {}", program.stderr());
    }
}

fn wrong_options_are_refused_in_one_line(ctx: &Context) {
    let log = LogFile::new();
    let path = log.path();
    for (flags, says) in [
        (&["--access-log", ""][..], "a file, or -"),
        (&["--access-log", &path, "--access-log-format", "{nope}"], "unknown field `nope`"),
        (&["--access-log", &path, "--access-log-format", "xml"], "json, common, combined"),
        (&["--access-log", &path, "--access-log-sample", "1%"], "1/100"),
        (&["--access-log-format", "json"], "--access-log-format needs --access-log"),
        (&["--access-log-sample", "1/2"], "--access-log-sample needs --access-log"),
        (&["--log-requests", "--access-log", &path], "choose one"),
        (&["--slow", "fast"], "--slow"),
    ] {
        assert_usage_error(ctx, &[&["0", "127.0.0.1:9"], flags].concat(), says);
    }
    assert!(log.lines().is_empty());
}

fn a_log_that_cannot_be_opened_is_an_error_at_the_start(ctx: &Context) {
    let log = LogFile::new();
    let dir = log.file("");
    for path in [log.file("missing/access.log"), dir, "/proc/nothing".to_owned()] {
        let exited = ctx.run(&["0", "127.0.0.1:9", "--access-log", &path]);
        assert_eq!(exited.code, 1, "{path}: {}", exited.stderr);
        let line = exited.stderr.lines().last().unwrap();
        assert!(line.contains("access log") && line.contains(path.trim_end_matches('/')), "{}", exited.stderr);
    }
}

fn without_the_option_there_is_no_log(ctx: &Context) {
    let backend = Backend::ok("a");
    let program = ctx.start(&[backend.addr()], &[]);
    assert_eq!(program.client().get("/").status(), 200);
    assert!(!program.threads().iter().any(|name| name == "access-log"), "{:?}", program.threads());
    let logging = ctx.start(&[backend.addr()], &["--log-requests"]);
    until("its thread runs", || logging.threads().iter().any(|name| name == "access-log"));
}
