//! `--datagrams`: chapter 9's program in its UDP mode beside nginx's `stream` module, and a loop that does nothing else.
//!
//! A request is a datagram and its echo, so two datagrams go through the target.

use std::{io, path::Path};

use crate::{
    peers::Peer,
    programs::Programs,
    target::{Kind, Target},
    template::{Headers, Layer},
    workload::{Manner, Origins, SMALL, Workload},
    zero_copy,
};

/// The chapter whose program balances datagrams.
pub(crate) const CHAPTER: u8 = 9;

const OURS: &str = "chapter 9 udp";
/// A loop of `recvmmsg` and `sendmmsg` in C.
const RELAY: &str = "C datagram relay";
/// nginx's ways, of which the better one counts: a session for each datagram and its reply, and one for each client.
pub(crate) const NGINX: [&str; 2] = ["nginx udp, one reply", "nginx udp"];
const ALL: &[&str] = &[RELAY, OURS, NGINX[0], NGINX[1]];

/// All workloads. There are fewer datagrams on their way than a socket's receive buffer has room for by default, which is
/// some 270: a lost one would be the kernel's doing.
pub(crate) static WORKLOADS: [Workload; 3] = [
    Workload {
        name: "udp-64",
        what: "a datagram of 128 bytes and its echo, 64 clients with 2 on their way",
        manner: Manner::Datagrams { window: 2 },
        counts_calls: true,
        ..DATAGRAMS
    },
    Workload {
        name: "udp-200",
        what: "a datagram of 128 bytes and its echo, 200 clients with 1 on its way",
        clients: 200,
        ..DATAGRAMS
    },
    Workload {
        name: "udp-4",
        what: "a datagram of 128 bytes and its echo, 4 clients with 32 on their way",
        clients: 4,
        manner: Manner::Datagrams { window: 32 },
        ..DATAGRAMS
    },
];

const DATAGRAMS: Workload = Workload {
    manner: Manner::Datagrams { window: 1 },
    origins: Origins::Echo,
    paths: &[],
    answer_bytes: 128,
    only: ALL,
    ..SMALL
};

/// The loop in C.
///
/// # Errors
/// It cannot be built, in a line that says why it is skipped.
pub(crate) fn relay(programs: &Programs) -> Result<Target, String> {
    let source = Path::new("tests/src/bin/bench_lb/datagram_relay.c");
    let program = programs.build_c(source).map_err(|why| format!("{RELAY} is skipped: {why}"))?;
    Ok(Target { layer: Layer::Udp, name: RELAY.to_owned(), ..Target::new(Kind::Floor, program) })
}

/// Chapter 9's program.
pub(crate) fn target(program: &Path) -> Target {
    let kind = Kind::Chapter { number: CHAPTER, one_backend: false, flags: vec!["--workers"] };
    let words = ["--mode", "udp"].map(str::to_owned).to_vec();
    Target { name: OURS.to_owned(), words, layer: Layer::Udp, ..Target::new(kind, program.to_owned()) }
}

/// nginx's ways; without its module, the line about that.
pub(crate) fn nginx(program: &Path) -> io::Result<Result<Vec<Target>, String>> {
    let Some(words) = zero_copy::stream_words(program)? else { return Ok(Err(zero_copy::no_stream(NGINX[1]))) };
    let way = |name: &str, sections| Target {
        name: name.to_owned(),
        words: words.clone(),
        layer: Layer::Udp,
        sections,
        ..Target::new(Kind::Peer(Peer::Nginx, Headers::Lean), program.to_owned())
    };
    Ok(Ok(vec![way(NGINX[0], &["one-reply"]), way(NGINX[1], &[])]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_receive_buffer_is_too_small_for_the_windows() {
        for workload in &WORKLOADS {
            let Manner::Datagrams { window } = workload.manner else { panic!("{}", workload.name) };
            assert!(workload.clients * window <= 250, "{}", workload.name);
            assert!(target(Path::new("x")).can(workload));
        }
    }
}
