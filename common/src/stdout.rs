//! Lines on stdout: the output of a program, as opposed to its log.
//!
//! `println!` panics when stdout is a closed pipe, and `load_balancer | head -1` is enough to close it. The functions
//! here drop a line that cannot be written. Each line is flushed, because stdout may be a pipe on which a test or a
//! script waits for `listening on …`.

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Writes one line to stdout and flushes it; errors are ignored, because there is no reader left to report them to.
///
/// Usually called through [`outln!`](crate::outln).
pub fn print_line(args: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let _ = write_line(&mut stdout, args);
}

/// Writes the last line to stdout and waits at most one second for the write: a program that was told to stop must not
/// hang on a pager that waits for a key.
pub fn print_last_line(text: String) {
    const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
    let (done_tx, done) = mpsc::channel();
    let printer = thread::Builder::new().name("stdout".into()).spawn(move || {
        print_line(format_args!("{text}"));
        let _ = done_tx.send(());
    });
    if printer.is_ok() {
        let _ = done.recv_timeout(WRITE_TIMEOUT);
    }
}

/// Writes one line to stderr, for an error at startup; write errors are ignored.
pub fn eprint_line(args: fmt::Arguments<'_>) {
    let mut stderr = io::stderr().lock();
    let _ = write_line(&mut stderr, args);
}

/// One write per line, so that the lines of two processes on one terminal do not interleave.
fn write_line(to: &mut impl Write, args: fmt::Arguments<'_>) -> io::Result<()> {
    let mut text = args.to_string();
    text.push('\n');
    to.write_all(text.as_bytes())?;
    to.flush()
}

/// `println!` that flushes, and that does not panic when stdout is a closed pipe.
///
/// ```
/// # let address = "127.0.0.1:8080";
/// common::outln!("listening on {address}");
/// ```
#[macro_export]
macro_rules! outln {
    () => { $crate::stdout::print_line(::std::format_args!("")) };
    ($($arg:tt)*) => { $crate::stdout::print_line(::std::format_args!($($arg)*)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_each_line() {
        let mut to = io::BufWriter::new(Vec::new());
        write_line(&mut to, format_args!("listening on {}", 8080)).unwrap();
        assert_eq!(to.get_ref(), b"listening on 8080\n");
    }

    #[test]
    fn reports_a_closed_pipe_as_an_error_and_not_as_a_panic() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let error = write_line(&mut writer, format_args!("lost")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
