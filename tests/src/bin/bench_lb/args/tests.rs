//! Command lines, and the plans that they resolve to.

use super::*;
use crate::{datagrams, files, growth};

fn options(line: &str) -> Result<Options, EarlyExit> {
    let words = line.split(' ').filter(|word| !word.is_empty()).map(|word| word.trim_matches('\''));
    Options::read(std::iter::once("bench_lb").chain(words).map(OsString::from))
}

fn plan(line: &str) -> Result<Plan, String> {
    options(line).unwrap().plan()
}

#[test]
fn without_arguments_it_is_the_full_run() {
    let plan = plan("--").unwrap();
    assert!(plan.is_full && plan.set == "ladder" && plan.command == "cargo bench-lb");
    assert_eq!((plan.workloads.len(), plan.peers.len(), plan.rounds), (workload::ALL.len(), 6, 7));
    assert!(plan.chapters.iter().any(|chapter| chapter.number == 2));
}

#[test]
fn narrower_runs_are_not_the_committed_ones() {
    for line in ["--quick", "--chapters 2", "--peers ''", "--workloads idle", "--rounds 3", "--seconds 0.5"] {
        assert!(!plan(line).unwrap().is_full, "{line}");
    }
    let quick = plan("--quick --peers '' --chapters 3 --rounds 1").unwrap();
    assert_eq!(quick.workloads.len(), 1);
    assert!(quick.peers.is_empty() && quick.peers_named);
    assert_eq!(quick.command, "cargo bench-lb --chapters 3 --peers '' --rounds 1 --quick");
    let two = plan("--workers 2").unwrap();
    assert!(two.is_full && two.set == "ladder-2-workers");
    assert_eq!(plan("--workloads idle,get-1").unwrap().set, "idle+get-1");
}

#[test]
fn algorithms_are_a_run_of_their_own() {
    let plan = plan("-- --algorithms").unwrap();
    assert!(plan.is_full && plan.kind == RunKind::Algorithms && plan.set == "algorithms" && plan.peers.is_empty());
    assert_eq!((plan.command.as_str(), plan.rounds, plan.seconds.as_secs()), ("cargo bench-lb --algorithms", 7, 1));
    for line in ["--algorithms --quick", "--algorithms --rounds 3", "--algorithms --seconds 0.5"] {
        assert!(!super::tests::plan(line).unwrap().is_full, "{line}");
    }
    for line in ["--algorithms --peers nginx", "--algorithms --workloads idle", "--algorithms --workers 2"] {
        assert_eq!(options(line).unwrap_err().code, 64, "{line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn growth_is_a_run_of_its_own_with_a_window_of_a_whole_interval_of_checks() {
    let full = plan("-- --growth").unwrap();
    assert!(full.is_full && full.kind == RunKind::Growth && full.set == "growth");
    assert_eq!((full.command.as_str(), full.rounds, full.seconds), ("cargo bench-lb --growth", 7, growth::WINDOW));
    assert!(full.warm_up > growth::WINDOW, "the first checks take as long");
    assert_eq!((full.peers.as_slice(), full.chapters[0].number), (&[Peer::HaProxy][..], 6));
    let quick = plan("--growth --quick").unwrap();
    assert!(!quick.is_full && quick.rounds == 1 && quick.seconds.as_millis() == 500);
    for line in ["--growth --rounds 3", "--growth --seconds 1"] {
        assert!(!plan(line).unwrap().is_full, "{line}");
    }
    for other in ["--algorithms", "--workloads idle", "--peers nginx", "--chapters 6", "--workers 2"] {
        assert_eq!(options(&format!("--growth {other}")).unwrap_err().code, 64, "{other}");
    }
}

#[test]
fn zero_copy_is_a_run_of_its_own_with_both_layers_of_the_peers() {
    let full = plan("-- --zero-copy").unwrap();
    assert!(full.is_full && full.kind == RunKind::ZeroCopy && full.set == "zero-copy");
    assert_eq!((full.command.as_str(), full.rounds, full.seconds), ("cargo bench-lb --zero-copy", 7, USUAL_SECONDS));
    assert_eq!(full.peers, [Peer::HaProxy, Peer::Nginx]);
    assert_eq!(full.chapters.iter().map(|chapter| chapter.number).collect::<Vec<_>>(), [6, 9]);
    let quick = plan("--zero-copy --quick").unwrap();
    assert!(!quick.is_full && quick.rounds == 1 && quick.workloads.len() < full.workloads.len());
    for line in ["--zero-copy --rounds 3", "--zero-copy --seconds 0.5"] {
        assert!(!plan(line).unwrap().is_full, "{line}");
    }
    let one = plan("--zero-copy --workloads session-128 --rounds 21").unwrap();
    assert!(!one.is_full && one.set == "session-128" && one.workloads.len() == 1);
    assert_eq!(one.command, "cargo bench-lb --zero-copy --workloads session-128 --rounds 21");
    assert!(plan("--zero-copy --workloads idle").unwrap_err().contains("there are bulk-8m, session-128"));
    for other in ["--algorithms", "--growth", "--peers nginx", "--chapters 9", "--workers 2"] {
        assert_eq!(options(&format!("--zero-copy {other}")).unwrap_err().code, 64, "{other}");
    }
}

#[test]
fn files_and_datagrams_are_runs_of_their_own_beside_nginx() {
    let of_files = plan("-- --files").unwrap();
    assert!(of_files.is_full && of_files.kind == RunKind::Files && of_files.set == "files");
    assert_eq!((of_files.command.as_str(), of_files.rounds), ("cargo bench-lb --files", 7));
    assert_eq!((of_files.least_bytes, of_files.workloads.len()), (20 << 30, files::WORKLOADS.len()));
    assert_eq!(of_files.chapters[0].program, "file_server");
    let of_datagrams = plan("-- --datagrams").unwrap();
    assert!(of_datagrams.is_full && of_datagrams.kind == RunKind::Datagrams && of_datagrams.set == "datagrams");
    assert_eq!((of_datagrams.chapters[0].program, of_datagrams.least_bytes), ("zero_copy_lb", 0));
    assert_eq!(of_datagrams.workloads.len(), datagrams::WORKLOADS.len());
    for flag in ["--files", "--datagrams"] {
        assert_eq!(plan(flag).unwrap().peers, [Peer::Nginx]);
        for shorter in ["--quick", "--seconds 0.5"] {
            let short = plan(&format!("{flag} {shorter}")).unwrap();
            assert_eq!((short.is_full, short.least_bytes), (false, 0), "{flag} {shorter}");
        }
        assert!(!plan(&format!("{flag} --rounds 3")).unwrap().is_full);
        assert!(plan(&format!("{flag} --workloads idle")).is_err());
        for other in ["--algorithms", "--growth", "--zero-copy", "--peers nginx", "--chapters 9", "--workers 2"] {
            assert_eq!(options(&format!("{flag} {other}")).unwrap_err().code, 64, "{flag} {other}");
        }
    }
    assert_eq!(options("--files --datagrams").unwrap_err().code, 64);
    let large = plan("--files --workloads file-8m --rounds 21").unwrap();
    assert_eq!((large.set.as_str(), large.is_full, large.least_bytes), ("file-8m", false, files::LEAST_BYTES));
}

#[cfg(target_os = "linux")]
#[test]
fn rungs_that_need_too_many_open_files_are_skipped_with_the_reason() {
    let mut growth = plan("--growth").unwrap();
    let all = growth.workloads.len();
    assert!(growth.skip_beyond(1 << 20).is_empty());
    let skipped = growth.skip_beyond(12_000);
    assert_eq!((skipped.len(), growth.workloads.len()), (3, all - 3));
    assert!(skipped[1].starts_with("clients-8000 is skipped: it needs 19584 open files, and the limit"), "{skipped:?}");
    for limit in [12_000, 20_000] {
        let small = plan("--growth").unwrap().small_pools(limit);
        assert!(matches!(&small[..], [line] if line.starts_with("backends-10000: ")), "{limit}: {small:?}");
    }
    assert!(plan("--").unwrap().small_pools(10).is_empty());
    assert!(plan("--").unwrap().skip_beyond(10).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn duration_is_estimated_from_all_rounds() {
    assert_eq!(plan("--growth").unwrap().estimate(455), "455 rounds of about 5.5 s: about 42 min");
    assert_eq!(plan("--growth --quick").unwrap().estimate(29), "29 rounds of about 1.1 s: about 31 s");
}

#[test]
fn names_that_do_not_exist_are_refused_with_those_that_do() {
    for (line, expected) in [
        ("--chapters 1", "there is no chapter '1' here; there are 2, 3"),
        ("--peers squid", "there is no peer 'squid' here; there are nginx, haproxy, pingora, envoy"),
        ("--workloads get", "there is no workload 'get' here; there are get-1, get-64"),
    ] {
        let why = plan(line).unwrap_err();
        assert!(why.starts_with(expected), "{why}");
    }
    for line in ["--rounds 0", "--seconds 0", "--seconds nan", "--workers 0", "--compare", "more", "--chapter 2"] {
        assert_eq!(options(line).unwrap_err().code, 64, "{line}");
    }
}
