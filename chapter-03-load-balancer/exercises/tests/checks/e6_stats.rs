//! The checks of exercise 3.6.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use exercises_03::contracts::{Endpoint, Response, Stats};
use integration_tests::client::Client;
use integration_tests::third_party::hyper_exchange;
use integration_tests::wait::{TEST_TIMEOUT, eventually, ms, pause, until};
use serde_json::{Value, json};

use crate::exercise_checks;

exercise_checks!(
    exercises_03,
    e6_stats::endpoint,
    [
        stats_is_json,
        names_are_escaped_in_json,
        a_response_is_consistent,
        stats_txt_is_a_table,
        head_has_the_headers_of_get_and_no_body,
        other_paths_are_404_and_other_methods_405,
        each_connection_serves_one_request,
        a_hyper_client_parses_the_response,
        an_unwanted_body_is_drained,
        invalid_http_gets_400,
        silent_clients_do_not_block_others,
        a_slow_client_is_disconnected,
    ]
);

type New<E> = fn(Arc<dyn Stats>) -> E;

/// Constant counters: name, up, started, finished, failed.
struct FixedStats(Vec<(&'static str, bool, u64, u64, u64)>);

impl Stats for FixedStats {
    fn backends(&self) -> usize {
        self.0.len()
    }
    fn name(&self, backend: usize) -> String {
        self.0[backend].0.to_owned()
    }
    fn is_up(&self, backend: usize) -> bool {
        self.0[backend].1
    }
    fn started(&self, backend: usize) -> u64 {
        self.0[backend].2
    }
    fn finished(&self, backend: usize) -> u64 {
        self.0[backend].3
    }
    fn failed(&self, backend: usize) -> u64 {
        self.0[backend].4
    }
}

fn two_backends() -> Arc<dyn Stats> {
    Arc::new(FixedStats(vec![("127.0.0.1:9001", true, 1_234_567, 1_234_565, 12), ("[::1]:9002", false, 7, 7, 7)]))
}

/// Counters that grow with each read, as those of a busy balancer whose requests all fail.
#[derive(Default)]
struct GrowingStats(AtomicU64);

impl GrowingStats {
    fn increment(&self) -> u64 {
        self.0.fetch_add(1, SeqCst)
    }
}

impl Stats for GrowingStats {
    fn backends(&self) -> usize {
        3
    }
    fn name(&self, backend: usize) -> String {
        format!("127.0.0.1:900{backend}")
    }
    fn is_up(&self, _: usize) -> bool {
        true
    }
    fn started(&self, _: usize) -> u64 {
        self.increment()
    }
    fn finished(&self, _: usize) -> u64 {
        self.increment()
    }
    fn failed(&self, _: usize) -> u64 {
        self.increment()
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let found = response.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or_else(|| panic!("{name} should be among the headers {:?}", response.fields), |(_, value)| value)
}

/// The body, which must match `Content-Length`.
fn body(response: &Response) -> String {
    assert_eq!(header(response, "Content-Length"), response.body.len().to_string(), "Content-Length");
    String::from_utf8(response.body.clone()).expect("the body should be UTF-8, but is not")
}

fn json_of(response: &Response) -> Value {
    let text = body(response);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("the body should be JSON, but there is {error} in {text}"))
}

/// Serves on a port that the kernel chooses; the thread ends with the test's process.
fn start_server<E: Endpoint>(new: New<E>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = new(two_backends());
    thread::spawn(move || endpoint.serve(&listener));
    address
}

fn stats_is_json<E: Endpoint>(new: New<E>) {
    for target in ["/stats", "/stats?now", "/stats?"] {
        let response = new(two_backends()).respond("GET", target);
        assert_eq!((response.status, header(&response, "Content-Type")), (200, "application/json"), "GET {target}");
        let expected = json!({ "requests": 1_234_574, "failed": 19, "backends": [
            { "backend": "127.0.0.1:9001", "up": true, "active": 2, "total": 1_234_567, "failed": 12 },
            { "backend": "[::1]:9002", "up": false, "active": 0, "total": 7, "failed": 7 },
        ]});
        assert_eq!(json_of(&response), expected, "GET {target}");
    }
    let none = new(Arc::new(FixedStats(Vec::new()))).respond("GET", "/stats");
    assert_eq!(json_of(&none), json!({ "requests": 0, "failed": 0, "backends": [] }), "GET /stats, without backends");
}

fn names_are_escaped_in_json<E: Endpoint>(new: New<E>) {
    let name = "a \"quoted\" \\name\\\n";
    let response = new(Arc::new(FixedStats(vec![(name, true, 0, 0, 0)]))).respond("GET", "/stats");
    assert_eq!(json_of(&response)["backends"][0]["backend"], name, "a name with quotes and a line feed in it");
}

fn a_response_is_consistent<E: Endpoint>(new: New<E>) {
    let json = json_of(&new(Arc::new(GrowingStats::default())).respond("GET", "/stats"));
    let rows = json["backends"].as_array().expect("`backends` should be an array, but is none");
    let sum = |field| rows.iter().map(|row| row[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(json["requests"], sum("total"), "`requests`, and the sum of the rows' `total`: {json}");
    assert_eq!(json["failed"], sum("failed"), "`failed`, and the sum of the rows' `failed`: {json}");
    for row in rows {
        let [active, total, failed] = ["active", "total", "failed"].map(|field| row[field].as_u64().unwrap());
        assert!(failed + active <= total, "failed + active should be at most total, but the row is {row}");
    }
}

fn stats_txt_is_a_table<E: Endpoint>(new: New<E>) {
    let response = new(two_backends()).respond("GET", "/stats.txt");
    assert_eq!(response.status, 200, "the status for GET /stats.txt");
    let content_type = header(&response, "Content-Type");
    assert!(content_type.starts_with("text/plain"), "the type should be text/plain, but is {content_type}");
    let text = body(&response);
    let words: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = ["backend state active total failed", "127.0.0.1:9001 UP 2 1234567 12", "[::1]:9002 DOWN 0 7 7"];
    assert_eq!(words, expected, "the words of the table\n{text}");
    let lengths: Vec<_> = text.lines().map(str::len).collect();
    let equal = lengths.iter().all(|length| *length == lengths[0]);
    assert!(equal, "all lines should have the same length, with aligned columns, but the table is\n{text}");
    let is_aligned = |line: &str| line.starts_with("127.0.0.1:9001 ") || !line.starts_with(' ');
    let all_aligned = text.lines().all(is_aligned);
    assert!(all_aligned, "the names should be aligned to the left, but the table is\n{text}");
    // The last letter of each heading, and the last digit of each number.
    let ends = |line: &str| -> Vec<usize> {
        let words = line.split_whitespace().rev().take(3);
        words.map(|word| word.as_ptr().addr() + word.len() - line.as_ptr().addr()).collect()
    };
    let header = ends(text.lines().next().unwrap_or_default());
    let aligned = text.lines().all(|line| ends(line) == header);
    assert!(aligned, "numbers should end where their headings end, aligned to the right, but the table is\n{text}");
    assert!(text.ends_with('\n'), "each line should end with a line feed, but the last one does not:\n{text}");
}

fn head_has_the_headers_of_get_and_no_body<E: Endpoint>(new: New<E>) {
    let endpoint = new(two_backends());
    for target in ["/stats", "/stats.txt", "/nothing"] {
        let (get, head) = (endpoint.respond("GET", target), endpoint.respond("HEAD", target));
        assert_eq!((head.status, &head.fields), (get.status, &get.fields), "HEAD {target}, beside GET");
        assert_eq!(head.body.escape_ascii().to_string(), "", "the body of HEAD {target}");
    }
}

fn other_paths_are_404_and_other_methods_405<E: Endpoint>(new: New<E>) {
    let endpoint = new(two_backends());
    for target in ["/", "", "/stats/", "/stats.json", "/STATS", "/stats%2Etxt", "*", "?/stats", "/statsé"] {
        for method in ["GET", "POST"] {
            let response = endpoint.respond(method, target);
            assert_eq!(response.status, 404, "the status for {method} {target}");
            body(&response);
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", "GETT", ""] {
        for target in ["/stats", "/stats.txt", "/stats?now"] {
            let response = endpoint.respond(method, target);
            assert_eq!(
                (response.status, header(&response, "Allow")),
                (405, "GET, HEAD"),
                "status and Allow for {method} {target}"
            );
            body(&response);
        }
    }
}

fn each_connection_serves_one_request<E: Endpoint>(new: New<E>) {
    let address = start_server(new);
    let mut client = Client::connect(address);
    client.send_pieces([&b"GET /sta"[..], b"ts.txt HTTP/1.1\r\nHo", b"st: test\r\n\r", b"\n"], ms(20));
    let response = client.response("GET");
    assert_eq!(response.status(), 200, "the status for a head in pieces");
    let text = response.text();
    assert!(text.contains("127.0.0.1:9001"), "the table should name 127.0.0.1:9001, but is\n{text}");
    client.expect_closed();
    let mut client = Client::connect(address);
    client.request("HEAD", "/stats", "");
    assert_eq!(client.response("HEAD").status(), 200, "the status for HEAD /stats");
    client.expect_closed();
}

fn a_hyper_client_parses_the_response<E: Endpoint>(new: New<E>) {
    let address = start_server(new);
    let answer = hyper_exchange(address, "GET", "/stats", Vec::new()).unwrap();
    assert_eq!((answer.status.as_u16(), &answer.fields["connection"]), (200, &"close".parse().unwrap()));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_ok(), "{:?}", answer.body);
    let answer = hyper_exchange(address, "HEAD", "/stats.txt", Vec::new()).unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "HEAD");
}

fn an_unwanted_body_is_drained<E: Endpoint>(new: New<E>) {
    let mut client = TcpStream::connect(start_server(new)).unwrap();
    client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    client.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
    client.write_all(b"POST /stats HTTP/1.1\r\nHost: test\r\nContent-Length: 80000\r\n\r\n").unwrap();
    let piece = vec![b'x'; 20_000];
    for _ in 0..4 {
        // Not a wait for a result: the client is still sending its body when the response arrives.
        pause(ms(10));
        client.write_all(&piece).expect("a body of 80,000 bytes should be received to its end, but it is not");
    }
    let mut answer = Vec::new();
    client
        .read_to_end(&mut answer)
        .expect("there should be a response and then the end of the stream, but there is not");
    let begins = answer[..answer.len().min(12)].escape_ascii().to_string();
    assert_eq!(begins, "HTTP/1.1 405", "the start of the response");
}

fn invalid_http_gets_400<E: Endpoint>(new: New<E>) {
    let address = start_server(new);
    for request in
        [&b"hello\r\n\r\n"[..], b"\x16\x03\x01\x00\r\n\r\n", b"GET /stats\r\n\r\n", b"\xff \xff \xff\r\n\r\n"]
    {
        let mut client = Client::connect(address);
        client.send(request);
        assert_eq!(client.response("GET").status(), 400, "the status for {}", request.escape_ascii());
    }
    assert_eq!(Client::connect(address).get("/stats").status(), 200, "the status for the next client");
}

fn silent_clients_do_not_block_others<E: Endpoint>(new: New<E>) {
    let address = start_server(new);
    let _silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    client.write_all(b"GET /stats HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut first = [0; 12];
    client
        .read_exact(&mut first)
        .expect("there should be a response although 20 clients are connected and silent, but there is none");
    assert_eq!(first.escape_ascii().to_string(), "HTTP/1.1 200", "the start of the response");
}

fn a_slow_client_is_disconnected<E: Endpoint>(new: New<E>) {
    let address = start_server(new);
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET /stats HTTP/1.1\r\nHost: test\r\nX: ").unwrap();
    let disconnected = eventually(TEST_TIMEOUT, || {
        // Not a wait for a result: the pace of this client.
        pause(ms(100));
        slow.write_all(b"a").err()
    });
    let message = "a client that sends a byte every 100 ms should be disconnected, but is still connected";
    assert!(disconnected.is_some(), "{message} after {TEST_TIMEOUT:?}");
    until("other clients should be answered", || Client::connect(address).get("/stats").status() == 200);
}
