//! A target and how it is started: a chapter's program, a peer, the floor.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    http,
    peers::{self, Peer},
    process::{Child, Space},
    template::{self, Headers, Places},
    workload::{self, Manner, Origins, Workload},
};

/// The thread-per-connection chapters accept 1,000 clients by default; the idle workload has 2,000.
const MAX_CLIENTS: &str = "4096";

/// How a target's command line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Moves bytes and parses nothing: the cost of the kernel alone.
    Floor,
    /// A chapter's program: `0 HOST PORT` if it takes one backend, or `0 HOST:PORT …`.
    Chapter {
        number: u8,
        one_backend: bool,
        flags: Vec<&'static str>,
    },
    Peer(Peer, Headers),
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// In results: `chapter 3`, `nginx`, `floor`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    /// Further arguments of a chapter's program.
    pub(crate) words: Vec<String>,
    /// The directory of the peers' configuration templates.
    pub(crate) templates: PathBuf,
}

impl Target {
    /// A target without a name and further arguments yet.
    pub(crate) fn new(kind: Kind, program: PathBuf) -> Self {
        Self { name: String::new(), kind, program, words: Vec::new(), templates: peers::templates() }
    }

    /// The flags that a chapter's `--help` lists decide which shared flags it gets: programs with a thread per
    /// connection have no workers.
    pub(crate) fn flags_in(help: &str) -> Vec<&'static str> {
        ["--workers", "--max-clients"].into_iter().filter(|flag| help.contains(flag)).collect()
    }

    /// Whether the workload applies to it: the floor and chapter 2 do not balance, and what the headers of Envoy and
    /// Caddy cost is told by the small requests.
    pub(crate) fn can(&self, workload: &Workload) -> bool {
        if let Kind::Peer(Peer::Envoy | Peer::Caddy, Headers::Equal) = self.kind {
            return workload::SMALL_GETS.contains(&workload.name);
        }
        let balances = !matches!(self.kind, Kind::Floor | Kind::Chapter { one_backend: true, .. });
        balances || (workload.origins == Origins::One && workload.manner != Manner::Killing)
    }

    /// Starts it in front of `backends`; returns once a request has gone through.
    pub(crate) fn start(
        &self,
        backends: &[SocketAddr],
        workers: usize,
        space: Space<'_>,
    ) -> io::Result<(Child, SocketAddr)> {
        let (command, port) = self.command(backends, workers, space.directory)?;
        let mut child = Child::start("target", command, space)?;
        let addr = match port {
            Some(port) => SocketAddr::from(([127, 0, 0, 1], port)),
            None => child.listening()?,
        };
        child.becomes("answer", || http::get(addr, "/").ok())?;
        Ok((child, addr))
    }

    /// The command, and the port if we had to choose it.
    fn command(&self, backends: &[SocketAddr], workers: usize, directory: &Path) -> io::Result<(Command, Option<u16>)> {
        let mut command = Command::new(&self.program);
        let workers = workers.to_string();
        match &self.kind {
            Kind::Floor => {
                command.arg("0").arg(workers).args(backends.iter().map(SocketAddr::to_string));
                Ok((command, None))
            }
            Kind::Chapter { one_backend, flags, .. } => {
                command.arg("0").args(backend_words(backends, *one_backend));
                for flag in flags {
                    command.arg(flag).arg(if *flag == "--workers" { &workers } else { MAX_CLIENTS });
                }
                command.args(&self.words);
                Ok((command, None))
            }
            Kind::Peer(peer, headers) => {
                let port = free_port()?;
                let lines: Vec<_> = (1..).zip(backends).map(|(number, addr)| peer.backend(number, *addr)).collect();
                let places = Places { backends: &lines, port, workers: &workers, directory };
                let file = self.configuration(*peer, *headers, &places)?;
                peer.arguments(&mut command, &file, &places);
                Ok((command, Some(port)))
            }
        }
    }

    /// The peer's template filled in, as a file in the directory. Pingora's proxy has none.
    fn configuration(&self, peer: Peer, headers: Headers, places: &Places<'_>) -> io::Result<PathBuf> {
        let Some(name) = peer.template() else { return Ok(PathBuf::new()) };
        let path = self.templates.join(name);
        let template =
            fs::read_to_string(&path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let file = places.directory.join(name);
        fs::write(&file, template::fill(&template, headers, places))?;
        Ok(file)
    }
}

fn backend_words(backends: &[SocketAddr], one_backend: bool) -> Vec<String> {
    if one_backend {
        let first = backends.first();
        return first.map(|addr| vec![addr.ip().to_string(), addr.port().to_string()]).unwrap_or_default();
    }
    backends.iter().map(SocketAddr::to_string).collect()
}

/// A port that was free a moment ago, for a program that cannot report an ephemeral port.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn words(kind: Kind) -> Vec<String> {
        let target = Target { words: vec!["-a".to_owned()], ..Target::new(kind, "x".into()) };
        let (command, port) = target.command(&[addr(1), addr(2)], 2, Path::new("/d")).unwrap();
        let mut words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        if let (Some(port), Some(word)) = (port, words.first_mut()) {
            assert_eq!(*word, port.to_string());
            "PORT".clone_into(word);
        }
        words
    }

    #[test]
    fn each_kind_gets_its_command_line() {
        let chapter = |one_backend, help| Kind::Chapter { number: 3, one_backend, flags: Target::flags_in(help) };
        assert_eq!(words(chapter(true, "")), ["0", "127.0.0.1", "1", "-a"]);
        assert_eq!(
            words(chapter(false, "--max-clients <N>")),
            ["0", "127.0.0.1:1", "127.0.0.1:2", "--max-clients", MAX_CLIENTS, "-a"]
        );
        assert_eq!(words(chapter(false, "--workers <N>"))[3..], ["--workers", "2", "-a"]);
        assert_eq!(words(Kind::Floor), ["0", "2", "127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(words(Kind::Peer(Peer::Pingora, Headers::Equal)), ["PORT", "2", "127.0.0.1:1", "127.0.0.1:2"]);
    }

    #[test]
    fn balancing_workloads_are_for_balancers() {
        let target = |kind| Target::new(kind, "x".into());
        let killed = Workload::named("killed-backend").unwrap();
        let small = Workload::named("get-64").unwrap();
        for (kind, balances) in [
            (Kind::Floor, false),
            (Kind::Chapter { number: 2, one_backend: true, flags: Vec::new() }, false),
            (Kind::Chapter { number: 3, one_backend: false, flags: Vec::new() }, true),
            (Kind::Peer(Peer::Nginx, Headers::Lean), true),
        ] {
            let target = target(kind);
            assert!(target.can(small));
            assert_eq!(target.can(killed), balances, "{target:?}");
        }
    }

    #[test]
    fn headers_of_some_peers_are_measured_with_small_requests_only() {
        let can = |peer, headers, name| {
            Target::new(Kind::Peer(peer, headers), "x".into()).can(Workload::named(name).unwrap())
        };
        for (peer, headers, everywhere) in [
            (Peer::Nginx, Headers::Equal, true),
            (Peer::Envoy, Headers::Lean, true),
            (Peer::Envoy, Headers::Equal, false),
            (Peer::Caddy, Headers::Equal, false),
        ] {
            assert!(can(peer, headers, "get-64"), "{peer:?}");
            assert_eq!(can(peer, headers, "get-8m"), everywhere, "{peer:?}");
        }
    }
}
