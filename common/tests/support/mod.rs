//! What the tests of the machine share: wires in memory, a reader that is not ours, chance that repeats.
#![allow(dead_code, reason = "every test binary compiles all of it and uses a part")]

pub(crate) mod chance;
pub(crate) mod drive;
pub(crate) mod judge;
pub(crate) mod strict;
pub(crate) mod wire;

/// Says something beside the result: a seed, a trace.
#[expect(clippy::print_stderr, reason = "the test harness shows it with the failure")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

/// Tells what was going on when the test panicked.
pub(crate) struct OnPanic<F: Fn() -> String>(pub(crate) F);

impl<F: Fn() -> String> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell(&(self.0)());
        }
    }
}
