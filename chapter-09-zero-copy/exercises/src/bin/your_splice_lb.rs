//! Chapter 9's `zero_copy_lb` with your splice loop.

use std::process::ExitCode;

use common::cli;
use exercises_09::e1_splice_loop::SpliceLoop;
use zero_copy::{args::Args, program};

fn main() -> ExitCode {
    let is_bare = std::env::args_os().len() <= 1;
    cli::run(|args: Args| {
        program::run::<SpliceLoop, _, _>(
            "your_splice_lb",
            args,
            is_bare,
            || backends::start_bundled(3, 9001),
            || backends::start_udp_echoes(3, 9001),
        )
    })
}
