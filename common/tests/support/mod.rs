//! What the tests of `common::http` share: in-memory streams, an independent parser, a seeded random generator.
#![allow(dead_code, reason = "every test binary compiles all of it and uses a part")]

pub(crate) mod exchange;
pub(crate) mod memory_stream;
pub(crate) mod reference_validator;
pub(crate) mod rng;
pub(crate) mod strict_parser;

/// Prints a line beside the test result: a seed, a trace.
#[expect(clippy::print_stderr, reason = "the test harness shows it with the failure")]
pub(crate) fn log(text: &str) {
    eprintln!("{text}");
}

/// Prints its text if the test panics.
pub(crate) struct OnPanic<F: Fn() -> String>(pub(crate) F);

impl<F: Fn() -> String> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log(&(self.0)());
        }
    }
}
