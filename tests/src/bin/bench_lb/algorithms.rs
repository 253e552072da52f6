//! `--algorithms`, and part of `--growth`: one program under each of its algorithms; each is a target like any other.

use std::io;

use crate::{
    chapters::Chapter,
    programs::{self, Programs},
    target::{Kind, Target},
};

/// The chapter whose algorithms `--algorithms` measures; the later chapters have the same.
const CHAPTER: u8 = 4;
/// The start of the list of algorithms in the program's `--help`.
const LIST: &str = "Load-balancing algorithm: ";

/// The chapter whose program it is.
pub(crate) fn chapter() -> Option<&'static Chapter> {
    Chapter::numbered(CHAPTER)
}

/// A target for each algorithm that the program lists. All get the same other arguments, also those that do not hash,
/// so all do the same work.
pub(crate) fn targets(chapter: &Chapter, programs: &Programs) -> io::Result<Vec<Target>> {
    let program = programs.path(chapter.program);
    let help = programs::help(&program)?;
    let names = names_in(&help);
    if names.is_empty() {
        return Err(io::Error::other(format!("{}: its --help names no algorithms", program.display())));
    }
    let target = |name: String| {
        let words = ["-a", &name, "--hash-key", "path"].map(str::to_owned).to_vec();
        let kind = Kind::Chapter { one_backend: false, flags: Target::flags_in(&help), number: chapter.number };
        Target { name, words, ..Target::new(kind, program.clone()) }
    };
    Ok(names.into_iter().map(target).collect())
}

fn names_in(help: &str) -> Vec<String> {
    // Lines are wrapped at the terminal's width.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((_, list)) = help.split_once(LIST) else { return Vec::new() };
    let list = list.split(" [").next().unwrap_or_default();
    list.split(", ").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_those_that_the_program_names() {
        let help = "  -a, --algorithm <ALGORITHM>\n          Load-balancing algorithm: rr, wrr,\n          lc [default: rr, or wrr]\n";
        assert_eq!(names_in(help), ["rr", "wrr", "lc"]);
        assert_eq!(names_in("no such line"), Vec::<String>::new());
    }
}
