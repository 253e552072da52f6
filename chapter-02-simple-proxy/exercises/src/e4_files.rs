//! Exercise 2.4: static file server without path traversal (an evening).
//!
//! **Contract.** [`respond`] answers a request for a file below `root`. The target is a path, with an optional query
//! that is ignored; `%HH` encodes a byte and is decoded once. A target that ends in `/` means `index.html` in that
//! directory. GET of a regular file gets 200 with its bytes, HEAD the same headers without the body. All other methods
//! get 405 with `Allow: GET, HEAD`. Anything but a regular file below `root` gets the same 404, whether it exists
//! elsewhere or not: `..` and NUL in any encoding, an encoded `/`, an invalid escape, a symbolic link to outside, a
//! directory, a pipe (which must not even be opened: that would block until it has a writer). A link to a file inside
//! is allowed.
//!
//! Each response has the right `Content-Length`, for HEAD that of the GET, and a `Content-Type` by the name's
//! extension, in any case: `html`, `css`, `js` (`text/javascript`) and `txt` (`text/plain`), each with
//! `; charset=utf-8`; `json` (`application/json`), `svg` (`image/svg+xml`), `png`, `jpg` (`image/jpeg`); else
//! `application/octet-stream`.

use std::fs;
use std::path::Path;

use crate::contracts::Response;

/// The response to `method target`.
pub fn respond(root: &Path, method: &str, target: &str) -> Response {
    let path = target.split('?').next().unwrap_or(target);
    // A common defence: no `../`, no path traversal. Is that enough?
    let path = path.replace("../", "").replace("%20", " ");
    let Ok(body) = fs::read(root.join(path.trim_start_matches('/'))) else {
        return Response { status: 404, fields: vec![("Content-Length", String::from("0"))], body: Vec::new() };
    };
    let content_type = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    };
    let fields = vec![("Content-Type", content_type.to_owned()), ("Content-Length", body.len().to_string())];
    Response { status: 200, fields, body: if method == "HEAD" { Vec::new() } else { body } }
}
