//! A reader's progress, saved in `.learn/progress.json` of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::catalogue::Number;

/// The directory of the reader's own files; git ignores it.
pub(crate) const FOLDER: &str = ".learn";
const FILE: &str = "progress.json";

/// The exercises that are done, and the hints that were shown.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Progress {
    done: BTreeSet<String>,
    hints: BTreeMap<String, usize>,
}

impl Progress {
    /// Reads the file; a missing file is an empty progress.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let path = root.join(FOLDER).join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| format!("{}: {error}; fix the file, or delete it to start over", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Writes the file atomically: Ctrl-C loses nothing.
    pub(crate) fn write(&self, root: &Path) -> Result<(), String> {
        let folder = root.join(FOLDER);
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        let written = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            let beside = folder.join(format!("{FILE}.{}", std::process::id()));
            fs::write(&beside, text)?;
            fs::rename(beside, folder.join(FILE))
        };
        written().map_err(|error| format!("{}: {error}", folder.display()))
    }

    /// Whether its checks have passed.
    pub(crate) fn is_done(&self, number: Number) -> bool {
        self.done.contains(&number.to_string())
    }

    /// Marks it as done: its checks have passed.
    pub(crate) fn mark_done(&mut self, number: Number) {
        self.done.insert(number.to_string());
    }

    /// Marks it as open: its checks have failed.
    pub(crate) fn mark_open(&mut self, number: Number) {
        self.done.remove(&number.to_string());
    }

    /// How many of its hints were shown.
    pub(crate) fn hints_shown(&self, number: Number) -> usize {
        self.hints.get(&number.to_string()).copied().unwrap_or(0)
    }

    /// Sets how many of its hints were shown.
    pub(crate) fn show_hints(&mut self, number: Number, shown: usize) {
        self.hints.insert(number.to_string(), shown);
    }

    /// Forgets the exercise.
    pub(crate) fn forget(&mut self, number: Number) {
        self.mark_open(number);
        self.hints.remove(&number.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Number = Number { chapter: 1, place: 1 };

    #[test]
    fn what_was_done_is_there_the_next_time() {
        let root = tempfile::tempdir().unwrap();
        let mut progress = Progress::read(root.path()).unwrap();
        assert!(!progress.is_done(FIRST));
        progress.mark_done(FIRST);
        progress.show_hints(FIRST, 2);
        progress.write(root.path()).unwrap();
        assert_eq!(Progress::read(root.path()).unwrap(), progress);
        progress.forget(FIRST);
        assert_eq!(progress, Progress::default());
    }

    #[test]
    fn a_broken_file_is_refused_with_its_place() {
        let root = tempfile::tempdir().unwrap();
        Progress::default().write(root.path()).unwrap();
        let path = root.path().join(FOLDER).join(FILE);
        for broken in ["", "3", "{\"done\": 1}", "{\"dnoe\": []}"] {
            fs::write(&path, broken).unwrap();
            let why = Progress::read(root.path()).unwrap_err();
            assert!(why.contains("progress.json") && why.contains("line"), "{why}");
        }
    }
}
