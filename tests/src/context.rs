//! The context of a case: the program under test, and how to start this chapter's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::children::Children;
use crate::process::{ExitedProgram, Options, Program};

/// Switches off, from chapter 4 on, what would disturb a case that does not set these flags: health checks, which a
/// scripted backend would count as connections; slow start, under which round robin is not exact; and ejection and the
/// circuit breaker, which would exclude backends that fail on purpose. Flows of datagrams are never ejected, and have no
/// such flag.
fn flags_to_disable(flags: &[&str]) -> Vec<String> {
    let defaults = [["--check", "off"], ["--slow-start", "0s"], ["--eject-after", "0"], ["--breaker", "0"]];
    let is_udp = flags.windows(2).any(|pair| pair == ["--mode", "udp"]);
    let is_superfluous = |flag: &str| flags.contains(&flag) || (is_udp && flag == "--eject-after");
    let missing = defaults.into_iter().filter(|[flag, _]| !is_superfluous(flag));
    missing.flatten().map(str::to_owned).collect()
}

/// The program under test and its chapter.
#[derive(Debug)]
pub struct Context {
    /// The chapter's number.
    pub chapter: u8,
    program: PathBuf,
    /// What the program gets as its last arguments, always.
    arguments: &'static [&'static str],
    other_programs: &'static [(&'static str, &'static str)],
    children: Children,
}

impl Context {
    pub(crate) fn new(
        chapter: u8,
        program: PathBuf,
        arguments: &'static [&'static str],
        other_programs: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { chapter, program, arguments, other_programs, children: Children::default() }
    }

    /// The path of a further program of this chapter.
    ///
    /// # Panics
    /// When the chapter's `ladder!` does not name it.
    pub fn other_program(&self, name: &str) -> &'static Path {
        let found = self.other_programs.iter().find(|(known, _)| *known == name);
        Path::new(found.unwrap_or_else(|| panic!("`ladder!` does not name {name}")).1)
    }

    /// Whether each request has its own upstream connection: before chapter 4 there is no pool.
    pub fn upstreams_are_told_to_close(&self) -> bool {
        self.chapter < 4
    }

    /// Whether all clients share the upstream connections: from chapter 6 on.
    pub fn upstreams_are_shared(&self) -> bool {
        self.chapter >= 6
    }

    /// Whether each client has an async task: from chapter 6 on.
    pub fn clients_are_tasks(&self) -> bool {
        self.chapter >= 6
    }

    pub(crate) fn children(&self) -> Children {
        self.children.clone()
    }

    /// Starts the program on an ephemeral port in front of `backends`.
    pub fn start(&self, backends: &[SocketAddr], flags: &[&str]) -> Program {
        let names: Vec<_> = backends.iter().map(ToString::to_string).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.start_named(&names, flags)
    }

    /// The same, with backends as `host:port`.
    pub fn start_named(&self, backends: &[&str], flags: &[&str]) -> Program {
        self.start_with(backends, flags, Options::default())
    }

    /// Starts the program without backends: it starts bundled ones.
    pub fn start_bundled(&self, flags: &[&str]) -> Program {
        self.start_with(&[], flags, Options::default())
    }

    /// Starts the program with its standard output treated as `options` say.
    pub fn start_with(&self, backends: &[&str], flags: &[&str], options: Options) -> Program {
        let args = self.command_line("0", backends, flags);
        Program::start(&self.program, &args, options, self.children())
    }

    /// Starts the program with exactly these arguments, and without the flags that others get.
    pub fn start_exactly(&self, args: &[&str]) -> Program {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        Program::start(&self.program, &args, Options::default(), self.children())
    }

    /// Runs the program with these arguments, and those of the suite, until it exits.
    pub fn run(&self, args: &[&str]) -> ExitedProgram {
        let args: Vec<_> = args.iter().chain(self.arguments).map(ToString::to_string).collect();
        Program::run(&self.program, &args, self.children())
    }

    /// Runs the program as [`start_named`](Self::start_named) would, on `port`, until it exits.
    pub fn run_named(&self, port: &str, backends: &[&str], flags: &[&str]) -> ExitedProgram {
        let args = self.command_line(port, backends, flags);
        Program::run(&self.program, &args, self.children())
    }

    /// Chapter 2 takes one backend as two arguments; from chapter 3 on each backend is one argument.
    fn command_line(&self, port: &str, backends: &[&str], flags: &[&str]) -> Vec<String> {
        let mut args = vec![port.to_owned()];
        for backend in backends {
            match (self.chapter, backend.rsplit_once(':')) {
                (2, Some((host, port))) => {
                    args.push(host.trim_matches(['[', ']']).to_owned());
                    args.push(port.to_owned());
                }
                _ => args.push((*backend).to_owned()),
            }
        }
        assert!(self.chapter != 2 || backends.len() < 2, "chapter 2 has one backend");
        args.extend(flags.iter().map(ToString::to_string));
        if self.chapter >= 4 {
            args.extend(flags_to_disable(flags));
        }
        args.extend(self.arguments.iter().map(ToString::to_string));
        args
    }
}
