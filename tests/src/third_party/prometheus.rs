//! Prometheus as the scraper, and its HTTP API: <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::children::Children;
use crate::client::Client;

/// How long its start may take, and a query.
const DEADLINE: Duration = Duration::from_secs(30);

/// A Prometheus server. Dropped: killed and waited for.
#[derive(Debug)]
pub(crate) struct Prometheus {
    child: Child,
    addr: SocketAddr,
    children: Children,
}

/// A series of a query's result: its labels, and its value now.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: serde_json::Map<String, Value>,
    pub(crate) value: f64,
}

impl Prometheus {
    /// Starts it with this configuration, its data below `storage`; `None`, with the reason printed, when it is not
    /// installed.
    pub(crate) fn start(config: &Path, storage: &Path, children: Children) -> Option<Self> {
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", storage.display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| println!("skipped: prometheus does not start: {error}"))
            .ok()?;
        let stderr = child.stderr.take().expect("piped");
        let pid = i32::try_from(child.id()).expect("a pid");
        children.add(pid);
        let mut server = Self { child, addr: SocketAddr::from(([127, 0, 0, 1], 0)), children };
        server.addr = address_in(&lines(stderr));
        Some(server)
    }

    /// The series that an expression selects now; or why it cannot be evaluated.
    pub(crate) fn query(&self, expression: &str) -> Result<Vec<Series>, String> {
        let data = self.get(&format!("/api/v1/query?query={}", percent_encoded(expression)))?;
        if data["resultType"] != "vector" {
            return Err(format!("{} is no vector", data["resultType"]));
        }
        let rows = data["result"].as_array().ok_or("a vector without `result`")?;
        rows.iter().map(|row| series(row).ok_or_else(|| format!("no series: {row}"))).collect()
    }

    /// `data` of an answer of the API; or the error that it reports.
    pub(crate) fn get(&self, target: &str) -> Result<Value, String> {
        let mut client = Client::connect(self.addr);
        client.set_read_timeout(DEADLINE);
        let response = client.get(target);
        let mut answer: Value = serde_json::from_slice(&response.body)
            .map_err(|error| format!("{}, not JSON ({error}): {}", response.status(), response.text()))?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(answer["error"].to_string()) }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.children.remove(i32::try_from(self.child.id()).expect("a pid"));
    }
}

/// The lines of a pipe. It is read to its end, by a thread: a full pipe would stop the server.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines): (Sender<String>, _) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    lines
}

/// The address that it says it listens on: the kernel has chosen the port.
fn address_in(log: &Receiver<String>) -> SocketAddr {
    let mut seen = String::new();
    while let Ok(line) = log.recv_timeout(DEADLINE) {
        let words = line.contains(r#"msg="Listening on""#).then(|| line.split_whitespace());
        if let Some(address) = words.into_iter().flatten().find_map(|word| word.strip_prefix("address=")?.parse().ok())
        {
            return address;
        }
        seen = seen + &line + "\n";
    }
    panic!("prometheus does not listen:\n{seen}");
}

fn series(row: &Value) -> Option<Series> {
    let labels = row["metric"].as_object()?.clone();
    let value = row["value"].get(1)?.as_str()?;
    // `+Inf`, `-Inf` and `NaN` are numbers for Rust, too.
    Some(Series { labels, value: value.parse().ok()? })
}

/// For a query string: everything but letters and digits is encoded.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
