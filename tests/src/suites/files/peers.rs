//! curl and Python as clients.

use std::fs;

use crate::Context;
use crate::case::cases;
use crate::rng::Rng;
use crate::third_party::{curl, python};

use super::Site;

cases! { "files";
    Fast curl_downloads_ranges_and_resumes,
    Fast curl_does_not_download_what_it_has,
    Fast python_reuses_its_connection,
}

fn curl_downloads_ranges_and_resumes(ctx: &Context) {
    let (site, content) = (Site::new(), Rng::new(2).bytes(3_000_000));
    site.write("large", &content);
    site.write("text", b"0123456789");
    let program = site.start(ctx, &[]);
    let (url, text) = (format!("http://{}/large", program.addr()), format!("http://{}/text", program.addr()));
    let saved = site.parent.path().join("saved");
    let saved_to = saved.to_str().unwrap();
    let Some(_) = curl(&["-o", saved_to, &url], b"") else { return };
    assert!(fs::read(&saved).unwrap() == content, "the whole file");
    assert_eq!(curl(&["-r", "2-4", &text], b"").unwrap(), "234");
    assert_eq!(curl(&["-r", "-2", &text], b"").unwrap(), "89");
    assert_eq!(curl(&["--compressed", &text], b"").unwrap(), "0123456789");
    fs::write(&saved, &content[..1_234_567]).unwrap();
    let resumed = curl(&["-C", "-", "-o", saved_to, "-w", "%{http_code} %{size_download}", &url], b"").unwrap();
    assert_eq!(resumed, "206 1765433");
    assert!(fs::read(&saved).unwrap() == content, "resumed");
    let head = curl(&["-I", &url], b"").unwrap();
    assert!(head.contains("Content-Length: 3000000\r\n"), "{head}");
}

fn curl_does_not_download_what_it_has(ctx: &Context) {
    let site = Site::new();
    site.write("page.html", b"<p>");
    let program = site.start(ctx, &[]);
    let url = format!("http://{}/page.html", program.addr());
    let (tags, saved) = (site.parent.path().join("tags"), site.parent.path().join("saved"));
    let args = ["--etag-save", tags.to_str().unwrap(), "-o", saved.to_str().unwrap(), "-w", "%{http_code}"];
    let Some(first) = curl(&[&args[..], &[&url]].concat(), b"") else { return };
    assert_eq!(first, "200");
    let again = curl(&["--etag-compare", tags.to_str().unwrap(), "-w", "%{http_code}", &url], b"").unwrap();
    assert_eq!(again, "304");
    let since = curl(&["-z", saved.to_str().unwrap(), "-w", "%{http_code}", &url], b"").unwrap();
    assert_eq!(since, "304", "by its time");
}

const PYTHON_CLIENT: &str = r#"
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=15)
for i in range(50):
    c.request("GET", "/large")
    r = c.getresponse()
    body = r.read()
    assert r.status == 200 and len(body) == 100000 and not r.will_close, (r.status, len(body))
    c.request("HEAD", "/large")
    r = c.getresponse()
    assert r.status == 200 and r.read() == b"" and r.getheader("Content-Length") == "100000"
print("done")
"#;

fn python_reuses_its_connection(ctx: &Context) {
    let site = Site::new();
    site.write("large", &Rng::new(4).bytes(100_000));
    let mut program = site.start(ctx, &[]);
    let Some(said) = python(PYTHON_CLIENT, &[&program.addr().to_string()]) else { return };
    assert_eq!(said.trim(), "done");
    program.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(program.exit_code(crate::wait::TEST_TIMEOUT), 0);
    crate::wait::until("the table", || program.stdout().contains("connections: 1\nrequests: 100 "));
}
