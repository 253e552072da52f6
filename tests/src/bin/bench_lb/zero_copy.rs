//! `--zero-copy`: the ways to move the bytes of a connection, of chapter 9's program, HAProxy and nginx.
//!
//! Each way is a target, and each size of a pipe or of a body a workload, so that sessions and rounds stay what they
//! are.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    peers::Peer,
    programs::Programs,
    rung::{Rung, Scale},
    target::{Kind, Target},
    template::{Headers, Layer},
    workload::{Manner, SMALL, Workload},
};

/// The chapter whose program splices.
pub(crate) const CHAPTER: u8 = 9;
/// The last chapter before it whose engine relays bodies: they are copied through user space.
const COPYING_CHAPTER: u8 = 6;
/// Those whose programs take part.
pub(crate) const CHAPTERS: [u8; 2] = [CHAPTER, COPYING_CHAPTER];

/// With its default threshold and pipes.
const SPLICE: &str = "chapter 9 splice";
/// Splices from the first byte on.
const AT_ONCE: &str = "chapter 9 at once";
/// Parses requests, and splices their responses' bodies.
const HTTP: &str = "chapter 9 http";
/// The target that splicing is compared with.
pub(crate) const COPY: &str = "chapter 9 copy";

/// HAProxy's ways, of which the best one counts.
pub(crate) const HAPROXY: [&str; 4] = ["haproxy tcp", "haproxy tcp splice", "haproxy http", "haproxy http splice"];
/// A loop of `splice` in C, which does nothing else.
pub(crate) const SPLICE_LOOP: &str = "C splice loop";
const NGINX_STREAM: &str = "nginx stream";

/// Those that balance connections and parse nothing: what a session costs them has no request in it.
const OF_SESSIONS: &[&str] = &["floor", SPLICE, COPY, HAPROXY[0], HAPROXY[1], NGINX_STREAM];
const OF_BULK: &[&str] = &[
    "floor",
    SPLICE_LOOP,
    SPLICE,
    HTTP,
    COPY,
    "chapter 6",
    HAPROXY[0],
    HAPROXY[1],
    HAPROXY[2],
    HAPROXY[3],
    NGINX_STREAM,
    "nginx http",
];

/// The module of nginx that balances connections; distributions package it separately.
const STREAM_MODULE: &str = "ngx_stream_module.so";

/// All workloads. The rungs of a scale are in one piece.
pub(crate) static WORKLOADS: [Workload; 13] = [
    Workload { name: "bulk-8m", what: "GET of 8 MiB over kept connections, 8 clients", only: OF_BULK, ..LARGE },
    Workload {
        name: "session-128",
        what: "GET of 128 bytes, a new connection for each, 64 clients",
        manner: Manner::NewConnection,
        paths: &["/bytes/128"],
        answer_bytes: 128,
        counts_calls: true,
        only: OF_SESSIONS,
        ..SMALL
    },
    pipe("pipe-4k", 4 << 10),
    pipe("pipe-16k", 16 << 10),
    pipe("pipe-64k", 64 << 10),
    pipe("pipe-256k", 256 << 10),
    pipe("pipe-1m", 1 << 20),
    body("body-1k", 1 << 10, &["/bytes/1024"]),
    body("body-4k", 4 << 10, &["/bytes/4096"]),
    body("body-16k", 16 << 10, &["/bytes/16384"]),
    body("body-64k", 64 << 10, &["/bytes/65536"]),
    body("body-256k", 256 << 10, &["/bytes/262144"]),
    body("body-1m", 1 << 20, &["/bytes/1048576"]),
];

/// The workloads of `--quick`: one of each kind, and both ends of each scale.
const QUICK: [&str; 6] = ["bulk-8m", "session-128", "pipe-4k", "pipe-1m", "body-1k", "body-1m"];

const LARGE: Workload = Workload { clients: 8, paths: &["/bytes/8388608"], answer_bytes: 8 << 20, ..SMALL };

const fn pipe(name: &'static str, size: usize) -> Workload {
    Workload {
        name,
        what: "GET of 8 MiB over kept connections, 8 clients, by --pipe-size",
        rung: Some(Rung { scale: Scale::Pipe, size }),
        only: &[SPLICE, COPY],
        ..LARGE
    }
}

const fn body(name: &'static str, size: usize, paths: &'static [&'static str]) -> Workload {
    Workload {
        name,
        what: "GET over kept connections, 16 clients, by size; --splice-threshold 64KiB (the default) and 0 (at once)",
        clients: 16,
        paths,
        answer_bytes: size as u64,
        rung: Some(Rung { scale: Scale::Body, size }),
        only: &[SPLICE, AT_ONCE, COPY],
        ..SMALL
    }
}

/// The workloads that are measured.
pub(crate) fn workloads(quick: bool) -> Vec<&'static Workload> {
    WORKLOADS.iter().filter(|workload| !quick || QUICK.contains(&workload.name)).collect()
}

/// The loop in C.
///
/// # Errors
/// It cannot be built, in a line that says why it is skipped.
pub(crate) fn splice_loop(programs: &Programs) -> Result<Target, String> {
    let source = Path::new("tests/src/bin/bench_lb/splice_loop.c");
    let program = programs.build_c(source).map_err(|why| format!("{SPLICE_LOOP} is skipped: {why}"))?;
    // Its command line is the floor's.
    Ok(Target { name: SPLICE_LOOP.to_owned(), ..Target::new(Kind::Floor, program) })
}

/// The ways of chapter 9's program. Only those that splice are told the size of a pipe.
pub(crate) fn targets(kind: &Kind, program: &Path) -> Vec<Target> {
    let way = |name: &str, splices: bool, words: &[&str]| {
        let mut kind = kind.clone();
        if let Kind::Chapter { flags, .. } = &mut kind {
            flags.extend(splices.then_some("--pipe-size"));
        }
        let words = words.iter().map(|&word| word.to_owned()).collect();
        Target { name: name.to_owned(), words, ..Target::new(kind, program.to_owned()) }
    };
    vec![
        way(SPLICE, true, &[]),
        way(AT_ONCE, true, &["--splice-threshold", "0"]),
        way(HTTP, true, &["--mode", "http"]),
        way(COPY, false, &["--copy"]),
    ]
}

/// The ways of a peer, and a line about one that is not installed.
pub(crate) fn peer(peer: Peer, program: &Path) -> io::Result<(Vec<Target>, Option<String>)> {
    let way = |name: &str, layer, sections| Target {
        name: name.to_owned(),
        layer,
        sections,
        ..Target::new(Kind::Peer(peer, Headers::Lean), program.to_owned())
    };
    if peer == Peer::HaProxy {
        let [plain, splices]: [&[&str]; 2] = [&[], &["splice"]];
        let ways = [(Layer::Tcp, plain), (Layer::Tcp, splices), (Layer::Http, plain), (Layer::Http, splices)];
        let targets = HAPROXY.iter().zip(ways).map(|(name, (layer, sections))| way(name, layer, sections));
        return Ok((targets.collect(), None));
    }
    let http = way("nginx http", Layer::Http, &[]);
    let Some(words) = stream_words(program)? else {
        return Ok((vec![http], Some(no_stream(NGINX_STREAM))));
    };
    Ok((vec![Target { words, ..way(NGINX_STREAM, Layer::Tcp, &[]) }, http], None))
}

/// The line about a target that needs the `stream` module of an nginx that has none.
pub(crate) fn no_stream(target: &str) -> String {
    format!("{target} is skipped: no {STREAM_MODULE} (apt-get install libnginx-mod-stream)")
}

/// The arguments with which nginx has its `stream` module; `None` if it has none.
pub(crate) fn stream_words(nginx: &Path) -> io::Result<Option<Vec<String>>> {
    let output = Command::new(nginx).arg("-V").output()?;
    let configured = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(match stream_in(&configured) {
        Stream::BuiltIn => Some(Vec::new()),
        Stream::Module(path) if path.is_file() => {
            Some(vec!["-g".to_owned(), format!("load_module {};", path.display())])
        }
        Stream::Module(_) | Stream::Absent => None,
    })
}

/// Where an nginx has its `stream` module.
#[derive(Debug, PartialEq, Eq)]
enum Stream {
    BuiltIn,
    /// In a file, which need not be installed.
    Module(PathBuf),
    Absent,
}

/// `configured`: what `nginx -V` says.
fn stream_in(configured: &str) -> Stream {
    let mut words = configured.split_whitespace();
    match words.clone().find(|word| *word == "--with-stream" || *word == "--with-stream=dynamic") {
        Some("--with-stream") => Stream::BuiltIn,
        Some(_) => words
            .find_map(|word| word.strip_prefix("--modules-path="))
            .map_or(Stream::Absent, |directory| Stream::Module(Path::new(directory).join(STREAM_MODULE))),
        None => Stream::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Base;

    fn all_targets() -> Vec<Target> {
        let chapter = |number| Kind::Chapter { number, one_backend: false, flags: vec!["--workers"] };
        let named = |name: &str, kind| Target { name: name.to_owned(), ..Target::new(kind, "x".into()) };
        let mut all = targets(&chapter(CHAPTER), Path::new("x"));
        all.extend([named("floor", Kind::Floor), named("chapter 6", chapter(6)), named(NGINX_STREAM, Kind::Floor)]);
        all.push(named(SPLICE_LOOP, Kind::Floor));
        all.extend(peer(Peer::HaProxy, Path::new("x")).unwrap().0);
        all.push(named("nginx http", Kind::Floor));
        all
    }

    #[test]
    fn each_workload_has_its_targets_and_they_exist() {
        let all = all_targets();
        for workload in &WORKLOADS {
            let able: Vec<_> = all.iter().filter(|target| target.can(workload)).collect();
            assert_eq!(able.len(), workload.only.len(), "{}: a name is misspelt", workload.name);
        }
        for name in [Base::BestHaProxy, Base::SpliceLoop, Base::Copy].into_iter().flat_map(Base::targets) {
            assert!(all.iter().any(|target| target.name == *name), "{name}");
        }
    }

    #[test]
    fn paths_and_names_are_of_the_size_that_is_expected() {
        for workload in &WORKLOADS {
            let asked: u64 = workload.paths[0].strip_prefix("/bytes/").unwrap().parse().unwrap();
            assert_eq!(asked, workload.answer_bytes, "{}", workload.name);
            let Some(rung) = workload.rung else { continue };
            let kib = rung.scale.shown(rung.size);
            let size = if kib < 1_024 { format!("{kib}k") } else { format!("{}m", kib >> 10) };
            assert_eq!(workload.name.rsplit_once('-').unwrap().1, size);
            assert_eq!(workload.pipe_bytes(), (rung.scale == Scale::Pipe).then_some(rung.size));
            assert_eq!(workload.pool(), None, "sessions have no pool");
        }
    }

    #[test]
    fn quick_run_has_both_ends_of_each_scale() {
        let quick = workloads(true);
        assert_eq!(quick.len(), QUICK.len(), "a name is misspelt");
        for scale in [Scale::Pipe, Scale::Body] {
            let sizes = |workloads: &[&Workload]| -> Vec<usize> {
                let rungs = workloads.iter().filter_map(|workload| workload.rung);
                rungs.filter(|rung| rung.scale == scale).map(|rung| rung.size).collect()
            };
            let (few, all) = (sizes(&quick), sizes(&workloads(false)));
            assert!(all.is_sorted() && few == [all[0], all[all.len() - 1]], "{few:?} of {all:?}");
        }
    }

    #[test]
    fn stream_module_is_found_where_nginx_says() {
        let dynamic =
            "configure arguments: --prefix=/p --modules-path=/m --with-stream=dynamic --with-stream_ssl_module";
        assert_eq!(stream_in(dynamic), Stream::Module("/m/ngx_stream_module.so".into()));
        assert_eq!(stream_in("--with-stream --with-stream_ssl_module"), Stream::BuiltIn);
        assert_eq!(stream_in("--with-stream_ssl_module --modules-path=/m"), Stream::Absent);
    }
}
