//! `--files`: chapter 9's file server beside nginx with `sendfile`.
//!
//! The target is the server itself, and there is no origin.

use std::path::Path;

use crate::{
    chapters::Chapter,
    peers::Peer,
    target::{Kind, Target},
    template::{Headers, Layer},
    workload::{Origins, SMALL, Workload},
};

/// The bytes of bodies in a round of a full run, at least: what a file costs per byte is so little that a short window
/// would hide it.
pub(crate) const LEAST_BYTES: u64 = 20 << 30;

/// The program that serves files.
pub(crate) static PROGRAM: Chapter = Chapter::new(9, "chapter-09-zero-copy", "file_server");

const SENDFILE: &str = "chapter 9 files";
const COPY: &str = "chapter 9 files, copied";
/// The target of the comparison: it opens each file that is requested, as ours does.
pub(crate) const NGINX: &str = "nginx files";
/// The same with `open_file_cache`.
pub(crate) const NGINX_CACHED: &str = "nginx files, open_file_cache";
const ALL: &[&str] = &[SENDFILE, COPY, NGINX, NGINX_CACHED];

/// All workloads.
pub(crate) static WORKLOADS: [Workload; 2] = [
    Workload {
        name: "file-8m",
        what: "GET of a file of 8 MiB over kept connections, 8 clients",
        clients: 8,
        paths: &["/large"],
        answer_bytes: 8 << 20,
        ..FILES
    },
    Workload {
        name: "file-1k",
        what: "GET of a file of 1 KiB over kept connections, 64 clients",
        paths: &["/small"],
        answer_bytes: 1 << 10,
        counts_calls: true,
        ..FILES
    },
];

const FILES: Workload = Workload { origins: Origins::None, only: ALL, ..SMALL };

/// The ways of our program, by `sendfile` and copying.
pub(crate) fn targets(program: &Path) -> Vec<Target> {
    let way = |name: &str, words: &[&str]| Target {
        name: name.to_owned(),
        words: words.iter().map(|&word| word.to_owned()).collect(),
        layer: Layer::Files,
        ..Target::new(Kind::FileServer, program.to_owned())
    };
    vec![way(SENDFILE, &[]), way(COPY, &["--copy"])]
}

/// nginx, with and without its cache of open files.
pub(crate) fn nginx(program: &Path) -> Vec<Target> {
    let way = |name: &str, sections| Target {
        name: name.to_owned(),
        layer: Layer::Files,
        sections,
        ..Target::new(Kind::Peer(Peer::Nginx, Headers::Lean), program.to_owned())
    };
    vec![way(NGINX, &[]), way(NGINX_CACHED, &["open-file-cache"])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_take_part_in_all_workloads() {
        let all = [targets(Path::new("x")), nginx(Path::new("x"))].concat();
        assert_eq!(all.iter().map(|target| target.name.as_str()).collect::<Vec<_>>(), ALL);
        assert!(WORKLOADS.iter().all(|workload| all.iter().all(|target| target.can(workload))));
    }
}
