//! `config_test FILE`: whether a configuration is valid, and what is wrong with it.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::ValueEnum;
use common::{cli, outln, stdout::eprint_line};
use hot_reload::{
    args::default_file,
    config::{
        diagnostic::{json, text},
        dump,
        load::load,
    },
};

/// Checks a configuration file.
///
/// Exits with 0 if it is valid (warnings included), with 1 if it is not, with 64 for a wrong command line.
#[derive(clap::Parser, Debug)]
#[command(name = "config_test", version)]
struct Args {
    /// The configuration file [default: ./lb.json, else the one that comes with the program]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// How faults are shown: to a person on standard error, or as JSON on standard output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print the effective configuration: every key with its value, and where that comes from
    #[arg(long)]
    dump_config: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines with a caret
    #[default]
    Text,
    /// One JSON object
    Json,
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    let file = args.file.unwrap_or_else(default_file);
    let loaded = load(&file);
    let is_valid = loaded.config.is_some();
    match args.format {
        Format::Json => outln!("{:#}", json::render(&loaded.diagnostics, &loaded.sources)),
        Format::Text => {
            let shown = text::render(&loaded.diagnostics, &loaded.sources, io::stderr().is_terminal());
            if !shown.is_empty() {
                eprint_line(format_args!("{shown}\n"));
            }
            let verdict = verdict(&file, loaded.diagnostics.errors(), loaded.diagnostics.warnings());
            if is_valid && !args.dump_config {
                outln!("{verdict}");
            } else if !is_valid {
                eprint_line(format_args!("{verdict}"));
            }
        }
    }
    if let Some(config) = loaded.config.as_ref().filter(|_| args.dump_config) {
        outln!("{}", dump::render(config, &loaded.sources).trim_end());
    }
    if is_valid { ExitCode::SUCCESS } else { ExitCode::from(cli::EXIT_FAILURE) }
}

/// `lb.json: invalid, 2 errors and 1 warning`
fn verdict(file: &Path, errors: usize, warnings: usize) -> String {
    let count = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{number} {what}s")),
    };
    let counts: Vec<_> = [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    let word = if errors == 0 { "valid" } else { "invalid" };
    match counts.as_slice() {
        [] => format!("{}: {word}", file.display()),
        counts => format!("{}: {word}, {}", file.display(), counts.join(" and ")),
    }
}
