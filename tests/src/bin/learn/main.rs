//! `cargo learn`: leads a reader through the exercises of the chapters.
//!
//! An exercise is a file that the reader changes, checks that are red until it is done, and a section of the
//! chapter's page with its statement, three hints and our solution ([`catalogue`], [`page`]). What has been done
//! and which hints were shown is kept in `.learn/`, which git ignores ([`progress`]).

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

/// Leads through the exercises of the chapters.
#[derive(Debug, Parser)]
#[command(name = "cargo learn", version)]
struct Options {
    /// Another copy of the workspace than the one this was built in
    #[arg(long, value_name = "DIR", hide = true)]
    workspace: Option<PathBuf>,
    #[command(subcommand)]
    order: Option<Order>,
}

/// What to do; `list` unless said.
#[derive(Debug, Subcommand)]
enum Order {
    /// All exercises, and which of them you have done
    List,
    /// The next one to do: what it asks, and which file to change
    Next,
    /// Checks an exercise (1.2), a chapter (1), or the next one to do
    Check {
        /// An exercise or a chapter
        which: Option<String>,
    },
    /// Shows one more of an exercise's three hints
    Hint {
        /// An exercise; the next one to do unless said
        which: Option<String>,
    },
    /// Puts an exercise's starting point back; what you wrote is kept in .learn
    Reset {
        /// An exercise
        which: String,
    },
    /// Shows our solution, once yours has passed its checks
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
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
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
