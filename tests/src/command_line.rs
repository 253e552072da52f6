//! The command line of a tool that an alias of cargo starts.

use std::ffi::OsString;

use common::cli::{self, EarlyExit};

/// Reads a command line; the first of `args` is the program.
///
/// Each alias ends in `--`, so that `cargo load URL` works; whoever types `cargo load -- URL`, as for `cargo run`,
/// sends a second one here, behind which clap would see no flags.
pub fn read<T: clap::Parser>(args: impl IntoIterator<Item = OsString>) -> Result<T, EarlyExit> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|arg| arg == "--") {
        args.remove(1);
    }
    cli::try_parse_from(args)
}
