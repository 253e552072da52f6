//! `cargo show N --fast`: each demonstration checks its own statements, so a wrong one fails here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn show(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_show")).args(args).output().unwrap()
}

fn is_shown(chapter: &str) {
    let output = show(&[chapter, "--fast"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with(&format!("Chapter {chapter}: ")), "{said}");
    assert!(said.trim_end().ends_with("checked as it happened."), "{said}");
    let shown = said.lines().filter(|line| line.starts_with("   | ")).count();
    assert!(shown > 8, "{said}");
}

#[test]
fn chapter_1_is_shown() {
    is_shown("1");
}

#[test]
fn chapter_2_is_shown() {
    is_shown("2");
}

#[test]
fn chapter_3_is_shown() {
    is_shown("3");
}

#[test]
fn chapter_5_is_shown() {
    is_shown("5");
}

#[test]
fn chapter_4_is_shown() {
    is_shown("4");
}

#[test]
fn chapter_6_is_shown() {
    is_shown("6");
}

#[test]
fn chapter_7_is_shown() {
    is_shown("7");
}

#[test]
fn chapter_8_is_shown() {
    is_shown("8");
}

#[test]
fn chapter_9_is_shown() {
    is_shown("9");
}

/// Shows one part of a chapter, and returns what it says.
fn part(chapter: &str, part: &str) -> String {
    let output = show(&[chapter, "--part", part, "--fast"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("== Part ").count(), 1, "{said}");
    assert!(said.contains(&format!("== Part {part}: ")) && said.contains("\n   (explained in chapter-"), "{said}");
    assert!(said.trim_end().ends_with("checked as it happened."), "{said}");
    said
}

#[test]
fn one_part_is_shown_alone() {
    part("4", "4");
}

#[test]
fn the_live_view_of_chapter_8_shows_a_backend_that_goes_down_and_comes_back() {
    let said = part("8", "2");
    let rows = said.lines().filter_map(|line| line.strip_prefix("   | ")?.split_once(" s  "));
    let states: Vec<_> = rows.filter_map(|(_, states)| states.split_whitespace().next()).collect();
    let down = states.iter().position(|state| *state == "DOWN").unwrap_or_else(|| panic!("never down: {said}"));
    assert!(down > 0 && states[0] == "UP" && states.last() == Some(&"UP"), "{said}");
}

#[test]
fn the_second_part_of_chapter_9_shows_flows_and_files() {
    let said = part("9", "2");
    assert!(said.contains("chapter-09-zero-copy/parts/4-udp.md"), "{said}");
    for shown in [
        "client A: echo-1, echo-1, echo-1",
        "client B: echo-2, echo-2, echo-2",
        "datagrams to backends 6 (24 bytes)",
        "client A: (lost), echo-3",
        "datagrams to backends 9 (36 bytes)",
        "dropped max_flows 1",
        "dropped draining 1",
        "ended drained 3",
        "bytes by sendfile: 8000000, bytes by copy: 0",
        "bytes by sendfile: 0, bytes by copy: 8000000",
        "206, Content-Range: bytes 0-13/8000000",
        "304, 0 bytes",
        "404",
    ] {
        assert!(said.lines().any(|line| line == format!("   | {shown}")), "{shown:?} is not shown: {said}");
    }
}

#[test]
fn an_unknown_chapter_or_part_is_refused_in_one_line() {
    for wrong in [
        &["11"][..],
        &["x"],
        &[],
        &["1", "2"],
        &["4", "--part", "0"],
        &["4", "--part", "6"],
        &["4", "--part", "x"],
        &["8", "--part", "3"],
        &["9", "--part", "3"],
        &["3", "--part", "1"],
    ] {
        let output = show(wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1, "{wrong:?}");
    }
}
