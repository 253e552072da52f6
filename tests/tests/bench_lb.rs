//! `bench_lb` as a black box: it measures, its figures are plausible, and it leaves no process behind.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use integration_tests::wait::{TEST_TIMEOUT, eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// More than cargo needs to build everything that is measured.
#[cfg(target_os = "linux")]
const A_BUILD: Duration = Duration::from_mins(20);

fn bench_lb(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench_lb"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(words: &[&str]) -> Output {
    bench_lb(words).output().expect("it starts")
}

/// The number at `path` in an object of objects.
fn number(value: &Value, path: &[&str]) -> f64 {
    let found = path.iter().fold(value, |value, key| &value[*key]);
    found.as_f64().unwrap_or_else(|| panic!("{path:?} is not a number in {value}"))
}

#[cfg(target_os = "linux")]
#[test]
fn quick_run_gives_sane_figures() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    // It builds chapter 3 in its own profile; in a workspace that is built already this takes about a second.
    let output = run(&[
        "--quick",
        "--rounds",
        "1",
        "--seconds",
        "0.3",
        "--chapters",
        "3",
        "--peers",
        "",
        "--workloads",
        "get-64,idle",
        "--out",
        out,
    ]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("get-64: ") && stdout.contains("chapter 3"), "{stdout}");

    let text = fs::read_to_string(directory.path().join("get-64+idle.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(number(&report, &["about", "machine", "cores"]) >= 1.0);
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), 4, "two workloads, chapter 3 and the floor: {stdout}");
    for result in results {
        let round = &result["rounds"][0];
        assert!(number(round, &["requests"]) > 50.0, "{result}");
        assert!(number(round, &["errors"]) < 0.5, "{result}");
        if result["workload"] == "get-64" {
            let cpu = number(result, &["medians", "cpu_us", "median"]);
            assert!(cpu > 0.5 && cpu < 100_000.0, "{result}");
            assert!(number(result, &["medians", "p50_us", "median"]) > 1.0, "{result}");
            assert!(number(result, &["ratios", "floor", "median"]) > 0.1, "{result}");
        }
    }
    let is_drawn = |name: &str| Path::new(out).join(name).exists();
    assert!(is_drawn("ladder.svg") && is_drawn("memory.svg"));

    let file = directory.path().join("get-64+idle.json");
    let same = run(&["--compare", file.to_str().unwrap(), file.to_str().unwrap()]);
    assert!(same.status.success() && String::from_utf8_lossy(&same.stdout).contains("0 of "), "{same:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn load_aware_algorithms_avoid_a_slow_backend() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let output = run(&["--algorithms", "--rounds", "1", "--seconds", "0.3", "--out", out]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");

    let text = fs::read_to_string(directory.path().join("algorithms.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), 11, "{stdout}");
    assert_eq!(report["table"]["rows"].as_array().unwrap().len(), 11);
    for result in results {
        let share = number(result, &["medians", "slow_percent", "median"]);
        let name = result["target"].as_str().unwrap();
        // A third each, with slack for chance, for the distribution on a ring, and for a window of a few hundred
        // requests.
        let expected = if ["lc", "wlc", "p2c", "ewma"].contains(&name) { 0.0..10.0 } else { 15.0..60.0 };
        assert!(expected.contains(&share), "{name}: {share} %");
        assert!(number(&result["rounds"][0], &["errors"]) < 0.5, "{result}");
    }
    assert!(directory.path().join("algorithms.svg").exists());
    assert!(!directory.path().join("pages.json").exists(), "only a ladder run writes it");
}

#[cfg(target_os = "linux")]
#[test]
fn quick_growth_compares_each_target_with_its_own_first_rung() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let output = run(&["--growth", "--quick", "--seconds", "0.2", "--out", out]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains(" rounds of about ") && stdout.contains("×first rung"), "{stdout}");

    let text = fs::read_to_string(directory.path().join("growth.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let results = report["results"].as_array().unwrap();
    let of = |workload: &str| results.iter().filter(|result| result["workload"] == workload).collect::<Vec<_>>();
    // HAProxy is not installed everywhere.
    assert!(of("backends-3").len() >= 11 && of("backends-10").len() >= 3, "{stdout}");
    for workload in ["routes-1", "routes-1000", "clients-64", "clients-512", "checks-3"] {
        assert_eq!(of(workload)[0]["target"], "rr", "{workload}");
    }
    for result in results {
        assert!(number(&result["rounds"][0], &["errors"]) < 0.5, "{result}");
        // The window may be too short for a check, and then there is nothing to divide by.
        if result["workload"] == "checks-3" {
            continue;
        }
        assert!(number(&result["rounds"][0], &["requests"]) > 50.0, "{result}");
        let factor = number(result, &["ratios", "first_rung", "median"]);
        let is_first = ["backends-3", "routes-1", "clients-64"].contains(&result["workload"].as_str().unwrap());
        assert!(factor > 0.1 && (!is_first || (factor - 1.0).abs() < f64::EPSILON), "{result}");
    }
    assert!(number(of("checks-3")[0], &["medians", "cpu_ms_per_s", "median"]) < 100.0);
    assert!(directory.path().join("growth.svg").exists());
    assert!(!directory.path().join("pages.json").exists(), "only a ladder run writes it");
}

#[cfg(target_os = "linux")]
#[test]
fn quick_run_of_zero_copy_compares_splicing_with_copying() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let output = run(&["--zero-copy", "--quick", "--seconds", "0.2", "--out", out]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");

    let text = fs::read_to_string(directory.path().join("zero-copy.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let results = report["results"].as_array().unwrap();
    let of = |workload: &str| -> Vec<&str> {
        let entries = results.iter().filter(|result| result["workload"] == workload);
        entries.filter_map(|result| result["target"].as_str()).collect()
    };
    let [splice, at_once, http, copy] = ["splice", "at once", "http", "copy"].map(|way| format!("chapter 9 {way}"));
    // HAProxy, nginx and a C compiler are not installed everywhere.
    let bulk: Vec<_> = of("bulk-8m").into_iter().filter(|target| *target != "C splice loop").collect();
    assert_eq!(bulk[..5], ["floor", "chapter 6", &splice, &http, &copy], "{stdout}");
    let has_loop = of("bulk-8m").contains(&"C splice loop");
    assert!(
        has_loop || format!("{stdout}{stderr}").contains("C splice loop is skipped: no C compiler"),
        "{stdout}{stderr}"
    );
    assert_eq!(of("session-128")[..3], ["floor", &splice, &copy], "{stdout}");
    for workload in ["pipe-4k", "pipe-1m"] {
        assert_eq!(of(workload), [&splice, &copy], "{stdout}");
    }
    for workload in ["body-1k", "body-1m"] {
        assert_eq!(of(workload), [&splice, &at_once, &copy], "{stdout}");
    }
    for result in results {
        assert!(number(&result["rounds"][0], &["errors"]) < 0.5, "{result}");
        let is_ours = result["target"].as_str().unwrap().starts_with("chapter 9");
        assert!(!is_ours || number(result, &["ratios", "copy", "median"]) > 0.05, "{result}");
    }
    assert!(directory.path().join("zero-copy.svg").exists());
    assert!(!directory.path().join("pages.json").exists(), "only a ladder run writes it");
}

#[cfg(target_os = "linux")]
#[test]
fn quick_runs_of_files_and_datagrams_measure_ours_beside_nginx() {
    for (flag, set, workloads) in
        [("--files", "files", &["file-8m", "file-1k"][..]), ("--datagrams", "datagrams", &["udp-64"])]
    {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().to_str().unwrap();
        let output = run(&[flag, "--quick", "--seconds", "0.3", "--out", out]);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{stdout}{stderr}");

        let text = fs::read_to_string(directory.path().join(format!("{set}.json"))).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        let results = report["results"].as_array().unwrap();
        for workload in workloads {
            let of = results.iter().filter(|result| result["workload"] == *workload);
            let targets: Vec<_> = of.filter_map(|result| result["target"].as_str()).collect();
            let ours: &[&str] =
                if set == "files" { &["chapter 9 files", "chapter 9 files, copied"] } else { &["chapter 9 udp"] };
            assert!(ours.iter().all(|name| targets.contains(name)), "{workload}: {targets:?} {stdout}");
            // nginx is not installed everywhere, and its module less often.
            let has_nginx = targets.iter().any(|name| name.starts_with("nginx "));
            assert!(has_nginx || stdout.contains("is skipped: "), "{workload}: {targets:?} {stdout}");
            assert!(!report[*workload]["rows"].as_array().unwrap().is_empty(), "a table for the page");
        }
        for result in results {
            let name = result["target"].as_str().unwrap();
            assert!(number(result, &["medians", "cpu_us", "median"]) > 0.5, "{result}");
            if name.starts_with("chapter 9") {
                assert!(number(&result["rounds"][0], &["requests"]) > 5.0, "{result}");
            }
            // On a busy machine a datagram may be lost in a full queue; a response may not.
            assert!(set == "datagrams" || number(&result["rounds"][0], &["errors"]) < 0.5, "{result}");
        }
        assert!(!directory.path().join("pages.json").exists(), "only a ladder run writes it");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn interrupt_ends_it_and_its_programs() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    // The floor alone: no chapter to build.
    let words = ["--chapters", "", "--peers", "", "--workloads", "get-1", "--seconds", "60", "--out", out];
    let mut child = bench_lb(&words).spawn().expect("it starts");
    let pid = child.id();
    let descendants = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    // An origin and the floor; cargo, which runs before them, is one. It may wait for the build lock of another test.
    let started = eventually(A_BUILD, || {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        let pids: Vec<String> = descendants().split_whitespace().map(str::to_owned).collect();
        (pids.len() == 2).then_some(pids)
    });
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT).unwrap();
    let ended = eventually(TEST_TIMEOUT, || child.try_wait().unwrap());
    if ended.is_none() {
        let _ = child.kill();
    }
    assert_eq!(ended.expect("it ends").code(), Some(1));
    for pid in started.expect("its programs started") {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is left behind");
    }
    assert!(!directory.path().join("get-1.json").exists());
}

#[test]
fn bad_input_is_one_clear_line() {
    for (words, expected) in [
        (&["--chapters", "1"][..], "there is no chapter '1' here"),
        (&["--workloads", "fast"], "there is no workload 'fast' here"),
        (&["--peers", "squid"], "there is no peer 'squid' here"),
        (&["--algorithms", "--peers", "nginx"], "cannot be used with"),
        (&["--growth", "--algorithms"], "cannot be used with"),
        (&["--files", "--datagrams"], "cannot be used with"),
        (&["--growth", "--workloads", "idle"], "cannot be used with"),
        (&["--rounds", "many"], "invalid value 'many'"),
        (&["--chapter", "3"], "did you mean '--chapters'?"),
    ] {
        let output = run(words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{words:?}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
    }
    let output = run(&["--compare", "/none/such.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/none/such.json: "), "{output:?}");
}
