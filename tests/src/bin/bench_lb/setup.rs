//! From a plan to targets: builds what is ours, looks for what is not.

use std::{collections::BTreeMap, io, process::Command};

use crate::{
    args::Plan,
    chapters::Chapter,
    peers,
    programs::Programs,
    target::{Kind, Target},
};

/// What there is to measure.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) targets: Vec<Target>,
    /// Of the peers.
    pub(crate) versions: BTreeMap<String, String>,
    /// What was skipped, and why.
    pub(crate) notes: Vec<String>,
}

impl Found {
    /// The floor first, then the chapters, then the peers.
    pub(crate) fn new(plan: &Plan, programs: &Programs) -> io::Result<Self> {
        let target =
            |name: &str, kind, program| Target { name: name.to_owned(), kind, program, templates: peers::templates() };
        let mut found = Self { targets: Vec::new(), versions: BTreeMap::new(), notes: Vec::new() };
        found.targets.push(target("floor", Kind::Floor, programs.path("floor")));
        for chapter in &plan.chapters {
            let kind = kind(chapter, programs)?;
            found.targets.push(target(&format!("chapter {}", chapter.number), kind, programs.path(chapter.program)));
        }
        for peer in &plan.peers {
            match peer.find(plan.peers_named)? {
                Ok((program, version)) => {
                    found.targets.push(target(peer.name(), peer.kind(), program));
                    found.versions.insert(peer.name().to_owned(), version);
                }
                Err(why) => found.notes.push(why),
            }
        }
        Ok(found)
    }
}

fn kind(chapter: &Chapter, programs: &Programs) -> io::Result<Kind> {
    let program = programs.path(chapter.program);
    let help = Command::new(&program)
        .arg("--help")
        .output()
        .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
    let flags = Target::flags_in(&String::from_utf8_lossy(&help.stdout));
    Ok(Kind::Chapter { number: chapter.number, one_backend: chapter.one_backend, flags })
}
