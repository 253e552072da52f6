//! The workspace's programs, and the paths of their builds.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use serde_json::Value;

use crate::root;

/// A program, as `cargo run` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Program {
    pub(crate) package: String,
    /// `bin` or `example`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
}

/// A package of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Package {
    default_run: Option<String>,
    /// Kind and name: `("bin", "load")`, `("test", "ladder")`.
    targets: Vec<(String, String)>,
}

impl Package {
    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        self.targets.iter().any(|(k, n)| k == kind && n == name)
    }

    /// The program that `cargo run` starts without `--bin`.
    pub(crate) fn default_bin(&self) -> Option<&str> {
        let mut bins = self.targets.iter().filter(|(kind, _)| kind == "bin").map(|(_, name)| name.as_str());
        self.default_run.as_deref().or_else(|| bins.next().filter(|_| bins.next().is_none()))
    }
}

/// All packages of the workspace, by name.
pub(crate) fn packages() -> &'static HashMap<String, Package> {
    static PACKAGES: OnceLock<HashMap<String, Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let output = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
        let metadata: Value = serde_json::from_slice(&output).expect("cargo metadata is JSON");
        let packages = metadata["packages"].as_array().expect("packages are listed");
        packages.iter().map(|package| (text(&package["name"]), read_package(package))).collect()
    })
}

fn read_package(package: &Value) -> Package {
    let targets = package["targets"].as_array().into_iter().flatten();
    let named = targets.flat_map(|target| {
        let kinds = target["kind"].as_array().into_iter().flatten();
        kinds.map(|kind| (text(kind), text(&target["name"]))).collect::<Vec<_>>()
    });
    Package { default_run: package["default_run"].as_str().map(str::to_owned), targets: named.collect() }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The program's path after a fresh build: a guessed path could be an old build.
pub(crate) fn built(program: &Program) -> PathBuf {
    static BUILT: OnceLock<Mutex<HashMap<Program, PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(program.clone()).or_insert_with(|| build(program)).clone()
}

fn build(program: &Program) -> PathBuf {
    let flag = format!("--{}", program.kind);
    let args = ["build", "--quiet", "-p", &program.package, &flag, &program.name, "--message-format", "json"];
    let output = cargo(&args);
    let messages = String::from_utf8_lossy(&output);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut ours = messages.filter(|message| message["target"]["name"] == program.name.as_str());
    let executable = ours.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.unwrap_or_else(|| panic!("cargo built no executable for {program:?}"))
}

fn cargo(args: &[&str]) -> Vec<u8> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = command.args(args).current_dir(root()).stdin(Stdio::null()).output().expect("cargo starts");
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The program's `--help`.
pub(crate) fn help(program: &Program) -> String {
    static HELP: OnceLock<Mutex<HashMap<Program, String>>> = OnceLock::new();
    let mut known = HELP.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let ask = || {
        let output = Command::new(built(program)).arg("--help").stdin(Stdio::null()).output();
        String::from_utf8_lossy(&output.expect("it was just built").stdout).into_owned()
    };
    known.entry(program.clone()).or_insert_with(ask).clone()
}
