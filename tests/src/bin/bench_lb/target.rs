//! A target and how it is started: a chapter's program, a peer, the floor.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    http,
    peers::{self, Peer},
    process::{Child, Space},
    template::{self, Headers, Layer, Places},
    topology::Topology,
    udp,
    workload::{self, Manner, Origins, Workload},
};

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
    /// Chapter 9's file server: `0 DIRECTORY`.
    FileServer,
    Peer(Peer, Headers),
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// In results: `chapter 3`, `nginx`, `floor`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    /// Further arguments.
    pub(crate) words: Vec<String>,
    /// The algorithm in a peer's configuration.
    pub(crate) balance: &'static str,
    /// Whether a peer's configuration has health checks. A chapter's program has its default.
    pub(crate) checks: bool,
    /// What it balances. A peer is told by its configuration, a chapter's program by `words`.
    pub(crate) layer: Layer,
    /// Further sections of a peer's template.
    pub(crate) sections: &'static [&'static str],
    /// The directory of the peers' configuration templates.
    pub(crate) templates: PathBuf,
}

impl Target {
    /// A target without a name and further arguments yet.
    pub(crate) fn new(kind: Kind, program: PathBuf) -> Self {
        Self {
            name: String::new(),
            kind,
            program,
            words: Vec::new(),
            balance: "roundrobin",
            checks: false,
            layer: Layer::Http,
            sections: &[],
            templates: peers::templates(),
        }
    }

    /// The flags that a chapter's `--help` lists decide which shared flags it gets: programs with a thread per
    /// connection have no workers.
    pub(crate) fn flags_in(help: &str) -> Vec<&'static str> {
        ["--workers", "--max-clients"].into_iter().filter(|flag| help.contains(flag)).collect()
    }

    /// Whether the workload applies to it: the floor and chapter 2 do not balance, and what the headers of Envoy and
    /// Caddy cost is told by the small requests.
    pub(crate) fn can(&self, workload: &Workload) -> bool {
        if !workload.only.is_empty() {
            return workload.only.contains(&self.name.as_str());
        }
        if let Kind::Peer(Peer::Envoy | Peer::Caddy, Headers::Equal) = self.kind {
            return workload::SMALL_GETS.contains(&workload.name);
        }
        let balances = !matches!(self.kind, Kind::Floor | Kind::Chapter { one_backend: true, .. });
        balances || (workload.origins == Origins::One && workload.manner != Manner::Killing)
    }

    /// Starts it; returns once a request has gone through.
    pub(crate) fn start(&self, topology: Topology<'_>, space: Space<'_>) -> io::Result<(Child, SocketAddr)> {
        let (command, port) = self.command(topology, space.directory)?;
        let mut child = Child::start("target", command, space)?;
        let addr = match port {
            Some(port) => SocketAddr::from(([127, 0, 0, 1], port)),
            None => child.listening()?,
        };
        child.becomes("answer", || self.answers(addr))?;
        Ok((child, addr))
    }

    /// Whether what it balances goes through.
    fn answers(&self, addr: SocketAddr) -> Option<()> {
        match self.layer {
            Layer::Udp => udp::ask(addr).ok(),
            Layer::Tcp | Layer::Http | Layer::Files => http::get(addr, "/").ok().map(drop),
        }
    }

    /// The command, and the port if we had to choose it.
    fn command(&self, topology: Topology<'_>, directory: &Path) -> io::Result<(Command, Option<u16>)> {
        let mut command = Command::new(&self.program);
        let workers = topology.workers.to_string();
        match &self.kind {
            Kind::Floor => {
                command.arg("0").arg(workers).args(topology.backends.iter().map(SocketAddr::to_string));
                Ok((command, None))
            }
            Kind::Chapter { one_backend, flags, .. } => {
                command.arg("0").args(topology.backend_words(*one_backend));
                for flag in flags {
                    let value = match *flag {
                        "--workers" => Some(workers.clone()),
                        "--max-clients" => Some(topology.max_clients.to_string()),
                        _ => topology.pipe_bytes.map(|bytes| format!("{bytes}B")),
                    };
                    command.args(value.into_iter().flat_map(|value| [(*flag).to_owned(), value]));
                }
                command.args(&self.words).args(topology.pool_words()).args(topology.route_words());
                Ok((command, None))
            }
            Kind::FileServer => {
                command.arg("0").arg(directory.join(workload::DIRECTORY)).args(["--workers", &workers]);
                command.args(["--max-clients", &topology.max_clients.to_string()]).args(&self.words);
                Ok((command, None))
            }
            Kind::Peer(peer, headers) => {
                let port = self.peer(*peer, *headers, topology, directory, &mut command)?;
                command.args(&self.words);
                Ok((command, Some(port)))
            }
        }
    }

    /// Writes the peer's files into the directory, and completes its command; returns its port.
    fn peer(
        &self,
        peer: Peer,
        headers: Headers,
        topology: Topology<'_>,
        directory: &Path,
        command: &mut Command,
    ) -> io::Result<u16> {
        let port = free_port(self.layer)?;
        let [backends, routed] = topology.lines(peer);
        let optional = [(self.checks, "checks"), (topology.pool.is_some(), "pool"), (topology.routes > 0, "routes")];
        let mut sections = [&[headers.section(), self.layer.section()], self.sections].concat();
        sections.extend(optional.into_iter().filter(|(wanted, _)| *wanted).map(|(_, section)| section));
        let places = Places {
            sections: &sections,
            backends: &backends,
            routed: &routed,
            port,
            workers: &topology.workers.to_string(),
            max_clients: topology.max_clients,
            balance: self.balance,
            directory,
        };
        if topology.routes > 0 {
            fs::write(directory.join("routes.map"), topology.route_map())?;
        }
        let file = self.configuration(peer, &places)?;
        peer.arguments(command, &file, &places);
        Ok(port)
    }

    /// The peer's template filled in, as a file in the directory. Pingora's proxy has none.
    fn configuration(&self, peer: Peer, places: &Places<'_>) -> io::Result<PathBuf> {
        let Some(name) = peer.template() else { return Ok(PathBuf::new()) };
        let path = self.templates.join(name);
        let template =
            fs::read_to_string(&path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let file = places.directory.join(name);
        fs::write(&file, template::fill(&template, places))?;
        Ok(file)
    }
}

/// A port that was free a moment ago, for a program that cannot report an ephemeral port.
fn free_port(layer: Layer) -> io::Result<u16> {
    let addr = match layer {
        Layer::Udp => UdpSocket::bind("127.0.0.1:0")?.local_addr()?,
        Layer::Tcp | Layer::Http | Layer::Files => TcpListener::bind("127.0.0.1:0")?.local_addr()?,
    };
    Ok(addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn words(kind: Kind) -> Vec<String> {
        words_with(kind, None)
    }

    fn words_with(kind: Kind, pipe_bytes: Option<usize>) -> Vec<String> {
        let target = Target { words: vec!["-a".to_owned()], ..Target::new(kind, "x".into()) };
        let backends = [addr(1), addr(2)];
        let topology =
            Topology { backends: &backends, routes: 0, max_clients: 4_096, pool: None, pipe_bytes, workers: 2 };
        let (command, port) = target.command(topology, Path::new("/d")).unwrap();
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
            ["0", "127.0.0.1:1", "127.0.0.1:2", "--max-clients", "4096", "-a"]
        );
        assert_eq!(words(chapter(false, "--workers <N>"))[3..], ["--workers", "2", "-a"]);
        assert_eq!(words(Kind::Floor), ["0", "2", "127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(words(Kind::FileServer), ["0", "/d/www", "--workers", "2", "--max-clients", "4096", "-a"]);
        assert_eq!(words(Kind::Peer(Peer::Pingora, Headers::Equal)), ["PORT", "2", "127.0.0.1:1", "127.0.0.1:2", "-a"]);
    }

    #[test]
    fn size_of_a_pipe_goes_to_the_targets_that_splice() {
        let chapter = |flags| Kind::Chapter { number: 9, one_backend: false, flags };
        let splices = || chapter(vec!["--workers", "--pipe-size"]);
        assert_eq!(words_with(splices(), Some(4_096))[3..], ["--workers", "2", "--pipe-size", "4096B", "-a"]);
        assert_eq!(words_with(splices(), None)[3..], ["--workers", "2", "-a"]);
        assert_eq!(words_with(chapter(vec!["--workers"]), Some(4_096))[3..], ["--workers", "2", "-a"]);
    }

    #[test]
    fn haproxy_gets_its_routes_as_a_map_beside_its_configuration() {
        let haproxy = Target { checks: true, ..Target::new(Kind::Peer(Peer::HaProxy, Headers::Lean), "x".into()) };
        let directory = tempfile::tempdir().unwrap();
        let backends = [addr(1), addr(2)];
        let topology = Topology {
            backends: &backends,
            routes: 2,
            max_clients: 4_096,
            pool: Some(9),
            pipe_bytes: None,
            workers: 1,
        };
        haproxy.command(topology, directory.path()).unwrap();
        let file = fs::read_to_string(directory.path().join("haproxy.cfg")).unwrap();
        let (default, routed) = file.split_once("backend routed").unwrap();
        assert!(default.contains("server s1 127.0.0.1:1") && !default.contains("server s2"), "{file}");
        assert!(routed.contains("server s2 127.0.0.1:2"), "{file}");
        assert_eq!(fs::read_to_string(directory.path().join("routes.map")).unwrap(), topology.route_map());
    }

    #[test]
    fn workload_may_name_its_targets() {
        let workload = Workload { only: &["rr"], ..workload::SMALL };
        let named = |name: &str| Target { name: name.to_owned(), ..Target::new(Kind::Floor, "x".into()) };
        assert!(named("rr").can(&workload) && !named("wrr").can(&workload));
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
