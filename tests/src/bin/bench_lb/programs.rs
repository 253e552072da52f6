//! Our own programs, built by this tool, so that it measures the current sources.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::chapters::{Chapter, root};

/// The profile whose results are comparable.
pub(crate) const PROFILE: &str = "dist";

/// Where the built programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    directory: PathBuf,
    /// The profile in which they were built.
    pub(crate) profile: String,
}

impl Programs {
    /// Builds the chapters, the origin and the floor as this program was built: same profile, same directory.
    pub(crate) fn build(chapters: &[&Chapter]) -> io::Result<Self> {
        let own = env::current_exe()?;
        let directory = own.parent().ok_or_else(|| io::Error::other("this program has no directory"))?;
        let target = directory.parent().unwrap_or(directory);
        let programs = Self::at(directory);
        let mut command = cargo();
        command.args(["build", "--quiet", "--profile", &programs.profile, "--target-dir"]).arg(target);
        command.args(["-p", "integration-tests", "--bin", "origin", "--bin", "floor"]);
        for chapter in chapters {
            command.args(["-p", chapter.package, "--bin", chapter.program]);
        }
        run(command)?;
        Ok(programs)
    }

    /// The programs in `directory`, however they were built.
    pub(crate) fn at(directory: &Path) -> Self {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        // Cargo's exception: the directory of profile `dev` is `debug`.
        let profile = if name == "debug" { "dev".to_owned() } else { name.into_owned() };
        Self { directory: directory.to_owned(), profile }
    }

    /// The program called `name`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Builds a program of one file, by its path in the repository, with the system's C compiler.
    ///
    /// # Errors
    /// In one line: there is no compiler, or it fails.
    pub(crate) fn build_c(&self, source: &Path) -> Result<PathBuf, String> {
        let program = self.path(&source.file_stem().unwrap_or_default().to_string_lossy());
        let mut command = Command::new("cc");
        command.args(["-O2", "-o"]).arg(&program).arg(root().join(source)).stdin(Stdio::null());
        match command.output() {
            Ok(output) if output.status.success() => Ok(program),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(format!("cc fails: {}", said.lines().next().unwrap_or_default()))
            }
            Err(error) => Err(format!("no C compiler (cc): {error}")),
        }
    }

    /// For results that are not committed: next to the programs' directory.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.directory.parent().unwrap_or(&self.directory).join(name)
    }
}

/// Builds the peer that is a separate crate.
pub(crate) fn build_peer(manifest: &Path, target: &Path) -> io::Result<()> {
    let mut command = cargo();
    command.args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(target);
    run(command)
}

/// The program's `--help`.
pub(crate) fn help(program: &Path) -> io::Result<String> {
    let named = |error| io::Error::other(format!("{}: {error}", program.display()));
    let output = Command::new(program).arg("--help").output().map_err(named)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Cargo's messages go to stderr.
fn run(mut command: Command) -> io::Result<()> {
    let status = command.status().map_err(|error| io::Error::other(format!("cannot run cargo: {error}")))?;
    if status.success() { Ok(()) } else { Err(io::Error::other("the build failed")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_is_told_by_the_directory() {
        for (directory, profile) in [("target/dist", "dist"), ("target/debug", "dev"), ("t/release", "release")] {
            assert_eq!(Programs::at(Path::new(directory)).profile, profile);
        }
        let programs = Programs::at(Path::new("target/dist"));
        assert_eq!(programs.path("floor"), Path::new("target/dist/floor"));
        assert_eq!(programs.scratch("bench"), Path::new("target/bench"));
    }
}
