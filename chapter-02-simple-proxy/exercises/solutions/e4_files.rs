//! Exercise 2.4, solved.
//!
//! Two fences. The first reads the target once, piece by piece, and lets through only names. The second asks the file
//! system where the path really leads, because only it knows the links, and compares whole components: `/www-old` does
//! not lie below `/www`. Between the look and the `read` somebody could put a link there. Where strangers may
//! write below the root, let the kernel look and open in one step: `openat2` with `RESOLVE_BENEATH`.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::contracts::Response;

const TYPES: [(&str, &str); 8] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
];

/// The answer to `method target`.
pub fn respond(root: &Path, method: &str, target: &str) -> Response {
    let with_body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => {
            let mut refused = own_answer(405, "method not allowed\n", true);
            refused.fields.push(("Allow", String::from("GET, HEAD")));
            return refused;
        }
    };
    let answer = relative_path(target).and_then(|path| file(root, &path, with_body));
    answer.unwrap_or_else(|| own_answer(404, "not found\n", with_body))
}

/// One line of text.
fn own_answer(status: u16, line: &str, with_body: bool) -> Response {
    let fields = head_fields("text/plain; charset=utf-8", line.len() as u64);
    Response { status, fields, body: if with_body { line.into() } else { Vec::new() } }
}

fn head_fields(content_type: &str, length: u64) -> Vec<(&'static str, String)> {
    vec![("Content-Type", content_type.to_owned()), ("Content-Length", length.to_string())]
}

/// The path that `target` names, made of names only. First split, then decoded: an encoded slash is no separator.
fn relative_path(target: &str) -> Option<PathBuf> {
    let path = target.split('?').next()?.strip_prefix('/')?;
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    path.split('/').map(name).collect()
}

/// A segment as the name of a file or directory, if it can be one and is not a way to somewhere else.
fn name(segment: &str) -> Option<OsString> {
    let name = decoded(segment)?;
    let leads_away = matches!(name.as_slice(), b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0);
    (!leads_away).then(|| OsString::from_vec(name))
}

/// `segment` with each `%HH` decoded, once.
fn decoded(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => 16 * hex_digit(bytes.next()?)? + hex_digit(bytes.next()?)?,
            _ => byte,
        });
    }
    Some(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16)?.try_into().ok()
}

/// The file at `path`, if it lies below `root` in truth too.
fn file(root: &Path, path: &Path, with_body: bool) -> Option<Response> {
    let root = root.canonicalize().ok()?;
    let real = root.join(path).canonicalize().ok().filter(|real| real.starts_with(&root))?;
    // Asked by name, not through an open file: to open a pipe is to wait.
    let length = fs::metadata(&real).ok().filter(Metadata::is_file)?.len();
    let body = if with_body { fs::read(&real).ok()? } else { Vec::new() };
    // A file that is being written may have grown since: what is said is the length of what is sent.
    let length = if with_body { body.len() as u64 } else { length };
    Some(Response { status: 200, fields: head_fields(content_type(path), length), body })
}

/// By the name that was asked for: a link may be called otherwise than what it leads to.
fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}
