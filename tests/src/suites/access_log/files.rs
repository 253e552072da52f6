//! The file: rotated, truncated, moved away, and complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use nix::sys::signal::Signal;

use super::{LogFile, admin, parse, read_lines};
use crate::Context;
use crate::backend::Backend;
use crate::case::cases;
use crate::suites::support::run_in_parallel;
use crate::wait::{TEST_TIMEOUT, ms, pause, until};

cases! { "access_log";
    Fast every_request_has_one_whole_line,
    Fast no_line_is_lost_when_the_file_is_rotated_under_load,
    Fast a_file_that_was_moved_away_is_reopened_without_being_told,
    Fast a_truncated_file_is_continued,
    Fast what_cannot_be_reopened_is_said_and_the_old_file_goes_on,
    Fast two_programs_write_to_one_file,
}

fn backend() -> Backend {
    Backend::keeping_alive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

/// The ids in the lines, which must all be whole.
fn ids(lines: &[String]) -> BTreeSet<String> {
    parse(lines).iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect()
}

fn every_request_has_one_whole_line(ctx: &Context) {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 1_000;
    let (log, backend) = (LogFile::new(), backend());
    let mut program = ctx.start(&[backend.addr()], &["--access-log", &log.path(), "--workers", "4"]);
    run_in_parallel(CLIENTS, |_| {
        let mut client = program.client();
        (0..REQUESTS).for_each(|_| assert_eq!(client.get("/").status(), 200));
    });
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    let lines = log.lines();
    assert_eq!((lines.len(), ids(&lines).len()), (CLIENTS * REQUESTS, CLIENTS * REQUESTS));
    assert!(fs::read(log.path()).unwrap().ends_with(b"\n"));
}

fn no_line_is_lost_when_the_file_is_rotated_under_load(ctx: &Context) {
    const ROTATIONS: usize = 10;
    let (log, backend) = (LogFile::new(), backend());
    let (rotated_all, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut program =
        ctx.start(&[backend.addr()], &["--access-log", &log.path(), "--workers", "2", "--admin", "127.0.0.1:0"]);
    run_in_parallel(3, |index| {
        if index > 0 {
            let mut client = program.client();
            while !rotated_all.load(SeqCst) {
                assert_eq!(client.get("/").status(), 200);
                requests.fetch_add(1, SeqCst);
            }
            return;
        }
        for number in 0..ROTATIONS {
            let before = log.lines().len();
            until("there are more lines", || log.lines().len() > before);
            fs::rename(log.path(), log.file(&format!("access.log.{number}"))).unwrap();
            let answer = admin(&program).request_ok("POST", "/log/reopen", "");
            assert_eq!(answer["reopened"], log.path());
            assert!(Path::new(&log.path()).exists(), "it is there when that is answered");
        }
        rotated_all.store(true, SeqCst);
    });
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(TEST_TIMEOUT), 0);
    let mut lines = log.lines();
    for number in 0..ROTATIONS {
        let rotated = read_lines(Path::new(&log.file(&format!("access.log.{number}"))));
        assert!(!rotated.is_empty(), "{number}");
        lines.extend(rotated);
    }
    let all = requests.load(SeqCst);
    assert_eq!((lines.len(), ids(&lines).len()), (all, all));
}

fn a_file_that_was_moved_away_is_reopened_without_being_told(ctx: &Context) {
    let (log, backend) = (LogFile::new(), backend());
    let program = ctx.start(&[backend.addr()], &["--access-log", &log.path()]);
    let mut client = program.client();
    client.get("/");
    log.wait_for(1);
    fs::rename(log.path(), log.file("access.log.1")).unwrap();
    until("there is a new file", || Path::new(&log.path()).exists());
    client.get("/");
    log.wait_for(1);
    assert_eq!(read_lines(Path::new(&log.file("access.log.1"))).len(), 1);
}

fn a_truncated_file_is_continued(ctx: &Context) {
    let (log, backend) = (LogFile::new(), backend());
    fs::write(log.path(), "{\"an\": \"earlier line\"}\n").unwrap();
    let program = ctx.start(&[backend.addr()], &["--access-log", &log.path()]);
    let mut client = program.client();
    client.get("/");
    log.wait_for(2);
    fs::write(log.path(), "").unwrap(); // copytruncate
    client.get("/");
    let [line] = log.wait_for(1).try_into().unwrap();
    assert!(line.starts_with("{\"time\""), "no hole of zeros: {line}");
}

fn what_cannot_be_reopened_is_said_and_the_old_file_goes_on(ctx: &Context) {
    let backend = backend();
    let dir = tempfile::tempdir().unwrap();
    let (inner, kept) = (dir.path().join("inner"), dir.path().join("kept"));
    fs::create_dir(&inner).unwrap();
    let path = inner.join("log").display().to_string();
    let program = ctx.start(&[backend.addr()], &["--access-log", &path, "--admin", "127.0.0.1:0"]);
    let mut client = program.client();
    client.get("/");
    until("it is written", || read_lines(&inner.join("log")).len() == 1);
    fs::rename(&inner, &kept).unwrap();
    let (status, body) = admin(&program).request("POST", "/log/reopen", "");
    assert!(status == 500 && body["error"].as_str().unwrap().contains(&path), "{status} {body}");
    client.get("/");
    until("it goes on", || read_lines(&kept.join("log")).len() == 2);
    until("it is said", || program.stderr().contains("cannot reopen"));
    pause(ms(2_500)); // two more attempts
    assert_eq!(program.stderr().matches("cannot reopen").count(), 1, "once: {}", program.stderr());
    fs::create_dir(&inner).unwrap();
    until("it is reopened once it can be", || inner.join("log").exists());
    for (flags, says) in [(&[][..], "no access log"), (&["--access-log", "-"], "standard output")] {
        let program = ctx.start(&[backend.addr()], &[&["--admin", "127.0.0.1:0"], flags].concat());
        let (status, body) = admin(&program).request("POST", "/log/reopen", "");
        assert!(status == 409 && body["error"].as_str().unwrap().contains(says), "{status} {body}");
        assert_eq!(admin(&program).request("GET", "/log/reopen", "").0, 405);
    }
}

fn two_programs_write_to_one_file(ctx: &Context) {
    let (log, backend) = (LogFile::new(), backend());
    let path = log.path();
    let programs = [(); 2].map(|()| ctx.start(&[backend.addr()], &["--access-log", &path]));
    run_in_parallel(2, |index| {
        let mut client = programs[index].client();
        (0..1_000).for_each(|_| assert_eq!(client.get("/").status(), 200));
    });
    assert_eq!(ids(&log.wait_for(2_000)).len(), 2_000);
}
