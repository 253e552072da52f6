//! `--algorithms`: one program under each of its algorithms, as targets like any other.

use std::io;

use crate::{
    chapters::{CHAPTERS, Chapter},
    programs::Programs,
    setup,
    target::{Kind, Target},
};

/// Where the algorithms come from; the later chapters have the same.
const CHAPTER: u8 = 4;
/// In the program's `--help`, before the list of all it knows.
const LIST: &str = "How a backend is picked: ";

/// The chapter whose program it is.
pub(crate) fn chapter() -> Option<&'static Chapter> {
    CHAPTERS.iter().find(|chapter| chapter.number == CHAPTER)
}

/// A target for each algorithm that the program says it knows. All get the same words else, also those that hash
/// nothing: so all do the same work.
pub(crate) fn targets(chapter: &Chapter, programs: &Programs) -> io::Result<Vec<Target>> {
    let program = programs.path(chapter.program);
    let help = setup::help(&program)?;
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
    // The lines end where the terminal does.
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
        let help = "  -a, --algorithm <ALGORITHM>\n          How a backend is picked: rr, wrr,\n          lc [default: rr, or wrr]\n";
        assert_eq!(names_in(help), ["rr", "wrr", "lc"]);
        assert_eq!(names_in("no such line"), Vec::<String>::new());
    }
}
