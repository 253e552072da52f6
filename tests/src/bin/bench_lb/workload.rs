//! The workloads: what is requested, by how many clients, at what pace, with how many origins.

use std::{fs, io, net::SocketAddr, path::Path};

use crate::{
    load::Request,
    rung::{Rung, Scale},
};

/// The length of the origin's response to any path but `/bytes/N`.
const SMALL_ANSWER_BYTES: u64 = 14;

/// The thread-per-connection chapters accept 1,000 clients by default; the idle workload has 2,000.
const MIN_MAX_CLIENTS: usize = 4_096;

/// More idle connections than 8,000 clients leave in a closed loop, and few enough for a limit of 20,000 open files.
const MIN_POOL: usize = 3_072;

/// The directory that a target serves, in the round's own.
pub(crate) const DIRECTORY: &str = "www";

/// Open files that a program has besides its connections: listeners, pollers, pipes.
const OTHER_FILES: usize = 128;

/// The pace of the clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// Closed loop: each client always has one request in flight.
    Closed,
    /// The same, with a new connection for each request.
    NewConnection,
    /// Open loop, at this share of the target's own maximum in the workload `get-64`.
    Open { part: f64 },
    /// Each client sends one request and stays connected.
    Idle,
    /// Closed loop; in the middle of the window an origin dies.
    Killing,
    /// No requests: what a target does by itself is its health checks.
    ChecksOnly,
    /// No requests but datagrams, of the length of an answer: each client has so many on their way.
    Datagrams { window: usize },
}

/// The origins behind the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// None: the target has what is requested.
    None,
    /// One, also for the balancers: chapter 2 supports only one, and this way all do the same work.
    One,
    Three,
    /// Three, of which the last one answers after `delay`.
    OneSlow {
        delay: &'static str,
    },
    /// As many addresses of one process. Thousands of processes would measure the scheduler.
    Addresses(usize),
    /// One that also echoes datagrams.
    Echo,
}

impl Origins {
    /// The number of backends that a target has.
    pub(crate) fn backends(self) -> usize {
        match self {
            Self::None => 0,
            Self::One | Self::Echo => 1,
            Self::Three | Self::OneSlow { .. } => 3,
            Self::Addresses(number) => number,
        }
    }

    /// The number of processes that they are.
    pub(crate) fn processes(self) -> usize {
        if let Self::Addresses(_) = self { 1 } else { self.backends() }
    }
}

#[derive(Debug)]
pub(crate) struct Workload {
    /// Its name on the command line and in results.
    pub(crate) name: &'static str,
    /// One line of description.
    pub(crate) what: &'static str,
    pub(crate) clients: usize,
    pub(crate) manner: Manner,
    pub(crate) origins: Origins,
    /// The paths that clients request in turn.
    pub(crate) paths: &'static [&'static str],
    /// The number of paths made from each of them, for hashing algorithms: `/0`, `/1` and so on.
    pub(crate) keys: usize,
    /// Routing rules of the target, which lead to a second group of backends.
    pub(crate) routes: usize,
    pub(crate) body_bytes: usize,
    pub(crate) answer_bytes: u64,
    /// Also counts system calls, in a separate round.
    pub(crate) counts_calls: bool,
    /// Its place in `--growth` or in `--zero-copy`.
    pub(crate) rung: Option<Rung>,
    /// The names of the targets that it is for; empty: all.
    pub(crate) only: &'static [&'static str],
}

/// The workload whose throughput scales the open loops, and the only one of `--quick`.
pub(crate) const BASE: &str = "get-64";

/// The workloads that tell what headers cost.
pub(crate) const SMALL_GETS: [&str; 2] = [BASE, "get-512"];

/// What the other workloads differ from.
pub(crate) const SMALL: Workload = Workload {
    name: BASE,
    what: "small keep-alive GET, 64 clients",
    clients: 64,
    manner: Manner::Closed,
    origins: Origins::One,
    paths: &["/"],
    keys: 1,
    routes: 0,
    body_bytes: 0,
    answer_bytes: SMALL_ANSWER_BYTES,
    counts_calls: false,
    rung: None,
    only: &[],
};

/// All workloads, in the order they run. The open loops come after the workload that they depend on.
pub(crate) static ALL: [Workload; 12] = [
    Workload { name: "get-1", what: "small keep-alive GET, 1 client", clients: 1, ..SMALL },
    Workload { counts_calls: true, ..SMALL },
    Workload { name: "get-512", what: "small keep-alive GET, 512 clients", clients: 512, ..SMALL },
    Workload {
        name: "new-connection",
        what: "small GET, a new connection for each, 64 clients",
        manner: Manner::NewConnection,
        counts_calls: true,
        ..SMALL
    },
    Workload {
        name: "get-16k",
        what: "GET of 16 KiB, 64 clients",
        paths: &["/bytes/16384"],
        answer_bytes: 16 << 10,
        counts_calls: true,
        ..SMALL
    },
    Workload {
        name: "get-8m",
        what: "GET of 8 MiB, 8 clients",
        clients: 8,
        paths: &["/bytes/8388608"],
        answer_bytes: 8 << 20,
        ..SMALL
    },
    Workload {
        name: "post-64k",
        what: "POST of 64 KiB, 64 clients",
        paths: &["/upload"],
        body_bytes: 64 << 10,
        counts_calls: true,
        ..SMALL
    },
    Workload {
        name: "idle",
        what: "2,000 clients that ask once and stay",
        clients: 2_000,
        manner: Manner::Idle,
        ..SMALL
    },
    Workload {
        name: "open-50",
        what: "small GET at random times, 50 % of the target's own maximum, 64 connections",
        manner: Manner::Open { part: 0.5 },
        ..SMALL
    },
    Workload {
        name: "open-80",
        what: "small GET at random times, 80 % of the target's own maximum, 64 connections",
        manner: Manner::Open { part: 0.8 },
        ..SMALL
    },
    Workload {
        name: "slow-backend",
        what: "small keep-alive GET, 64 clients; one backend of three answers after 50 ms",
        origins: Origins::OneSlow { delay: "50ms" },
        ..SMALL
    },
    Workload {
        name: "killed-backend",
        what: "small keep-alive GET, 64 clients; one backend of three dies in the middle",
        manner: Manner::Killing,
        origins: Origins::Three,
        ..SMALL
    },
];

/// The one workload of `--algorithms`. All algorithms get different paths, so that all do the same work.
pub(crate) static BY_ALGORITHM: Workload = Workload {
    name: "one-slow",
    what: "small keep-alive GET of 500 paths, 16 clients; one backend of three answers after 100 ms",
    clients: 16,
    keys: 500,
    origins: Origins::OneSlow { delay: "100ms" },
    ..SMALL
};

impl Workload {
    /// Looks a workload up by name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|workload| workload.name == name)
    }

    /// Whether the rounds of both are interleaved: the rungs of a scale are compared with each other.
    pub(crate) fn is_interleaved_with(&self, other: &Self) -> bool {
        self.rung.is_some() && self.rung.map(|rung| rung.scale) == other.rung.map(|rung| rung.scale)
    }

    /// The limit of clients that a target is given.
    pub(crate) fn max_clients(&self) -> usize {
        MIN_MAX_CLIENTS.max(self.clients.next_power_of_two())
    }

    /// The idle connections that a target's pool may keep, if not as many as by default: what grows is to be the number
    /// of backends or of clients, and not that of connects because the pool was full.
    pub(crate) fn pool(&self) -> Option<usize> {
        let rung = self.rung.filter(|rung| rung.scale.is_of_growth());
        rung.map(|_| MIN_POOL.max(self.origins.backends()))
    }

    /// The size of a pipe that a target splices through, if not its default.
    pub(crate) fn pipe_bytes(&self) -> Option<usize> {
        self.rung.filter(|rung| rung.scale == Scale::Pipe).map(|rung| rung.size)
    }

    /// The open files that a target needs: two for each client that it may have, and one for each idle connection (ours)
    /// or each check (HAProxy, which does not start with fewer).
    pub(crate) fn open_files(&self) -> usize {
        2 * self.max_clients() + self.pool().unwrap_or_default() + OTHER_FILES
    }

    /// Whether what a byte costs is distinguishable from what a request costs.
    pub(crate) fn has_large_answers(&self) -> bool {
        self.answer_bytes >= 1 << 20
    }

    /// Writes what a target serves by itself into the new `directory`: a file for each path, and the one that is asked
    /// for to know whether the target is up.
    pub(crate) fn write_files(&self, directory: &Path) -> io::Result<()> {
        if self.origins != Origins::None {
            return Ok(());
        }
        fs::create_dir(directory)?;
        fs::write(directory.join("index.html"), "up")?;
        let content: Vec<u8> =
            (0..251).cycle().take(usize::try_from(self.answer_bytes).unwrap_or(usize::MAX)).collect();
        self.paths.iter().try_for_each(|path| fs::write(directory.join(path.trim_start_matches('/')), &content))
    }

    /// Whether the origins can say what the target caused: a killed one cannot, and datagrams are not counted.
    pub(crate) fn is_counted_by_origins(&self) -> bool {
        let is_counted = !matches!(self.manner, Manner::Killing | Manner::Datagrams { .. });
        is_counted && self.origins != Origins::None
    }

    /// The requests that the clients send.
    pub(crate) fn request(&self, to: SocketAddr) -> Request {
        let new_connection = self.manner == Manner::NewConnection;
        let paths: Vec<_> = match self.keys {
            1 => self.paths.iter().map(|path| (*path).to_owned()).collect(),
            keys => self.paths.iter().flat_map(|path| (0..keys).map(move |key| format!("{path}{key}"))).collect(),
        };
        Request::new(to, &paths, self.body_bytes, new_connection, self.answer_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_open_loops_follow_their_base() {
        let names: Vec<_> = ALL.iter().map(|workload| workload.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let at = |name| names.iter().position(|known| *known == name).unwrap();
        assert!(at(BASE) < at("open-50") && at(BASE) < at("open-80"));
        assert_eq!(Workload::named("idle").unwrap().clients, 2_000);
        assert!(Workload::named("busy").is_none());
    }

    #[test]
    fn paths_ask_for_the_length_that_is_expected() {
        for workload in ALL.iter().chain([&BY_ALGORITHM]) {
            for path in workload.paths {
                let asked = path.strip_prefix("/bytes/").map_or(SMALL_ANSWER_BYTES, |n| n.parse().unwrap());
                assert_eq!(asked, workload.answer_bytes, "{}", workload.name);
            }
        }
    }
}
