//! curl and Python as clients, hyper as the origin: third-party implementations of proxying.

use crate::Context;
use crate::case::cases;
use crate::third_party::{HyperServer, python, run};

use super::start;

cases! { "forward";
    Fast curl_requests_and_tunnels,
    Fast curl_sends_credentials,
    Fast python_tunnels,
}

/// curl through the proxy at `proxy`, whatever proxies the environment configures.
fn curl(proxy: &str, args: &[&str], input: &[u8]) -> Option<String> {
    let mut all = vec!["-sS", "--max-time", "20", "--noproxy", "", "-x", proxy];
    all.extend(args);
    run("curl", &all, input)
}

fn curl_requests_and_tunnels(ctx: &Context) {
    let (origin, program) = (HyperServer::echo(), start(ctx, &[]));
    let (proxy, url) = (format!("http://{}", program.addr()), format!("http://{}/", origin.addr()));
    let body = "0123456789abcdef".repeat(7000);
    for tunnel in [&[][..], &["-p"], &["--proxytunnel", "--suppress-connect-headers"]] {
        let with = |more: &[&str], input: &str| {
            let args: Vec<_> = tunnel.iter().chain(more).copied().collect();
            curl(&proxy, &args, input.as_bytes())
        };
        let twice = ["-o", "/dev/null", "-w", "%{http_code} %{num_connects} ", &url, &url];
        let Some(status) = with(&twice, "") else { return };
        assert_eq!(status, "200 1 200 0 ", "two GETs over one connection, {tunnel:?}");
        assert!(with(&["--data-binary", "@-", &url], &body).as_deref() == Some(&body), "POST, {tunnel:?}");
        assert!(with(&["-T", "-", &url], &body).as_deref() == Some(&body), "chunked PUT, {tunnel:?}");
        let head = with(&["-I", &url], "").unwrap();
        assert!(head.contains("x-method: HEAD\r\n"), "{tunnel:?}: {head}");
    }
}

fn curl_sends_credentials(ctx: &Context) {
    let (origin, program) = (HyperServer::echo(), start(ctx, &["--auth", "user:secret"]));
    let (proxy, url) = (format!("http://{}", program.addr()), format!("http://{}/", origin.addr()));
    for tunnel in [&[][..], &["-p"]] {
        for (user, codes) in [("user:secret", ["200", "200"]), ("user:wrong", ["407", "407"])] {
            let mut args = vec!["-o", "/dev/null", "-w", "%{http_code} %{http_connect}", "-U", user, &url];
            args.extend(tunnel);
            // curl fails (56) where the tunnel is refused; it still prints the status that it saw.
            let mut script = vec!["-c", "curl -sS --max-time 20 --noproxy '' \"$@\" 2>&1; true", "sh", "-x", &proxy];
            script.extend(&args);
            let Some(said) = run("sh", &script, b"") else { return };
            if said.contains("not found") {
                println!("skipped: no curl");
                return;
            }
            let code = codes[usize::from(!tunnel.is_empty())];
            assert!(said.contains(code), "{user} {tunnel:?}: {said}");
            assert!(user.ends_with("wrong") || !said.contains("407"), "{user} {tunnel:?}: {said}");
        }
    }
}

const PYTHON_CLIENT: &str = r#"
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=15)
c.set_tunnel(sys.argv[2])
for i in range(5):
    body = (b"%d" % i) * 20000
    c.request("POST", "/%d" % i, body)
    r = c.getresponse()
    assert r.status == 200 and r.read() == body, r.status
print("talked")
"#;

fn python_tunnels(ctx: &Context) {
    let (origin, program) = (HyperServer::echo(), start(ctx, &[]));
    if let Some(said) = python(PYTHON_CLIENT, &[&program.addr().to_string(), &origin.addr().to_string()]) {
        assert_eq!(said.trim(), "talked");
    }
}
