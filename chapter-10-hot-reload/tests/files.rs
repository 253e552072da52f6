//! Files that nobody should be able to misread: each is checked by the program, and what it says is compared with what is
//! checked in beside the file.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p chapter-10-hot-reload --test files` rewrites those; read each of them then.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Runs the program in the directory of the files, so that names are short and the same everywhere.
fn config_test(args: &[&str]) -> Output {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
    Command::new(env!("CARGO_BIN_EXE_config_test"))
        .args(args)
        .current_dir(directory)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints UTF-8")
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
    let entries = fs::read_dir(directory).expect("the directory is there").flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("the files have plain names")
}

#[test]
fn each_file_is_refused_with_what_is_checked_in() {
    let files = files();
    assert!(files.len() >= 60, "{} files", files.len());
    let mut faults = Vec::new();
    for path in &files {
        let output = config_test(&[name(path)]);
        assert!(output.stdout.is_empty() || name(path).starts_with("warn-"), "{path:?}");
        let said = format!("exit code {}\n\n{}", output.status.code().unwrap(), text(&output.stderr));
        let snapshot = path.with_extension("txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&snapshot, &said).unwrap();
        }
        if fs::read_to_string(&snapshot).unwrap_or_default() != said {
            faults.push(format!("--- {}\n{said}", name(path)));
        }
    }
    assert!(faults.is_empty(), "{} differ from their snapshots:\n{}", faults.len(), faults.join("\n"));
}

/// Files that cannot be checked in.
#[test]
fn what_is_no_file_or_a_strange_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let written = |name: &str, content: &[u8]| {
        fs::write(path(name), content).unwrap();
        path(name)
    };
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let backends = |count: usize| format!("{{\"backends\": [{}]}}", vec!["\"127.0.0.1:9\""; count].join(","));
    for (path, code, message) in [
        (path("none.json"), "missing-file", "no such file"),
        (directory.path().to_owned(), "unreadable-file", "this is a directory; expected a file"),
        (path("fifo"), "unreadable-file", "this is not a regular file; expected a file"),
        (PathBuf::from("/dev/null"), "unreadable-file", "this is not a regular file; expected a file"),
        (written("50-mb.json", &vec![b' '; 50_000_000]), "too-large", "the file is larger than 16 MiB"),
        (written("deep.json", &vec![b'['; 1_000_000]), "too-deep", "this is nested more than 64 levels deep"),
        (written("garbage.json", &vec![b'?'; 1_000_000]), "syntax", "expected a value"),
        (written("zeros.json", &vec![0; 1_000_000]), "syntax", "expected a value"),
        (written("commas.json", &vec![b','; 1_000_000]), "syntax", "expected a value"),
        (written("many-errors.json", "[?,".repeat(1_000_000).as_bytes()), "syntax", "expected a value"),
        (written("twice.json", backends(10_000).as_bytes()), "duplicate-key", "and 9979 more"),
        (
            written("million.json", backends(1_000_000).as_bytes()),
            "too-large",
            "1000000 backends; a group has at most 10000",
        ),
    ] {
        let output = config_test(&[path.to_str().unwrap()]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{path:?}: {said}");
        assert!(said.contains(&format!("error[{code}]")) && said.contains(message), "{path:?}: {said}");
        assert!(said.len() < 30_000 && output.stdout.is_empty(), "{path:?}: {} bytes", said.len());
    }
}

/// Without a name it is the one in the current directory, else the bundled one, which has no fault and no warning.
#[test]
fn the_bundled_file_is_checked_when_none_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let run = || Command::new(env!("CARGO_BIN_EXE_config_test")).current_dir(directory.path()).output().unwrap();
    let output = run();
    let expected = format!("{}/lb.json: valid\n", env!("CARGO_MANIFEST_DIR"));
    assert_eq!((text(&output.stdout), text(&output.stderr)), (expected, String::new()));
    fs::write(directory.path().join("lb.json"), "{}").unwrap();
    assert!(text(&run().stderr).ends_with("lb.json: invalid, 1 error\n"));
}

/// A name that does not resolve now may do so later.
#[test]
fn a_name_without_an_address_is_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lb.json");
    fs::write(&path, "{\"backends\": [\"no-such-host.invalid:80\", \"localhost:9001\"]}").unwrap();
    let output = config_test(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    assert!(said.contains("warning[unresolvable]: backends[0]: 'no-such-host.invalid' does not resolve"), "{said}");
    assert!(text(&output.stdout).ends_with("lb.json: valid, 1 warning\n"));
}

/// What is said fits on one screen, names the file and ends with a verdict; a warning does not refuse a file.
#[test]
fn each_report_is_short_and_names_its_file() {
    for path in files() {
        let output = config_test(&[name(&path)]);
        let said = text(&output.stderr);
        let is_warned = name(&path).starts_with("warn-");
        assert_eq!(output.status.code(), Some(i32::from(!is_warned)), "{path:?}: {said}");
        assert!(said.contains(&format!("--> {}", name(&path))) || said.contains("--> included"), "{path:?}: {said}");
        let shown = said.matches("error[").count() + said.matches("warning[").count();
        assert!(shown <= 20 && said.lines().count() <= 20 * 12, "{path:?}: {shown} shown");
        assert!(said.lines().all(|line| line.chars().count() <= 400), "{path:?}: a long line");
    }
}

/// Both say the same: every diagnostic has a code, a place that counts from 1, and a message.
#[test]
fn the_json_report_agrees_with_the_text() {
    for path in files() {
        let output = config_test(&[name(&path), "--format", "json"]);
        assert!(output.stderr.is_empty(), "{path:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let said = text(&config_test(&[name(&path)]).stderr);
        let diagnostics = report["diagnostics"].as_array().unwrap();
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic["severity"] == "error").count();
        assert_eq!(
            (report["errors"].as_u64(), report["valid"].as_bool()),
            (Some(errors as u64), Some(errors == 0)),
            "{path:?}"
        );
        for diagnostic in diagnostics.iter().take(20) {
            let (code, message) = (diagnostic["code"].as_str().unwrap(), diagnostic["message"].as_str().unwrap());
            assert!(said.contains(&format!("[{code}]")), "{path:?}: {diagnostic}");
            // The text replaces characters that a terminal would not show.
            assert!(said.contains(message) || message.contains('\\'), "{path:?}: {message}");
            if !diagnostic["line"].is_null() {
                let place =
                    format!("{}:{}:{}", diagnostic["file"].as_str().unwrap(), diagnostic["line"], diagnostic["column"]);
                assert!(said.contains(&place), "{path:?}: {place} in\n{said}");
            }
        }
    }
}
