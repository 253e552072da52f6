//! `cargo learn`: guides a reader through the exercises of the chapters.
//!
//! An exercise is a file that the reader changes, checks that fail until it is done, and a section of the chapter's
//! page with its statement, three hints and our solution ([`catalogue`], [`page`]). Completed exercises and the hints
//! shown are saved in `.learn/`, which git ignores ([`progress`]).

mod catalogue;
mod check;
mod page;
mod progress;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use common::cli;

use crate::catalogue::Catalogue;
use crate::progress::Progress;

/// Guides you through the exercises of the chapters
#[derive(Debug, Parser)]
#[command(name = "cargo learn", version)]
struct Options {
    /// Use another copy of the workspace than the one this program was built in
    #[arg(long, value_name = "DIR", hide = true)]
    workspace: Option<PathBuf>,
    #[command(subcommand)]
    order: Option<Order>,
}

/// The command; `list` by default.
#[derive(Debug, Subcommand)]
enum Order {
    /// List all exercises, and which of them you have done
    List,
    /// Show the next open exercise: its statement, and the file to change
    Next,
    /// Check an exercise (1.2), a chapter (1), or the next open exercise
    Check {
        /// An exercise or a chapter
        which: Option<String>,
    },
    /// Show the next of an exercise's three hints
    Hint {
        /// An exercise [default: the next open one]
        which: Option<String>,
    },
    /// Restore an exercise's starting point; your version is kept in .learn
    Reset {
        /// An exercise
        which: String,
    },
    /// Show our solution, once yours has passed its checks
    Solution {
        /// An exercise
        which: String,
    },
}

fn main() -> ExitCode {
    let options: Options = match integration_tests::command_line::read(std::env::args_os()) {
        Ok(options) => options,
        Err(exit) => return exit.print(),
    };
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace");
    let root = options.workspace.unwrap_or_else(|| built_in.to_owned());
    match run(&root, &options.order.unwrap_or(Order::List)) {
        Ok(code) => code,
        Err(why) => cli::usage_error(why),
    }
}

fn run(root: &Path, order: &Order) -> Result<ExitCode, String> {
    let catalogue = Catalogue::read(root)?;
    let mut progress = Progress::read(root)?;
    let code = match order {
        Order::List => show::list(&catalogue, &progress),
        Order::Next => show::statement(root, &catalogue, &progress),
        Order::Check { which } => check::run(root, &catalogue.chosen(which.as_deref(), &progress)?, &mut progress)?,
        Order::Hint { which } => show::hint(catalogue.one(which.as_deref(), &progress)?, &mut progress),
        Order::Reset { which } => show::reset(root, catalogue.named(which)?, &mut progress)?,
        Order::Solution { which } => show::solution(root, catalogue.named(which)?, &progress)?,
    };
    progress.write(root)?;
    Ok(code)
}
