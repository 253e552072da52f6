//! Exercise 2.4, solved.
//!
//! Two checks. The first parses the target once, segment by segment, and accepts only names. The second resolves the
//! path with the file system, because only that knows the symbolic links, and compares whole components: `/www-old` is
//! not below `/www`. There is a race: a link could be created between this check and the `read`. Where others may write
//! below the root, let the kernel resolve and open in one step: `openat2` with `RESOLVE_BENEATH`.

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

/// The response to `method target`.
pub fn respond(root: &Path, method: &str, target: &str) -> Response {
    let with_body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => {
            let mut response = text_response(405, "method not allowed\n", true);
            response.fields.push(("Allow", String::from("GET, HEAD")));
            return response;
        }
    };
    let response = relative_path(target).and_then(|path| file(root, &path, with_body));
    response.unwrap_or_else(|| text_response(404, "not found\n", with_body))
}

/// A response whose body is one line of text.
fn text_response(status: u16, line: &str, with_body: bool) -> Response {
    let fields = content_headers("text/plain; charset=utf-8", line.len() as u64);
    Response { status, fields, body: if with_body { line.into() } else { Vec::new() } }
}

fn content_headers(content_type: &str, length: u64) -> Vec<(&'static str, String)> {
    vec![("Content-Type", content_type.to_owned()), ("Content-Length", length.to_string())]
}

/// The path of `target`, made of plain names only. It is split before decoding: an encoded slash is not a separator.
fn relative_path(target: &str) -> Option<PathBuf> {
    let path = target.split('?').next()?.strip_prefix('/')?;
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    path.split('/').map(name).collect()
}

/// A segment as the name of a file or directory; `None` if it is not a plain name.
fn name(segment: &str) -> Option<OsString> {
    let name = decoded(segment)?;
    let is_invalid = matches!(name.as_slice(), b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0);
    (!is_invalid).then(|| OsString::from_vec(name))
}

/// `segment` with each `%HH` decoded once.
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

/// The file at `path`, if it is below `root` after symbolic links are resolved.
fn file(root: &Path, path: &Path, with_body: bool) -> Option<Response> {
    let root = root.canonicalize().ok()?;
    let real = root.join(path).canonicalize().ok().filter(|real| real.starts_with(&root))?;
    // By path, not through an open file: opening a pipe would block.
    let length = fs::metadata(&real).ok().filter(Metadata::is_file)?.len();
    let body = if with_body { fs::read(&real).ok()? } else { Vec::new() };
    // A file that is being written may have grown: Content-Length must be the length of the body that is sent.
    let length = if with_body { body.len() as u64 } else { length };
    Some(Response { status: 200, fields: content_headers(content_type(path), length), body })
}

/// By the requested name: a link may have another extension than its target.
fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}
