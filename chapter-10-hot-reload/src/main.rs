//! `hot_reload_lb explain [--config FILE] 'GET http://example.com/path' [-H 'NAME: VALUE']…`

use std::process::ExitCode;

use common::cli;
use hot_reload::args::{Args, Command};

fn main() -> ExitCode {
    let Args { command: Command::Explain(args) } = cli::parse();
    args.run()
}
