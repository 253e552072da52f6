//! `cargo show N --fast`: each demonstration checks what it says, and so fails here if it would lie.
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
fn an_unknown_chapter_is_refused_in_one_line() {
    for wrong in [&["11"][..], &["x"], &[], &["1", "2"]] {
        let output = show(wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1, "{wrong:?}");
    }
}
