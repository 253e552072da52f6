//! Builds with cargo from a tool, and reads the programs' paths from cargo's messages: a guessed path may be a stale
//! build.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that cargo has just built, or found up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The target's name: a binary, an example, or a test target.
    pub name: String,
    /// Its path.
    pub program: PathBuf,
}

/// Runs cargo in `root` with `args`, such as `["build", "-p", "chapter-03-load-balancer"]`.
///
/// `None` when the build fails, which cargo has explained on standard error. An error if cargo cannot be started.
pub fn build(root: &Path, args: &[&str]) -> io::Result<Option<Vec<Built>>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).args(["--quiet", "--message-format=json-render-diagnostics"]);
    let output = command.current_dir(root).stderr(Stdio::inherit()).output()?;
    Ok(output.status.success().then(|| programs(&String::from_utf8_lossy(&output.stdout))))
}

/// The programs in cargo's messages.
fn programs(messages: &str) -> Vec<Built> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let built = messages.filter_map(|message| {
        let (name, program) = (message["target"]["name"].as_str()?, message["executable"].as_str()?);
        Some(Built { name: name.to_owned(), program: program.into() })
    });
    built.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let messages = "{\"target\":{\"name\":\"common\"},\"executable\":null}\nnot json\n\
            {\"target\":{\"name\":\"checks\"},\"executable\":\"/t/checks-1\"}\n{}\n";
        assert_eq!(programs(messages), [Built { name: "checks".to_owned(), program: "/t/checks-1".into() }]);
    }

    #[test]
    fn a_missing_package_is_a_failed_build() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(build(root, &["build", "--offline", "-p", "no-such-package"]).unwrap(), None);
    }
}
