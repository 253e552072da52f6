//! The peers of the comparison: their programs, their versions, and how to install a missing one.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{chapters::root, programs, target::Kind};

/// Directories of installed servers that are not in every user's PATH.
const SERVER_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Nginx,
    HaProxy,
    Pingora,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Nginx, Self::HaProxy, Self::Pingora];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Pingora => "pingora",
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Nginx => Kind::Nginx,
            Self::HaProxy => Kind::HaProxy,
            Self::Pingora => Kind::Pingora,
        }
    }

    /// The program and its version, or how to get it. Pingora is built only when it was `named`: that takes minutes.
    pub(crate) fn find(self, named: bool) -> io::Result<Result<(PathBuf, String), String>> {
        let package = match self {
            Self::Pingora => return Ok(pingora(named)),
            Self::Nginx => "nginx-light",
            Self::HaProxy => "haproxy",
        };
        let Some(program) = find(self.name()) else {
            return Ok(Err(format!("{} is skipped: not installed (apt-get install {package})", self.name())));
        };
        let output = Command::new(&program).arg("-v").output()?;
        let text = [output.stdout, output.stderr].concat();
        let version = version_in(&String::from_utf8_lossy(&text)).unwrap_or_else(|| "unknown".to_owned());
        Ok(Ok((program, version)))
    }
}

/// The program called `name`, in PATH or in a directory for servers.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(SERVER_DIRECTORIES.iter().map(PathBuf::from));
    directories.map(|directory| directory.join(name)).find(|program| program.is_file())
}

fn pingora(named: bool) -> Result<(PathBuf, String), String> {
    let manifest = root().join("tests/bench/peers/pingora/Cargo.toml");
    let directory = root().join("target/peers");
    let program = directory.join("release/pingora-peer");
    if !named && !program.is_file() {
        return Err("pingora is skipped: not built (name it in --peers to build it)".to_owned());
    }
    // Built even if it exists: it may be older than its sources.
    if let Err(error) = programs::build_peer(&manifest, &directory) {
        return Err(format!("pingora is skipped: {error}; it needs cmake"));
    }
    let lock = fs::read_to_string(manifest.with_file_name("Cargo.lock")).unwrap_or_default();
    let version = locked_version(&lock, "pingora").unwrap_or_else(|| "unknown".to_owned());
    Ok((program, version))
}

/// The first word that looks like a version, in the first line that has one: `nginx version: nginx/1.24.0 (Ubuntu)`,
/// `HAProxy version 2.8.5-1ubuntu3 2024/04/01 - …`.
fn version_in(text: &str) -> Option<String> {
    let words = text.lines().next()?.split_whitespace();
    let bare = words.map(|word| word.rsplit_once("nginx/").map_or(word, |(_, version)| version));
    bare.filter(|word| word.contains('.'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next().map(str::to_owned)
}

/// The directory of the peers' configuration templates.
pub(crate) fn templates() -> PathBuf {
    root().join(Path::new("tests/bench/peers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, version) in [
            ("nginx version: nginx/1.24.0 (Ubuntu)\n", "1.24.0"),
            (
                "HAProxy version 2.8.16-0ubuntu0.24.04.1 2025/01/01 - https://haproxy.org/\nStatus: x",
                "2.8.16-0ubuntu0.24.04.1",
            ),
        ] {
            assert_eq!(version_in(text).as_deref(), Some(version));
        }
        assert_eq!(version_in("no such option"), None);
        let lock = "name = \"pingora-core\"\nversion = \"0.7.0\"\n\nname = \"pingora\"\nversion = \"0.6.0\"\n";
        assert_eq!(locked_version(lock, "pingora").as_deref(), Some("0.6.0"));
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find("sh").is_some());
        assert_eq!(find("no such program"), None);
    }
}
