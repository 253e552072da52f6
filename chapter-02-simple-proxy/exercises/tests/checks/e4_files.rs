//! The checks of exercise 2.4.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use exercises_02::contracts::Response;
use integration_tests::wait::TEST_TIMEOUT;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::exercise_checks;

type Respond = fn(&Path, &str, &str) -> Response;

exercise_checks!(
    exercises_02,
    e4_files::respond,
    [
        files_are_served_with_their_type,
        a_directory_serves_its_index,
        a_target_is_decoded_once_and_its_query_is_ignored,
        head_has_the_headers_of_get,
        other_methods_get_405_with_allow,
        no_encoding_escapes_the_root,
        no_symlink_escapes_the_root,
        anything_but_a_regular_file_gets_404,
    ]
);

const SECRET: &str = "the secret";

/// A root directory `www`, with secrets outside of it: `www-old/secret.txt` and `secret.txt`.
struct Site {
    directory: TempDir,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap() };
        for (name, content) in files {
            let path = site.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        fs::create_dir_all(site.outside("www-old")).unwrap();
        fs::create_dir_all(site.root().join("sub")).unwrap();
        fs::write(site.outside("secret.txt"), SECRET).unwrap();
        fs::write(site.outside("www-old/secret.txt"), SECRET).unwrap();
        site
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("www")
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The response, within a timeout: opening a pipe would block for ever.
    fn request(&self, respond: Respond, method: &str, target: &str) -> Response {
        let (root, shown) = (self.root(), format!("{method} {target}"));
        let (method, target) = (method.to_owned(), target.to_owned());
        let (done, response) = mpsc::channel();
        thread::spawn(move || done.send(respond(&root, &method, &target)));
        let response = response.recv_timeout(TEST_TIMEOUT);
        response.unwrap_or_else(|_| panic!("{shown} should get a response, but `respond` blocks, or has panicked"))
    }

    fn assert_not_found(&self, respond: Respond, target: &str) {
        let unknown = self.request(respond, "GET", "/no-such-file");
        assert_eq!(unknown.status, 404, "the status for GET /no-such-file");
        let response = self.request(respond, "GET", target);
        let body = response.body.escape_ascii();
        let is_outside = response.body.windows(6).any(|bytes| bytes == b"secret");
        assert!(!is_outside, "GET {target} should not leave the root, but gets `{body}`");
        assert_eq!(response, unknown, "GET {target} should get the same response as a file that does not exist");
    }
}

/// The value of the header of this name, which must occur once.
fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let mut found = response.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let (_, value) = found.next().unwrap_or_else(|| panic!("{name} should be among the headers {:?}", response.fields));
    assert!(found.next().is_none(), "{name} should be there once, but there are {:?}", response.fields);
    value
}

fn assert_file(response: &Response, content: &str, target: &str) {
    assert_eq!(response.status, 200, "the status for {target}");
    assert_eq!(response.body.escape_ascii().to_string(), content.escape_default().to_string(), "the body of {target}");
    assert_eq!(header(response, "Content-Length"), content.len().to_string(), "the Content-Length of {target}");
}

fn files_are_served_with_their_type(respond: Respond) {
    let types = [
        ("page.html", "text/html; charset=utf-8"),
        ("look.css", "text/css; charset=utf-8"),
        ("run.js", "text/javascript; charset=utf-8"),
        ("read.me.txt", "text/plain; charset=utf-8"),
        ("data.JSON", "application/json"),
        ("a/b/drawing.svg", "image/svg+xml"),
        ("a/b/picture.png", "image/png"),
        ("a/photo.Jpg", "image/jpeg"),
        ("unknown.xyz", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("a.html.bak", "application/octet-stream"),
    ];
    let files: Vec<_> = types.iter().map(|(name, _)| (*name, *name)).collect();
    let site = Site::new(&files);
    for (name, content_type) in types {
        let response = site.request(respond, "GET", &format!("/{name}"));
        assert_file(&response, name, name);
        assert_eq!(header(&response, "Content-Type"), content_type, "the Content-Type of {name}");
    }
}

fn a_directory_serves_its_index(respond: Respond) {
    let site = Site::new(&[("index.html", "home"), ("docs/index.html", "docs"), ("empty/other.html", "x")]);
    for (target, content) in [("/", "home"), ("/?a=/b/", "home"), ("/docs/", "docs"), ("/docs/?", "docs")] {
        let response = site.request(respond, "GET", target);
        assert_file(&response, content, target);
        assert_eq!(header(&response, "Content-Type"), "text/html; charset=utf-8", "the Content-Type of {target}");
    }
    for target in ["/docs", "/empty/", "/none/", "/docs/index.html/"] {
        site.assert_not_found(respond, target);
    }
}

fn a_target_is_decoded_once_and_its_query_is_ignored(respond: Respond) {
    let site = Site::new(&[
        ("two words.txt", "spaced"),
        ("50%20off.txt", "a literal percent sign"),
        ("what?.txt", "question"),
        ("grün.txt", "green"),
        ("...", "three dots are a name"),
        ("a..b.txt", "so are these"),
        ("plus+.txt", "plus"),
    ]);
    for (target, content) in [
        ("/two%20words.txt", "spaced"),
        ("/%74wo%20words%2Etxt?q=../../secret.txt", "spaced"),
        ("/50%2520off.txt", "a literal percent sign"),
        ("/what%3f.txt", "question"),
        ("/what%3F.txt?really", "question"),
        ("/gr%c3%BCn.txt", "green"),
        ("/...", "three dots are a name"),
        ("/a..b.txt", "so are these"),
        ("/plus+.txt", "plus"),
    ] {
        assert_file(&site.request(respond, "GET", target), content, target);
    }
    site.assert_not_found(respond, "/50%20off.txt");
}

fn head_has_the_headers_of_get(respond: Respond) {
    let site = Site::new(&[("index.html", "<p>hello"), ("empty.txt", "")]);
    for target in ["/", "/index.html", "/empty.txt", "/none", "/../secret.txt"] {
        let (get, head) = (site.request(respond, "GET", target), site.request(respond, "HEAD", target));
        assert_eq!((head.status, &head.fields), (get.status, &get.fields), "HEAD {target}, compared with GET");
        assert_eq!(header(&get, "Content-Length"), get.body.len().to_string(), "the Content-Length of GET {target}");
        let body = head.body.escape_ascii();
        assert!(head.body.is_empty(), "HEAD {target} should get no body, but gets `{body}`");
    }
}

fn other_methods_get_405_with_allow(respond: Respond) {
    let site = Site::new(&[("index.html", "home")]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", "Head", "BREW"] {
        for target in ["/", "/none"] {
            let response = site.request(respond, method, target);
            assert_eq!(response.status, 405, "the status for {method} {target}");
            assert_eq!(header(&response, "Allow"), "GET, HEAD", "Allow for {method} {target}");
            let length = response.body.len().to_string();
            assert_eq!(header(&response, "Content-Length"), length, "the Content-Length for {method} {target}");
        }
    }
    let content = fs::read_to_string(site.root().join("index.html")).unwrap();
    assert_eq!(content, "home", "the content of index.html, which no method should change");
}

fn no_encoding_escapes_the_root(respond: Respond) {
    // With sloppy decoding, the last two are found as `/sub%2finner.txt` and `/%+1`.
    let site =
        Site::new(&[("index.html", "home"), ("page.txt", "page"), ("sub/inner.txt", "inner"), ("\u{1}", "control")]);
    let absolute = site.outside("secret.txt");
    let absolute = absolute.to_str().unwrap();
    for target in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/sub/../page.txt",
        "/../www/page.txt",
        "/../www-old/secret.txt",
        "/....//secret.txt",
        "/..././secret.txt",
        "/%2e%2e/secret.txt",
        "/.%2E/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/sub/..%2F..%2Fsecret.txt",
        "/sub%2f..%2f../secret.txt",
        "/sub%2f..%2fpage.txt",
        "/sub%2finner.txt",
        "/%252e%252e/secret.txt",
        "/..",
        "/sub/..",
        "/page.txt%00",
        "/page.txt%00.html",
        "/..%00/secret.txt",
        "/page.txt\0",
        "/%",
        "/%2",
        "/page.txt%",
        "/%zz",
        "/%+1",
        "/%2\u{e9}",
        "..",
        "../secret.txt",
        "",
        "?",
        absolute,
        &format!("/{absolute}"),
        &format!("/%2f{}", &absolute[1..]),
    ] {
        site.assert_not_found(respond, target);
    }
}

fn no_symlink_escapes_the_root(respond: Respond) {
    let site = Site::new(&[("real.txt", "real"), ("real/index.html", "inside")]);
    let root = site.root();
    symlink(site.outside("secret.txt"), root.join("absolute.txt")).unwrap();
    symlink("../secret.txt", root.join("relative.txt")).unwrap();
    symlink("relative.txt", root.join("twice.txt")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink(site.outside("www-old"), root.join("sibling")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("circle", root.join("circle")).unwrap();
    symlink("real.txt", root.join("alias.html")).unwrap();
    symlink("../real", root.join("sub/there")).unwrap();
    for target in [
        "/absolute.txt",
        "/relative.txt",
        "/twice.txt",
        "/up/secret.txt",
        "/up/www-old/secret.txt",
        "/sibling/secret.txt",
        "/dangling",
        "/circle",
    ] {
        site.assert_not_found(respond, target);
    }
    let alias = site.request(respond, "GET", "/alias.html");
    assert_file(&alias, "real", "a link that stays inside");
    assert_eq!(header(&alias, "Content-Type"), "text/html; charset=utf-8", "the type of the requested name");
    assert_file(&site.request(respond, "GET", "/sub/there/"), "inside", "a link to a directory inside");

    let by_link = site.outside("current");
    symlink(&root, &by_link).unwrap();
    assert_file(&respond(&by_link, "GET", "/real.txt"), "real", "a file below a root that is a link itself");
}

fn anything_but_a_regular_file_gets_404(respond: Respond) {
    let site = Site::new(&[("page.txt", "page")]);
    mkfifo(&site.root().join("pipe"), Mode::S_IRWXU).unwrap();
    let long = format!("/{}", "n".repeat(300));
    for target in ["/none.txt", "/sub", "/page.txt/", "/page.txt/more", "/pipe", &long] {
        site.assert_not_found(respond, target);
    }
}
