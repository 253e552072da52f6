//! Prints narration, commands and observations at a readable pace.

use std::path::Path;
use std::time::{Duration, Instant};

use common::outln;
use integration_tests::cargo::Built;
use integration_tests::process::{ExitedProgram, Program};
use integration_tests::wait::pause;

/// Fits a terminal of 80 columns, with a margin.
const WIDTH: usize = 76;
/// A quick reader's pace.
const PER_WORD: Duration = Duration::from_millis(160);

/// Characters that a shell would interpret.
const SPECIAL: [char; 3] = [' ', '*', '>'];

/// Demonstrates a chapter, or a part of one.
pub(crate) type Demo = fn(&Narrator, &Programs);

/// A part of a chapter's demonstration, which needs none of the others. Parts are numbered in the order in which they are
/// shown; the chapter's pages, which it refers to, may be numbered otherwise.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) title: &'static str,
    /// The pages that explain what it shows, relative to the chapter.
    pub(crate) pages: &'static [&'static str],
    pub(crate) demo: Demo,
}

/// Measures durations that are printed.
#[expect(clippy::disallowed_methods, reason = "what a person sees takes its time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Where a demonstration prints.
#[derive(Debug)]
pub(crate) struct Narrator {
    fast: bool,
}

impl Narrator {
    /// A narrator; a fast one does not pause.
    pub(crate) fn new(fast: bool) -> Self {
        Self { fast }
    }

    /// Announces a part of a long demonstration, and where to read about it.
    #[expect(clippy::unused_self, reason = "all output goes through a narrator")]
    pub(crate) fn part(&self, number: usize, part: &Part, package: &str) {
        outln!("\n== Part {number}: {}", part.title);
        let pages: Vec<_> = part.pages.iter().map(|page| format!("{package}/{page}")).collect();
        outln!("   (explained in {})", pages.join(" and "));
    }

    /// Begins a section, and says what to look for.
    pub(crate) fn section(&self, title: &str, text: &str) {
        outln!("\n-- {title}");
        self.say(text);
    }

    /// Prints a sentence, and pauses to let it be read.
    pub(crate) fn say(&self, text: &str) {
        for line in wrapped(text) {
            outln!("   {line}");
        }
        self.wait(PER_WORD * u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX));
    }

    /// Prints a command that the reader could type.
    pub(crate) fn command(&self, command: &str) {
        outln!("   $ {command}");
        self.wait(PER_WORD * 4);
    }

    /// The same for a program and its arguments, on as many lines as needed.
    fn program(&self, command: &str, args: &[&str]) {
        self.command(&continued(command, args).join(" \\\n       "));
    }

    /// Prints what was observed.
    pub(crate) fn output(&self, text: &str) {
        for line in text.lines() {
            outln!("   | {line}");
        }
        self.wait(PER_WORD * 5);
    }

    /// Prints one of many lines that come at their own pace.
    #[expect(clippy::unused_self, reason = "all output goes through a narrator")]
    pub(crate) fn row(&self, text: &str) {
        outln!("   | {text}");
    }

    fn wait(&self, time: Duration) {
        if !self.fast {
            pause(time);
        }
    }
}

/// The text in lines of at most [`WIDTH`] characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= WIDTH {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A command in lines of at most [`WIDTH`] characters, its arguments in quotes where a shell needs them.
fn continued(command: &str, args: &[&str]) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for (at, word) in args.iter().enumerate() {
        let word = if word.contains(SPECIAL) { format!("'{word}'") } else { (*word).to_owned() };
        // A flag and its value stay on one line.
        match pieces.last_mut() {
            Some(piece) if args[at - 1].starts_with('-') && !word.starts_with('-') => {
                piece.push(' ');
                piece.push_str(&word);
            }
            _ => pieces.push(word),
        }
    }
    let mut lines = vec![command.to_owned()];
    for piece in pieces {
        let last = lines.last_mut().expect("there is always a line");
        // With the indentation and the backslash of a continued line.
        if last.chars().count() + piece.chars().count() + 7 <= WIDTH {
            last.push(' ');
            last.push_str(&piece);
        } else {
            lines.push(piece);
        }
    }
    lines
}

/// The programs of the chapter, as they were just built.
#[derive(Debug)]
pub(crate) struct Programs {
    package: &'static str,
    built: Vec<Built>,
}

impl Programs {
    pub(crate) fn new(package: &'static str, built: Vec<Built>) -> Self {
        Self { package, built }
    }

    /// Starts one on an ephemeral port, and prints the equivalent command.
    pub(crate) fn start(&self, narrator: &Narrator, name: &str, args: &[&str]) -> Program {
        narrator.program(&format!("cargo run -p {} --bin {name} --", self.package), args);
        self.begin(narrator, name, args)
    }

    /// The same for one of the chapter's examples.
    pub(crate) fn start_example(&self, narrator: &Narrator, name: &str, args: &[&str]) -> Program {
        narrator.program(&format!("cargo run -p {} --example {name} --", self.package), args);
        self.begin(narrator, name, args)
    }

    /// Runs one that exits on its own.
    pub(crate) fn run(&self, narrator: &Narrator, name: &str, args: &[&str]) -> ExitedProgram {
        narrator.program(&format!("cargo run -p {} --bin {name} --", self.package), args);
        Program::run_to_end(self.path(name), args)
    }

    /// Starts one as [`start`](Self::start) does, but by `launcher`, which executes what its last arguments say.
    pub(crate) fn start_by(&self, narrator: &Narrator, launcher: &[&str], name: &str, args: &[&str]) -> Program {
        narrator.program(&format!("cargo run -p {} --bin {name} --", self.package), args);
        let path = self.path(name).to_str().expect("cargo's paths are UTF-8");
        let [program, options @ ..] = launcher else { return self.begin(narrator, name, args) };
        started(narrator, Path::new(program), &[options, &[path], args].concat())
    }

    fn begin(&self, narrator: &Narrator, name: &str, args: &[&str]) -> Program {
        started(narrator, self.path(name), args)
    }

    fn path(&self, name: &str) -> &Path {
        let found = self.built.iter().find(|built| built.name == name);
        &found.unwrap_or_else(|| panic!("{} has no {name}", self.package)).program
    }
}

fn started(narrator: &Narrator, program: &Path, args: &[&str]) -> Program {
    let program = Program::begin(program, args);
    narrator.output(&format!("listening on {}", program.addr()));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_they_may_be() {
        let lines = wrapped(&"word ".repeat(40));
        assert!(lines.iter().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{lines:?}");
        assert_eq!(lines.join(" "), ["word"; 40].join(" "));
        assert!(lines[0].len() > WIDTH - 5);
    }

    #[test]
    fn a_command_is_quoted_and_goes_on_where_it_is_too_long() {
        assert_eq!(continued("lb --", &["0", "--route", "path=/a/* -> b"]), ["lb -- 0 --route 'path=/a/* -> b'"]);
        let lines = continued("lb", &["127.0.0.1:9001"; 20]);
        assert!(lines.len() > 3 && lines.iter().all(|line| line.len() + 7 <= WIDTH), "{lines:?}");
        assert_eq!(lines.join(" "), format!("lb{}", " 127.0.0.1:9001".repeat(20)));
    }
}
