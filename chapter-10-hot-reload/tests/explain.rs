//! `hot_reload_lb explain`: where a request goes, and why it goes nowhere else.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const CONFIG: &str = r#"{
  "listeners": {
    "web": {"address": "127.0.0.1:8080"},
    "intern": {"address": "127.0.0.1:8081"},
    "db": {"address": "127.0.0.1:5432", "protocol": "tcp", "group": "hashed"}
  },
  "routes": [
    {"name": "api", "match": {"host": "*.example.com", "path": "/api/*"}, "group": "hashed", "limits": ["login", "slow"]},
    {"name": "beta", "match": {"host": "*.example.com", "path": "/api/*", "header": {"X-Env": "beta"}}, "groups": {"hashed": 95, "turns": 5}},
    {"name": "admin", "listeners": ["intern"], "match": {"path": "/admin/*"}, "group": "single", "allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]},
    {"name": "old", "match": {"path": "/old", "method": "GET"}, "redirect": {"to": "https://example.com/new"}},
    {"name": "gone", "match": {"path": "/gone", "query": {"v": "1"}, "cookie": {"c": null}}, "respond": {"status": 410}},
    {"match": {"host": "www.example.com"}, "group": "turns"}
  ],
  "groups": {
    "hashed": {"backends": ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"], "algorithm": "maglev", "hash_key": "path"},
    "turns": {
      "backends": ["127.0.0.1:9001:3", "127.0.0.1:9002", "127.0.0.1:9003:0", {"host": "::1", "port": 9004, "backup": true}],
      "sticky": {"cookie": "lb"}
    },
    "single": {"backends": ["127.0.0.1:9001"]}
  },
  "limits": {
    "login": {"rate": "10/m", "path": "/api/login"},
    "slow": {"bandwidth": {"down": "1KiB/s"}},
    "all": {"rate": "100/s", "by": "header:X-User", "global": true}
  },
  "limit_exempt": "192.0.2.0/24"
}"#;

struct Site(TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(TempDir::new().expect("a directory can be made"));
        site.write("lb.json", CONFIG);
        site
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("it can be written");
        path
    }

    /// Runs the program in its directory, where `lb.json` is.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hot_reload_lb"));
        command.arg("explain").args(args).current_dir(self.0.path()).output().expect("the program starts")
    }

    fn explain(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }
}

fn reason<'a>(explanation: &'a Value, list: &str, name: &str) -> &'a str {
    let rows = explanation[list].as_array().expect("it is a list");
    rows.iter().find(|row| row["name"] == name).and_then(|row| row["reason"].as_str()).expect(name)
}

#[test]
fn names_listener_route_group_and_status() {
    let site = Site::new();
    for (args, [listener, route, group, status]) in [
        (&["http://a.example.com:8080/api/x"][..], ["web", "api", "hashed", ""]),
        (&["POST http://a.example.com:8081/api"], ["intern", "api", "hashed", ""]),
        (&["http://a.example.com:8080/api/x", "-H", "X-Env: beta"], ["web", "beta", "", ""]),
        (&["http://www.example.com:8080/"], ["web", "route 6", "turns", ""]),
        (&["/", "-H", "Host: www.example.com", "--listener", "web"], ["web", "route 6", "turns", ""]),
        (&["http://x:8080/old"], ["web", "old", "", "308"]),
        (&["PUT http://x:8080/old"], ["web", "", "", "404"]),
        (&["http://x:8080/gone?v=1", "-H", "Cookie: c=x"], ["web", "gone", "", "410"]),
        (&["http://x:8080/gone?v=2", "-H", "Cookie: c=x"], ["web", "", "", "404"]),
        (&["http://x:8081/admin/x", "--from", "10.0.0.1"], ["intern", "admin", "single", ""]),
        (&["http://x:8081/admin/x", "--from", "10.1.0.1"], ["intern", "admin", "", "403"]),
        (&["http://x:8081/admin/x", "--from", "::1"], ["intern", "admin", "", "403"]),
        (&["http://x:8080/admin/x"], ["web", "", "", "404"]),
        (&["http://x:8080/a%00"], ["web", "", "", "400"]),
        (&["G@T http://x:8080/"], ["web", "", "", "400"]),
    ] {
        let explanation = site.explain(args);
        let text = |key: &str| explanation[key].as_str().unwrap_or_default().to_owned();
        let actual_status = explanation["status"].as_u64().map_or_else(String::new, |status| status.to_string());
        assert_eq!(
            [text("listener"), text("route"), text("group"), actual_status],
            [listener, route, group, status],
            "{args:?}"
        );
    }
}

#[test]
fn says_why_every_other_route_lost() {
    let site = Site::new();
    let explanation = site.explain(&["http://a.example.com:8080/api/x"]);
    for (name, expected) in [
        ("api", "the most specific route that matches"),
        ("beta", "it has no header x-env with 'beta'"),
        ("admin", "it is not for listener 'web'"),
        ("old", "path /api/x is not /old"),
        ("route 6", "host a.example.com is not www.example.com"),
    ] {
        assert_eq!(reason(&explanation, "routes", name), expected);
    }
    let explanation = site.explain(&["PUT http://www.example.com:8080/old"]);
    assert_eq!(reason(&explanation, "routes", "old"), "method PUT is not GET");
    let explanation = site.explain(&["http://www.example.com:8080/api/x", "-H", "X-Env: beta"]);
    assert_eq!(reason(&explanation, "routes", "api"), "it matches too, but 'route 6' is more specific");
}

#[test]
fn limits_are_counted_skipped_or_exempt() {
    let site = Site::new();
    let verdicts = |args: &[&str]| {
        let explanation = site.explain(args);
        let limits = explanation["limits"].as_array().expect("it is a list").clone();
        limits
            .iter()
            .map(|limit| format!("{}={}", limit["name"], limit["verdict"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&["http://a.example.com:8080/api/x"]), ["login=skipped", "slow=counted", "all=counted"]);
    assert_eq!(verdicts(&["http://a.example.com:8080/api/login"]), ["login=counted", "slow=counted", "all=counted"]);
    assert_eq!(
        verdicts(&["http://a.example.com:8080/api/login", "--from", "192.0.2.7"]),
        ["login=exempt", "slow=exempt", "all=exempt"]
    );
}

/// A hash of the request decides: each path leads to one backend, always the same, and all backends get some.
#[test]
fn the_hashing_algorithms_name_the_backend() {
    let site = Site::new();
    let backend = |path: usize| {
        let explanation = site.explain(&[&format!("http://a.example.com:8080/api/{path}")]);
        let name = explanation["backend"].as_str().expect("the request decides").to_owned();
        assert!(reason(&explanation, "backends", &name).ends_with("leads here"));
        name
    };
    let first: Vec<_> = (0..20).map(backend).collect();
    assert_eq!(first, (0..20).map(backend).collect::<Vec<_>>());
    for port in 9001..=9003 {
        assert!(first.contains(&format!("127.0.0.1:{port}")), "{first:?}");
    }
}

#[test]
fn other_algorithms_list_the_backends_with_their_shares() {
    let site = Site::new();
    let explanation = site.explain(&["http://www.example.com:8080/", "-H", "Cookie: lb=x"]);
    assert_eq!(explanation["backend"], Value::Null);
    assert_eq!(explanation["algorithm"], "weighted-round-robin, unless cookie lb ties the client to a backend");
    let shares = explanation["backends"].as_array().expect("it is a list").iter().map(|backend| &backend["share"]);
    assert_eq!(shares.collect::<Vec<_>>(), [&json!("75%"), &json!("25%"), &Value::Null, &Value::Null]);
    assert_eq!(
        reason(&explanation, "backends", "127.0.0.1:9003"),
        "its weight is 0: it gets only clients that stick to it"
    );
    assert_eq!(
        reason(&explanation, "backends", "[::1]:9004"),
        "it is a backup, used only while no other backend can be"
    );
    let explanation = site.explain(&["http://a.example.com:8080/api/x", "-H", "X-Env: beta"]);
    assert_eq!(explanation["groups"], json!([["hashed", "95%"], ["turns", "5%"]]));
}

#[test]
fn a_table_of_expectations_is_checked() {
    let site = Site::new();
    let good = "# requests and where they go\n\
        GET http://a.example.com:8080/api/x => route=api group=hashed\n\
        \n\
        http://a.example.com:8080/api/x -H 'X-Env: beta' -H \"A: b\" => route=beta group=none\n\
        GET http://x:8080/old => status=308 listener=web backend=none\n";
    let table = site.write("good.txt", good);
    let output = site.run(&["--expect", table.to_str().expect("a plain name")]);
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()),
        (Some(0), "3 of 3 as expected\n")
    );
    let table = site.write("bad.txt", &good.replace("route=api", "route=beta").replace("=308", "=301"));
    let output = site.run(&["--expect", table.to_str().expect("a plain name")]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("bad.txt:2: GET http://a.example.com:8080/api/x: route is api, not beta\n"), "{said}");
    assert!(said.contains("bad.txt:5: GET http://x:8080/old: status is 308, not 301\n1 of 3 as expected\n"), "{said}");
}

#[test]
fn what_cannot_be_explained_is_refused_in_one_line() {
    let site = Site::new();
    site.write("bad.json", "{");
    site.write("tcp.json", "{\"listeners\": {\"db\": {\"address\": \"127.0.0.1:1\", \"protocol\": \"tcp\", \"group\": \"a\"}}, \"groups\": {\"a\": {\"backends\": [\"127.0.0.1:2\"]}}}");
    site.write("no-arrow.txt", "GET http://x/\n");
    site.write("field.txt", "GET http://x/ => to=api\n");
    site.write("quote.txt", "GET http://x/ -H 'A: b => route=api\n");
    site.write("request.txt", "\n/path => route=api\n");
    for (args, expected) in [
        (&["ftp://x/"][..], "'ftp://x/' is not a request such as 'GET http://example.com/path'"),
        (&["/path"], "'/path' names no host"),
        (&["GET http://x/ HTTP/1.1"], "is not a request"),
        (&["http://x/", "-H", "X-Env"], "'X-Env' is not a header such as 'X-Env: beta'"),
        (&["http://x:1234/"], "several http listeners could get this request: intern, web; choose one with --listener"),
        (&["http://x/", "--listener", "db"], "there is no http listener 'db'"),
        (&["http://x/", "--config", "tcp.json"], "there is no http listener"),
        (&["http://x/", "--from", "localhost"], "--from"),
        (&["http://x/", "--config", "none.json"], "no such file"),
        (&["http://x/", "--config", "bad.json"], "expected '}'"),
        (&[], "<REQUEST>"),
        (&["--expect", "none.txt"], "none.txt: No such file"),
        (&["--expect", "no-arrow.txt"], "no-arrow.txt: line 1: expected REQUEST"),
        (&["--expect", "field.txt"], "field.txt: line 1: 'to=api' is not one of listener="),
        (&["--expect", "quote.txt"], "quote.txt: line 1: expected REQUEST"),
        (&["--expect", "request.txt"], "request.txt: line 2: '/path' names no host"),
    ] {
        let output = site.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {said}");
        assert!(said.contains(expected) && output.stdout.is_empty(), "{args:?}: {said}");
    }
}

#[test]
fn the_text_shows_what_happens_first() {
    let site = Site::new();
    let output = site.run(&["http://www.example.com:8080/"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "listener  web\nroute     route 6\ngroup     turns\nalgorithm weighted-round-robin\nbackend   one of those below\n\nlimits\n> all  100/s by header:X-User\n\nroutes\n";
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.contains(
            "\n> route 6  the most specific route that matches\n\nbackends\n  127.0.0.1:9001  75%: each in turn\n"
        ),
        "{said}"
    );
}
