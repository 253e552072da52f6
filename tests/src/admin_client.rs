//! A client of a balancer's admin interface.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, Response};
use crate::process::Program;

/// The time limit for a request that resolves a name: a failed lookup may take this long.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(40);

/// A client of the admin interface of a running program.
#[derive(Debug, Clone, Copy)]
pub struct AdminClient {
    addr: SocketAddr,
}

impl AdminClient {
    /// The address that `program` prints.
    pub fn of(program: &Program) -> Self {
        let stdout = program.wait_stdout("admin interface on ");
        let addr = stdout.lines().find_map(|line| line.strip_prefix("admin interface on ")?.trim().parse().ok());
        Self { addr: addr.unwrap_or_else(|| panic!("no address after `admin interface on`: {stdout}")) }
    }

    /// Its address.
    pub fn addr(self) -> SocketAddr {
        self.addr
    }

    /// Sends a request with these header lines and a Content-Length.
    pub fn send(self, method: &str, target: &str, fields: &str, body: impl AsRef<[u8]>) -> Response {
        let (mut client, body) = (Client::connect(self.addr), body.as_ref());
        client.set_read_timeout(RESOLVER_TIMEOUT);
        client.send(format!("{method} {target} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n", body.len()));
        let _ = client.try_send(body); // a request that is rejected early need not be read to its end
        client.response(method)
    }

    /// Sends a request as `curl` does on this machine; returns the status and the JSON body.
    pub fn request(self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let response = self.send(method, target, &format!("Host: {}\r\n", self.addr), body);
        (response.status(), json(&response))
    }

    /// As [`request`](Self::request), for requests that must succeed.
    pub fn request_ok(self, method: &str, target: &str, body: &str) -> Value {
        let (status, json) = self.request(method, target, body);
        assert!(matches!(status, 200 | 201), "{method} {target} {body}: {status} {json}");
        json
    }

    /// Adds a backend.
    pub fn add_backend(self, backend: SocketAddr) -> Value {
        self.request_ok("POST", "/backends", &format!(r#"{{"backend": "{backend}"}}"#))
    }

    /// Removes a backend.
    pub fn remove(self, backend: SocketAddr) -> Value {
        self.request_ok("DELETE", &format!("/backends/{backend}"), "")
    }

    /// An action on a backend by POST: `drain`, `enable`.
    pub fn backend_action(self, backend: SocketAddr, what: &str) -> Value {
        self.request_ok("POST", &format!("/backends/{backend}/{what}"), "")
    }

    /// Sets a backend's weight.
    pub fn set_weight(self, backend: SocketAddr, weight: u32) -> Value {
        self.request_ok("PUT", &format!("/backends/{backend}/weight"), &format!(r#"{{"weight": {weight}}}"#))
    }

    /// The names of all backends, in order.
    pub fn backend_names(self) -> Vec<String> {
        let list = self.request_ok("GET", "/backends", "");
        let rows = list["backends"].as_array().expect("a list");
        rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
    }
}

/// The body, which must be JSON and labelled so.
pub fn json(response: &Response) -> Value {
    assert_eq!(response.fields().get("content-type"), Some("application/json"), "{response:?}");
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {response:?}"))
}
