//! From a plan to targets: builds our programs, and looks for the peers.

use std::{collections::BTreeMap, io, path::Path, process::Command};

use crate::{
    algorithms,
    args::Plan,
    chapters::Chapter,
    programs::Programs,
    target::{Kind, Target},
};

/// The targets that can be measured.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) targets: Vec<Target>,
    /// Versions of the peers.
    pub(crate) versions: BTreeMap<String, String>,
    /// What was skipped, and why.
    pub(crate) notes: Vec<String>,
}

impl Found {
    /// The floor first, then the chapters, then the peers.
    pub(crate) fn new(plan: &Plan, programs: &Programs) -> io::Result<Self> {
        let target = |name: &str, kind, program| Target { name: name.to_owned(), ..Target::new(kind, program) };
        let mut found = Self { targets: Vec::new(), versions: BTreeMap::new(), notes: Vec::new() };
        if plan.algorithms {
            for chapter in &plan.chapters {
                found.targets.extend(algorithms::targets(chapter, programs)?);
            }
            return Ok(found);
        }
        found.targets.push(target("floor", Kind::Floor, programs.path("floor")));
        for chapter in &plan.chapters {
            let kind = kind(chapter, programs)?;
            found.targets.push(target(&format!("chapter {}", chapter.number), kind, programs.path(chapter.program)));
        }
        for peer in &plan.peers {
            match peer.find(plan.peers_named)? {
                Ok((program, version)) => {
                    for &headers in peer.configurations() {
                        found.targets.push(target(&peer.target(headers), Kind::Peer(*peer, headers), program.clone()));
                    }
                    found.versions.insert(peer.name().to_owned(), version);
                }
                Err(why) => found.notes.push(why),
            }
        }
        Ok(found)
    }
}

fn kind(chapter: &Chapter, programs: &Programs) -> io::Result<Kind> {
    let flags = Target::flags_in(&help(&programs.path(chapter.program))?);
    Ok(Kind::Chapter { number: chapter.number, one_backend: chapter.one_backend, flags })
}

/// The program's `--help`.
pub(crate) fn help(program: &Path) -> io::Result<String> {
    let named = |error| io::Error::other(format!("{}: {error}", program.display()));
    let output = Command::new(program).arg("--help").output().map_err(named)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
