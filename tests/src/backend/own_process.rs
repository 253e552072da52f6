//! Starts this test program again as a backend, with a role in place of libtest's flags.

use crate::Context;
use crate::process::{Options, Program};
use crate::wait::{ms, pause};

/// Starts this test program as the backend that `role` names.
pub(super) fn start(ctx: &Context, role: &str) -> Program {
    let program = std::env::current_exe().expect("the path of the test program");
    Program::start(&program, &[role.to_owned()], Options::default(), ctx.children())
}

/// Whether this process was started by [`start`] with `role`.
pub(super) fn is_started_as(role: &str) -> bool {
    std::env::args().nth(1).is_some_and(|word| word == role)
}

/// Waits until the parent process, the test run, is gone.
pub(super) fn until_orphaned() {
    let parent = nix::unistd::getppid();
    while nix::unistd::getppid() == parent {
        pause(ms(200));
    }
}
