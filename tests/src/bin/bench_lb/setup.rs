//! From a plan to targets: builds our programs, and looks for the peers.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::{
    algorithms,
    chapters::Chapter,
    datagrams, files, growth,
    peers::Peer,
    plan::{Plan, RunKind},
    programs::{self, Programs},
    target::{Kind, Target},
    zero_copy,
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
    /// The floor first, then our programs, then the peers.
    pub(crate) fn new(plan: &Plan, programs: &Programs) -> io::Result<Self> {
        let mut found = Self { targets: Vec::new(), versions: BTreeMap::new(), notes: Vec::new() };
        if matches!(plan.kind, RunKind::Ladder | RunKind::ZeroCopy) {
            found.targets.push(target("floor", Kind::Floor, programs.path("floor")));
        }
        let in_c = match plan.kind {
            RunKind::ZeroCopy => Some(zero_copy::splice_loop(programs)),
            RunKind::Datagrams => Some(datagrams::relay(programs)),
            _ => None,
        };
        match in_c {
            Some(Ok(target)) => found.targets.push(target),
            Some(Err(why)) => found.notes.push(why),
            None => {}
        }
        for chapter in &plan.chapters {
            match plan.kind {
                RunKind::Algorithms | RunKind::Growth => found.targets.extend(algorithms::targets(chapter, programs)?),
                RunKind::ZeroCopy if chapter.number == zero_copy::CHAPTER => {
                    found
                        .targets
                        .extend(zero_copy::targets(&kind(chapter, programs)?, &programs.path(chapter.program)));
                }
                RunKind::Files => found.targets.extend(files::targets(&programs.path(chapter.program))),
                RunKind::Datagrams => found.targets.push(datagrams::target(&programs.path(chapter.program))),
                RunKind::Ladder | RunKind::ZeroCopy => found.targets.push(of_chapter(chapter, programs)?),
            }
        }
        for peer in &plan.peers {
            match peer.find(plan.peers_named)? {
                Ok((program, version)) => {
                    match plan.kind {
                        RunKind::Growth => found.targets.extend(growth::haproxy(&program)),
                        RunKind::ZeroCopy => {
                            let (targets, missing) = zero_copy::peer(*peer, &program)?;
                            found.targets.extend(targets);
                            found.notes.extend(missing);
                        }
                        RunKind::Files => found.targets.extend(files::nginx(&program)),
                        RunKind::Datagrams => match datagrams::nginx(&program)? {
                            Ok(targets) => found.targets.extend(targets),
                            Err(why) => found.notes.push(why),
                        },
                        RunKind::Ladder | RunKind::Algorithms => found.targets.extend(of_peer(*peer, &program)),
                    }
                    found.versions.insert(peer.name().to_owned(), version);
                }
                Err(why) => found.notes.push(why),
            }
        }
        Ok(found)
    }
}

fn target(name: &str, kind: Kind, program: PathBuf) -> Target {
    Target { name: name.to_owned(), ..Target::new(kind, program) }
}

fn of_chapter(chapter: &Chapter, programs: &Programs) -> io::Result<Target> {
    Ok(balancing_requests(chapter, kind(chapter, programs)?, programs))
}

/// A chapter's program, with the arguments that make it one of the HTTP proxies if it is not by default.
fn balancing_requests(chapter: &Chapter, kind: Kind, programs: &Programs) -> Target {
    let words = chapter.http_words.iter().map(|&word| word.to_owned()).collect();
    Target { words, ..target(&format!("chapter {}", chapter.number), kind, programs.path(chapter.program)) }
}

/// One per configuration.
fn of_peer(peer: Peer, program: &Path) -> impl Iterator<Item = Target> {
    let one = move |&headers| target(&peer.target(headers), Kind::Peer(peer, headers), program.to_owned());
    peer.configurations().iter().map(one)
}

fn kind(chapter: &Chapter, programs: &Programs) -> io::Result<Kind> {
    let flags = Target::flags_in(&programs::help(&programs.path(chapter.program))?);
    Ok(Kind::Chapter { number: chapter.number, one_backend: chapter.one_backend, flags })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chapters::CHAPTERS;

    #[test]
    fn all_chapters_balance_requests_in_the_ladder() {
        for chapter in &CHAPTERS {
            let kind = Kind::Chapter { number: chapter.number, one_backend: chapter.one_backend, flags: Vec::new() };
            let target = balancing_requests(chapter, kind, &Programs::at(Path::new("target/dist")));
            assert_eq!(target.name, format!("chapter {}", chapter.number));
            let expected: &[&str] = if chapter.number == zero_copy::CHAPTER { &["--mode", "http"] } else { &[] };
            assert_eq!(target.words, expected, "{}", chapter.program);
        }
    }
}
