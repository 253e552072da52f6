//! `zero_copy_lb [port] [host:port[:weight] …] [--mode tcp|udp|http] [-a ALGORITHM] [--copy] …`

use std::process::ExitCode;

use common::cli;
use zero_copy::{args::Args, program, relay::half::Half};

fn main() -> ExitCode {
    let is_bare = std::env::args_os().len() <= 1;
    cli::run(|args: Args| {
        program::run::<Half, _, _>(
            "zero_copy_lb",
            args,
            is_bare,
            || backends::start_bundled(3, 9001),
            || backends::start_udp_echoes(3, 9001),
        )
    })
}
