//! `cargo show 3`: a chapter's demonstration in the terminal.
//!
//! It starts the chapter's real programs, sends them traffic, breaks something, and says what is seen. Everything
//! it claims is checked as it happens: a demonstration that would lie ends with an error instead, which is also
//! how the tests run it (`--fast`, without the pauses).

mod chapter_1;
mod chapter_2;
mod chapter_3;
mod stage;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use common::{cli, outln};
use integration_tests::{cargo, command_line};

use crate::stage::{Programs, Stage};

/// Shows what a chapter's programs do: starts them, sends traffic, breaks something.
#[derive(Debug, Parser)]
#[command(name = "cargo show", version)]
struct Options {
    /// The chapter
    #[arg(value_name = "N")]
    chapter: u8,
    /// Without the pauses for reading
    #[arg(long)]
    fast: bool,
}

/// One chapter's demonstration.
struct Demonstration {
    chapter: u8,
    package: &'static str,
    title: &'static str,
    play: fn(&Stage, &Programs),
}

const DEMONSTRATIONS: [Demonstration; 3] = [
    Demonstration {
        chapter: 1,
        package: "chapter-01-fundamentals",
        title: "sockets, and what waiting for one of them costs the others",
        play: chapter_1::play,
    },
    Demonstration {
        chapter: 2,
        package: "chapter-02-simple-proxy",
        title: "a proxy knows where a message ends",
        play: chapter_2::play,
    },
    Demonstration {
        chapter: 3,
        package: "chapter-03-load-balancer",
        title: "many backends look like one that never dies",
        play: chapter_3::play,
    },
];

fn main() -> ExitCode {
    let options: Options = match command_line::read(std::env::args_os()) {
        Ok(options) => options,
        Err(exit) => return exit.say(),
    };
    let Some(demonstration) = DEMONSTRATIONS.iter().find(|one| one.chapter == options.chapter) else {
        let known: Vec<_> = DEMONSTRATIONS.iter().map(|one| one.chapter.to_string()).collect();
        return cli::refuse(format!("chapter {} shows nothing; there are {}", options.chapter, known.join(", ")));
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let args = ["build", "--package", demonstration.package, "--bins", "--examples"];
    let built = match cargo::build(root, &args) {
        Ok(Some(built)) => Programs::new(demonstration.package, built),
        Ok(None) => return cli::exit_code(Err("the chapter does not compile; the compiler says why above")),
        Err(error) => return cli::exit_code(Err(format!("cargo does not start: {error}"))),
    };
    let stage = Stage::new(options.fast);
    outln!("Chapter {}: {}", demonstration.chapter, demonstration.title);
    (demonstration.play)(&stage, &built);
    outln!("\nEverything that was said above was checked as it happened.");
    ExitCode::SUCCESS
}
