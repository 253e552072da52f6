//! The path of a request target, decoded to a path below the root.
//!
//! One rule replaces a list of attacks: a segment is refused if no file that we serve can have this name. A name with a
//! `/`, a NUL or a backslash was encoded to be read differently by someone else; an empty one would make
//! `//host/` of a redirect's `Location`, which names another server; and one that begins with a dot is `.`, `..` or
//! hidden. So no decoded path contains `..`, and [`Root`](super::root::Root) need not rely on that.

use std::path::{Path, PathBuf};
use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

/// The only visible name with a dot, as the first segment (RFC 8615): certificate authorities ask for files in it.
const WELL_KNOWN: &[u8] = b".well-known";

/// The file that represents a directory.
const INDEX: &str = "index.html";

/// Why a path names no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathError {
    /// A `%` without two hexadecimal digits.
    Malformed,
    /// No file that is served can have this name.
    Unservable,
}

/// A decoded path, relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestPath(PathBuf);

impl RequestPath {
    /// Decodes the path of `target`, which may have a query. A path that ends in a slash is that of a directory's
    /// index file.
    pub(super) fn parse(target: &[u8]) -> Result<Self, PathError> {
        let path = path_of(target);
        // An absolute-form target without a path has an empty one, which is `/` (RFC 9110 §4.2.3).
        let (inside, names_directory) = match path.strip_prefix(b"/").unwrap_or(path) {
            [] => return Ok(Self(INDEX.into())),
            [inside @ .., b'/'] => (inside, true),
            inside => (inside, false),
        };
        let mut decoded = PathBuf::new();
        for (index, segment) in inside.split(|byte| *byte == b'/').enumerate() {
            let name = percent_decode(segment).ok_or(PathError::Malformed)?;
            if !is_servable(&name, index == 0) {
                return Err(PathError::Unservable);
            }
            decoded.push(OsString::from_vec(name));
        }
        if names_directory {
            decoded.push(INDEX);
        }
        Ok(Self(decoded))
    }

    /// Relative, and without `.` and `..`.
    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }
}

/// `target` without its query.
pub(super) fn path_of(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'?').next().unwrap_or(target)
}

fn is_servable(name: &[u8], is_first: bool) -> bool {
    let hidden = name.starts_with(b".") && !(is_first && name == WELL_KNOWN);
    !name.is_empty() && !hidden && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0))
}

/// Each `%` and two hexadecimal digits as the byte they stand for (RFC 3986 §2.1).
fn percent_decode(segment: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => (digit(*high)? * 16 + digit(*low)?, after),
            (b'%', _) => return None,
            (byte, after) => (*byte, after),
        };
        decoded.push(byte);
        rest = after;
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(target: &str) -> Result<String, PathError> {
        RequestPath::parse(target.as_bytes()).map(|path| path.as_path().to_str().unwrap().to_owned())
    }

    #[test]
    fn decodes_paths_and_completes_directories() {
        for (target, expected) in [
            ("/", "index.html"),
            ("", "index.html"),
            ("?query", "index.html"),
            ("/a.txt", "a.txt"),
            ("/a.txt?v=/../1", "a.txt"),
            ("/a/b/", "a/b/index.html"),
            ("/a%20b/%C3%A4.txt", "a b/\u{e4}.txt"),
            ("/%61%2Etxt", "a.txt"),
            ("/a..b/c...", "a..b/c..."),
            ("/%252e%252e/x", "%2e%2e/x"),
            ("/.well-known/acme-challenge/token", ".well-known/acme-challenge/token"),
        ] {
            assert_eq!(parse(target).as_deref(), Ok(expected), "{target}");
        }
    }

    #[test]
    fn refuses_names_that_no_served_file_has() {
        for target in [
            "/..",
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/.%2E/x",
            "/%2e",
            "/./x",
            "/a/.",
            "/%2fetc/passwd",
            "/a%2f..%2fx",
            "/a%5c..%5cx",
            "/a%00.txt",
            "//host/x",
            "/a//b",
            "//",
            "/.git/config",
            "/.htaccess",
            "/%2egit/config",
            "/a/.well-known/x",
        ] {
            assert_eq!(parse(target), Err(PathError::Unservable), "{target}");
        }
        for target in ["/%", "/%2", "/%zz", "/a%2", "/%2%65", "/%+1"] {
            assert_eq!(parse(target), Err(PathError::Malformed), "{target}");
        }
    }
}
