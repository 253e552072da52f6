//! `cargo show 3`: a chapter's demonstration in the terminal.
//!
//! It starts the chapter's real programs, sends them traffic, breaks something, and prints what happens. Every
//! statement is checked as it is made: a wrong one ends the demonstration with an error, which is also how the
//! tests run it (`--fast`, without the pauses).

mod chapter_1;
mod chapter_2;
mod chapter_3;
mod chapter_4;
mod chapter_5;
mod chapter_6;
mod chapter_7;
mod chapter_8;
mod chapter_9;
mod demo_backends;
mod narrator;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use common::{cli, outln};
use integration_tests::{cargo, command_line};

use crate::narrator::{Demo, Narrator, Part, Programs};

/// Demonstrates what a chapter's programs do: starts them, sends traffic, breaks something
#[derive(Debug, Parser)]
#[command(name = "cargo show", version)]
struct Options {
    /// The chapter's number
    #[arg(value_name = "N")]
    chapter: u8,
    /// Show only this part, of a demonstration in parts
    #[arg(long, value_name = "N")]
    part: Option<usize>,
    /// Skip the pauses for reading
    #[arg(long)]
    fast: bool,
}

/// One chapter's demonstration.
struct Demonstration {
    chapter: u8,
    package: &'static str,
    title: &'static str,
    script: Script,
}

enum Script {
    Whole(Demo),
    /// In parts, each of which needs none of the others.
    Parts(&'static [Part]),
}

const DEMONSTRATIONS: [Demonstration; 9] = [
    Demonstration {
        chapter: 1,
        package: "chapter-01-fundamentals",
        title: "sockets, and how a blocking read delays other clients",
        script: Script::Whole(chapter_1::demo),
    },
    Demonstration {
        chapter: 2,
        package: "chapter-02-simple-proxy",
        title: "a proxy finds the end of a message",
        script: Script::Whole(chapter_2::demo),
    },
    Demonstration {
        chapter: 3,
        package: "chapter-03-load-balancer",
        title: "many backends look like one that never fails",
        script: Script::Whole(chapter_3::demo),
    },
    Demonstration {
        chapter: 4,
        package: "chapter-04-advanced-features",
        title: "load-balancing decisions",
        script: Script::Parts(&chapter_4::PARTS),
    },
    Demonstration {
        chapter: 5,
        package: "chapter-05-high-perf-io",
        title: "one thread waits for all clients at once",
        script: Script::Whole(chapter_5::demo),
    },
    Demonstration {
        chapter: 6,
        package: "chapter-06-connection-pooling",
        title: "a handful of connections for all clients",
        script: Script::Whole(chapter_6::demo),
    },
    Demonstration {
        chapter: 7,
        package: "chapter-07-rate-limiting",
        title: "each client gets its share",
        script: Script::Whole(chapter_7::demo),
    },
    Demonstration {
        chapter: 8,
        package: "chapter-08-metrics",
        title: "each request is counted, and says why it ended",
        script: Script::Parts(&chapter_8::PARTS),
    },
    Demonstration {
        chapter: 9,
        package: "chapter-09-zero-copy",
        title: "bytes pass through without a copy, and ends as they are",
        script: Script::Parts(&chapter_9::PARTS),
    },
];

/// The script that was requested, or a one-line error.
fn chosen(options: &Options) -> Result<&'static Demonstration, String> {
    let chapter = options.chapter;
    let Some(demonstration) = DEMONSTRATIONS.iter().find(|one| one.chapter == chapter) else {
        let known: Vec<_> = DEMONSTRATIONS.iter().map(|one| one.chapter.to_string()).collect();
        return Err(format!("chapter {chapter} has no demonstration; available: {}", known.join(", ")));
    };
    match (&demonstration.script, options.part) {
        (Script::Whole(_), Some(_)) => Err(format!("chapter {chapter} has no parts; omit --part")),
        (Script::Parts(parts), Some(part)) if !(1..=parts.len()).contains(&part) => {
            Err(format!("chapter {chapter} has no part {part}; available: 1 to {}", parts.len()))
        }
        _ => Ok(demonstration),
    }
}

fn main() -> ExitCode {
    let options: Options = match command_line::read(std::env::args_os()) {
        Ok(options) => options,
        Err(exit) => return exit.print(),
    };
    let demonstration = match chosen(&options) {
        Ok(demonstration) => demonstration,
        Err(why) => return cli::usage_error(why),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace");
    let args = ["build", "--package", demonstration.package, "--bins", "--examples"];
    let built = match cargo::build(root, &args) {
        Ok(Some(built)) => Programs::new(demonstration.package, built),
        Ok(None) => return cli::exit_code(Err("the chapter does not compile; see the compiler's messages above")),
        Err(error) => return cli::exit_code(Err(format!("cannot run cargo: {error}"))),
    };
    let narrator = Narrator::new(options.fast);
    outln!("Chapter {}: {}", demonstration.chapter, demonstration.title);
    match demonstration.script {
        Script::Whole(demo) => demo(&narrator, &built),
        Script::Parts(parts) => {
            let all = (1..).zip(parts);
            for (number, part) in all.filter(|(number, _)| options.part.is_none_or(|part| part == *number)) {
                narrator.part(number, part, demonstration.package);
                (part.demo)(&narrator, &built);
            }
        }
    }
    outln!("\nEvery statement above was checked as it happened.");
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_each_part_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for Demonstration { package, script, .. } in &DEMONSTRATIONS {
            let Script::Parts(parts) = script else { continue };
            for page in parts.iter().flat_map(|part| part.pages) {
                assert!(root.join(package).join(page).is_file(), "{package}/{page}");
            }
            assert!(parts.iter().all(|part| !part.pages.is_empty()), "{package}");
        }
    }
}
