//! Exercise 2.4: a file server that stays at home (an evening).
//!
//! **Contract.** [`respond`] answers a request for a file below `root`. The target is a path, with an optional query
//! that plays no part; `%HH` stands for a byte and is decoded once. A target that ends in `/` means `index.html` in
//! that directory. GET of a regular file gives 200 with its bytes, HEAD the same fields without them. All other methods
//! get 405 with `Allow: GET, HEAD`. Whatever is not a regular file below `root` gets 404, in the same words, existing
//! elsewhere or not: `..` and NUL in any spelling, an encoded `/`, a broken escape, a symbolic link that leads out, a
//! directory, a pipe (which must not even be opened: that would wait for a writer). A link that stays inside is fine.
//!
//! Each answer has the right `Content-Length`, for HEAD that of the GET, and a `Content-Type` by the name's extension,
//! in any case: `html`, `css`, `js` (`text/javascript`) and `txt` (`text/plain`), each with `; charset=utf-8`; `json`
//! (`application/json`), `svg` (`image/svg+xml`), `png`, `jpg` (`image/jpeg`); else `application/octet-stream`.

use std::fs;
use std::path::Path;

use crate::contracts::Response;

/// The answer to `method target`.
pub fn respond(root: &Path, method: &str, target: &str) -> Response {
    let path = target.split('?').next().unwrap_or(target);
    // A long-loved way to keep strangers in: without `../` there is no way up. Or is there?
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
