//! A target and how it is started: a chapter's program, a peer, the floor.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    http, peers,
    process::{Child, Space},
    workload::{Manner, Origins, Workload},
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
    Nginx,
    HaProxy,
    Pingora,
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

    /// Whether the workload applies to it: the floor and chapter 2 do not balance.
    pub(crate) fn can(&self, workload: &Workload) -> bool {
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
                return Ok((command, None));
            }
            Kind::Chapter { one_backend, flags, .. } => {
                command.arg("0").args(backend_words(backends, *one_backend));
                for flag in flags {
                    command.arg(flag).arg(if *flag == "--workers" { &workers } else { MAX_CLIENTS });
                }
                command.args(&self.words);
                return Ok((command, None));
            }
            Kind::Nginx | Kind::HaProxy | Kind::Pingora => {}
        }
        let port = free_port()?;
        match self.kind {
            Kind::Nginx => {
                let lines = backends.iter().map(|addr| format!("server {addr};"));
                let file = self.configuration("nginx.conf", lines, (port, &workers), directory)?;
                command.arg("-e").arg(directory.join("error.log")).arg("-c").arg(file);
            }
            Kind::HaProxy => {
                let lines = backends.iter().enumerate().map(|(at, addr)| format!("server s{} {addr}", at + 1));
                let file = self.configuration("haproxy.cfg", lines, (port, &workers), directory)?;
                command.arg("-db").arg("-f").arg(file);
            }
            _ => {
                command.arg(port.to_string()).arg(workers).args(backends.iter().map(SocketAddr::to_string));
            }
        }
        Ok((command, Some(port)))
    }

    /// The template `name` filled in, as a file in `directory`.
    fn configuration(
        &self,
        name: &str,
        backends: impl Iterator<Item = String>,
        (port, workers): (u16, &str),
        directory: &Path,
    ) -> io::Result<PathBuf> {
        let path = self.templates.join(name);
        let template =
            fs::read_to_string(&path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let file = directory.join(name);
        let backends: Vec<_> = backends.collect();
        fs::write(&file, fill(&template, &backends, (port, workers), directory))?;
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

fn fill(template: &str, backends: &[String], (port, workers): (u16, &str), directory: &Path) -> String {
    // A comment line that names the placeholders must stay a comment: it gets the first line only.
    let mut text = String::new();
    for line in template.lines() {
        let backends = if line.trim_start().starts_with('#') { "BACKENDS" } else { &backends.join("\n    ") };
        text.push_str(&line.replace("@BACKENDS@", backends));
        text.push('\n');
    }
    text.replace("@PORT@", &port.to_string())
        .replace("@WORKERS@", workers)
        .replace("@DIR@", &directory.to_string_lossy())
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
        assert_eq!(words(Kind::Pingora), ["PORT", "2", "127.0.0.1:1", "127.0.0.1:2"]);
    }

    #[test]
    fn template_is_filled_and_its_comments_stay_comments() {
        let template = "# @BACKENDS@ and @PORT@\nlisten @PORT@ @WORKERS@ @DIR@/x;\n@BACKENDS@\n";
        let lines = ["server a;".to_owned(), "server b;".to_owned()];
        let filled = fill(template, &lines, (80, "2"), Path::new("/d"));
        assert_eq!(filled, "# BACKENDS and 80\nlisten 80 2 /d/x;\nserver a;\n    server b;\n");
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
            (Kind::Nginx, true),
        ] {
            let target = target(kind);
            assert!(target.can(small));
            assert_eq!(target.can(killed), balances, "{target:?}");
        }
    }
}
