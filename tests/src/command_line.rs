//! The command line of a tool that is started by a cargo alias.

use std::ffi::OsString;

use common::cli::{self, EarlyExit};

/// Reads a command line; the first of `args` is the program.
///
/// Each alias ends in `--`, so that `cargo load URL` works. `cargo load -- URL`, as typed for `cargo run`, adds a
/// second
/// `--`, after which clap would see no flags; it is dropped.
pub fn read<T: clap::Parser>(args: impl IntoIterator<Item = OsString>) -> Result<T, EarlyExit> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|arg| arg == "--") {
        args.remove(1);
    }
    cli::try_parse_from(args)
}
