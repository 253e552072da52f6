//! The exercises, found on disk: a chapter's author registers nothing.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};

use crate::page::{self, Section};
use crate::progress::Progress;

/// The number of an exercise, as a reader types it: `1.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    pub(crate) chapter: u8,
    pub(crate) place: u8,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let (chapter, place) = text.split_once('.')?;
        Some(Self { chapter: chapter.parse().ok()?, place: place.parse().ok()? })
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.chapter, self.place)
    }
}

/// One exercise.
#[derive(Debug, Clone)]
pub(crate) struct Exercise {
    pub(crate) number: Number,
    /// The name of its module: `e2_connection_log`.
    pub(crate) module: String,
    /// `chapter-01-fundamentals/exercises`, relative to the workspace.
    pub(crate) directory: PathBuf,
    pub(crate) section: Section,
}

impl Exercise {
    /// The file that the reader changes, relative to the workspace.
    pub(crate) fn source(&self) -> PathBuf {
        self.file("src")
    }

    /// The starting point of that file.
    pub(crate) fn start(&self) -> PathBuf {
        self.file("start")
    }

    /// Our solution.
    pub(crate) fn solution(&self) -> PathBuf {
        self.file("solutions")
    }

    /// The package of the exercise.
    pub(crate) fn package(&self) -> String {
        format!("chapter-{:02}-exercises", self.number.chapter)
    }

    fn file(&self, folder: &str) -> PathBuf {
        self.directory.join(folder).join(format!("{}.rs", self.module))
    }
}

/// All exercises, in order.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) exercises: Vec<Exercise>,
}

impl Catalogue {
    /// Finds the exercises below `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut exercises = Vec::new();
        for entry in fs::read_dir(root).map_err(|error| format!("{}: {error}", root.display()))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix("chapter-").and_then(|rest| rest.get(..2)?.parse::<u8>().ok());
            if let Some(chapter) = number.filter(|_| entry.path().join("exercises").is_dir()) {
                exercises.extend(of_chapter(root, &name, chapter)?);
            }
        }
        exercises.sort_by_key(|exercise| exercise.number);
        if exercises.is_empty() {
            return Err(format!("{} has no chapter with exercises", root.display()));
        }
        Ok(Self { exercises })
    }

    /// The exercise with the number that a reader typed.
    pub(crate) fn named(&self, which: &str) -> Result<&Exercise, String> {
        let number =
            Number::parse(which).ok_or_else(|| format!("invalid exercise '{which}'; expected a number such as 1.2"))?;
        let found = self.exercises.iter().find(|exercise| exercise.number == number);
        found.ok_or_else(|| format!("unknown exercise {number}; see `cargo learn list`"))
    }

    /// The exercise that was named, or the next open one.
    pub(crate) fn one(&self, which: Option<&str>, progress: &Progress) -> Result<&Exercise, String> {
        match which {
            Some(which) => self.named(which),
            None => self.next(progress).ok_or_else(|| "all exercises are done; give a number, such as 1.2".to_owned()),
        }
    }

    /// The exercise that was named, all of a chapter, or the next open one.
    pub(crate) fn chosen(&self, which: Option<&str>, progress: &Progress) -> Result<Vec<&Exercise>, String> {
        let Some(chapter) = which.and_then(|which| which.parse::<u8>().ok()) else {
            return Ok(vec![self.one(which, progress)?]);
        };
        let of_chapter: Vec<_> = self.exercises.iter().filter(|one| one.number.chapter == chapter).collect();
        if of_chapter.is_empty() {
            return Err(format!("chapter {chapter} has no exercises; see `cargo learn list`"));
        }
        Ok(of_chapter)
    }

    /// The first one that is not done.
    pub(crate) fn next(&self, progress: &Progress) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| !progress.is_done(exercise.number))
    }
}

/// The exercises of one chapter: each file `eN_name.rs`, with its section of the chapter's pages.
fn of_chapter(root: &Path, name: &str, chapter: u8) -> Result<Vec<Exercise>, String> {
    let directory = Path::new(name).join("exercises");
    let pages = pages(&root.join(name))?;
    let sources = root.join(&directory).join("src");
    let listed = fs::read_dir(&sources).map_err(|error| format!("{}: {error}", sources.display()))?;
    let mut exercises = Vec::new();
    for file in listed.flatten().map(|entry| entry.path()) {
        let module = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_source = file.extension().is_some_and(|extension| extension == "rs");
        let digits = module.strip_prefix('e').and_then(|rest| rest.split_once('_')).map(|(digits, _)| digits);
        let Some(place) = digits.and_then(|digits| digits.parse().ok()).filter(|_| is_source) else { continue };
        let number = Number { chapter, place };
        let section = section(&pages, number)?;
        exercises.push(Exercise { number, module, directory: directory.clone(), section });
    }
    Ok(exercises)
}

/// The pages of a chapter with their text: its README, and the pages of its parts, if it has parts.
fn pages(chapter: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let mut paths = vec![chapter.join("README.md")];
    let parts = fs::read_dir(chapter.join("parts")).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.extend(parts.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    let read = |path: PathBuf| match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => Err(format!("{}: {error}", path.display())),
    };
    paths.into_iter().map(read).collect()
}

/// The section of the page that describes the exercise; if there is none, the error names the README.
fn section(pages: &[(PathBuf, String)], number: Number) -> Result<Section, String> {
    let number = number.to_string();
    let found = pages.iter().find(|(_, text)| page::describes(text, &number)).or(pages.first());
    let (path, text) = found.expect("a chapter has a README");
    page::section(text, &number).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Catalogue {
        Catalogue::read(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).unwrap()
    }

    #[test]
    fn every_exercise_has_a_section_a_start_and_a_solution() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for exercise in workspace().exercises {
            for file in [exercise.source(), exercise.start(), exercise.solution()] {
                assert!(root.join(&file).is_file(), "{}", file.display());
            }
        }
    }

    #[test]
    fn exercises_are_numbered_from_one_without_gaps() {
        let mut last = Number { chapter: 0, place: 0 };
        for Exercise { number, .. } in workspace().exercises {
            let expected = if number.chapter == last.chapter { last.place + 1 } else { 1 };
            assert_eq!(number.place, expected, "{number}");
            last = number;
        }
    }

    /// A workspace of one chapter with one exercise, whose section is on the page at `place`.
    fn catalogue_with_page_at(place: &str) -> Result<Catalogue, String> {
        let root = tempfile::tempdir().unwrap();
        let folded = |title| format!("<details>\n<summary>{title}</summary>\n\nx\n\n</details>\n");
        let folded = ["Hint 1", "Hint 2", "Hint 3", "Solution"].map(folded).concat();
        for (file, text) in [
            ("README.md", "# Chapter 7: T\n"),
            ("exercises/src/e1_one.rs", ""),
            ("parts/1-a.md", "# Part 1\n"),
            (place, &format!("## Exercise\n\n### 7.1 One (warm-up)\n\nDo it.\n\n{folded}")),
        ] {
            let path = root.path().join("chapter-07-x").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Catalogue::read(root.path())
    }

    #[test]
    fn an_exercise_is_described_in_the_readme_or_in_a_part() {
        for place in ["README.md", "parts/1-a.md", "parts/2-b.md"] {
            assert_eq!(catalogue_with_page_at(place).unwrap().exercises[0].section.title, "One (warm-up)", "{place}");
        }
        for place in ["NOTES.md", "parts/3-c.txt"] {
            let why = catalogue_with_page_at(place).unwrap_err();
            assert!(why.contains("README.md: no heading"), "{place}: {why}");
        }
    }

    #[test]
    fn names_are_found_or_rejected_in_one_line() {
        let (catalogue, progress) = (workspace(), Progress::default());
        assert_eq!(catalogue.named("1.1").unwrap().module, "e1_uppercase_echo");
        assert!(catalogue.chosen(Some("1"), &progress).unwrap().len() > 1);
        assert_eq!(catalogue.chosen(None, &progress).unwrap().len(), 1);
        for wrong in ["", "1.", "x", "1.99", "99", "1.1.1", "-1"] {
            let why = catalogue.chosen(Some(wrong), &progress).unwrap_err();
            assert!(!why.contains('\n') && !why.is_empty(), "{wrong}: {why}");
        }
    }
}
