//! Third-party HTTP on both sides: curl, Python and hyper as clients, Python and hyper as backends.

use std::fs;

use crate::Context;
use crate::case::cases;
use crate::rng::Rng;
use crate::third_party::{HyperServer, PythonServer, curl, hyper_exchange, python};

cases! { "proxy";
    Fast curl_gets_posts_and_uploads,
    Fast python_talks_over_one_connection,
    Fast hyper_talks_to_hyper,
    Fast a_python_server_serves_a_file_byte_for_byte,
}

const PYTHON_CLIENT: &str = r#"
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=15)
for i in range(5):
    body = (b"%d" % i) * 20000
    c.request("POST", "/%d" % i, body)
    r = c.getresponse()
    got = r.read()
    assert r.status == 200 and got == body, (r.status, len(got))
    assert r.getheader("x-method") == "POST"
def pieces():
    for i in range(10):
        yield b"%d" % i * 1000
c.request("PUT", "/chunked", pieces(), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
r = c.getresponse()
assert r.read() == b"".join(pieces()), r.status
c.request("HEAD", "/")
r = c.getresponse()
assert r.status == 200 and r.read() == b""
print("talked")
"#;

fn curl_gets_posts_and_uploads(ctx: &Context) {
    let backend = HyperServer::echo();
    let program = ctx.start(&[backend.addr()], &[]);
    let url = format!("http://{}/", program.addr());
    let body = "0123456789abcdef".repeat(7000);
    let Some(status) = curl(&["-o", "/dev/null", "-w", "%{http_code} %{num_connects}", &url, &url], b"") else {
        return;
    };
    assert_eq!(status, "200 1200 0", "two GETs over one connection");
    let echoed = curl(&["--data-binary", "@-", &url], body.as_bytes());
    assert!(echoed.as_deref() == Some(&body), "the echo of the POST differs");
    let echoed = curl(&["-T", "-", "-H", "Expect:", &url], body.as_bytes());
    assert!(echoed.as_deref() == Some(&body), "the echo of the chunked PUT differs");
    let echoed = curl(&["-T", "-", "-H", "Expect: 100-continue", &url], body.as_bytes());
    assert!(echoed.as_deref() == Some(&body), "the echo of the PUT with Expect differs");
    let echoed = curl(&["-0", "--data-binary", "@-", &url], body.as_bytes());
    assert!(echoed.as_deref() == Some(&body), "the HTTP/1.0 POST comes back changed");
    let head = curl(&["-I", &url], b"").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("x-method: HEAD\r\n"), "{head}");
}

fn python_talks_over_one_connection(ctx: &Context) {
    let backend = HyperServer::echo();
    let program = ctx.start(&[backend.addr()], &[]);
    if let Some(said) = python(PYTHON_CLIENT, &[&program.addr().to_string()]) {
        assert_eq!(said.trim(), "talked");
    }
}

fn hyper_talks_to_hyper(ctx: &Context) {
    let backend = HyperServer::echo();
    let program = ctx.start(&[backend.addr()], &[]);
    for size in [0, 1, 1000, 300_000] {
        let body = Rng::new(9).bytes(size);
        let answer = hyper_exchange(program.addr(), "POST", "/echo", body.clone()).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body == body, "{size} bytes: the echo differs");
        assert_eq!(answer.fields["x-method"], "POST");
    }
}

fn a_python_server_serves_a_file_byte_for_byte(ctx: &Context) {
    let directory = tempfile::tempdir().unwrap();
    let content = Rng::new(2).bytes(300_000);
    fs::write(directory.path().join("file.bin"), &content).unwrap();
    let Some(backend) = PythonServer::serve(directory.path()) else { return };
    let program = ctx.start(&[backend.addr()], &[]);
    let mut client = program.client();
    for _ in 0..3 {
        let response = client.get("/file.bin");
        assert_eq!(response.status(), 200);
        assert!(response.body == content, "the file differs");
        assert_eq!(client.get("/missing").status(), 404);
    }
}
