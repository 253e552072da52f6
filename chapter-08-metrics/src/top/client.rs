//! Reads the document, and asks for changes.

use std::time::Duration;

use serde::Deserialize;
use ureq::{Agent, Body, http::Response};

use super::{change::Change, escape::printable, url::AdminUrl};
use crate::live::LiveDocument;

/// The time limit for a request, from the resolution of the name to the last byte.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// More than the document of 1,000 backends has.
const MAX_BODY: u64 = 16 << 20;

/// A client of an admin interface. It blocks its thread, for at most three seconds.
#[derive(Clone, Debug)]
pub struct AdminClient {
    agent: Agent,
    url: AdminUrl,
}

/// Why there is no document, or no change.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There was no whole answer.
    #[error("{}", printable(&.0.to_string()))]
    Http(#[from] ureq::Error),
    /// The answer is an error.
    #[error("status {status}{}{}", if reason.is_empty() { "" } else { ": " }, printable(reason))]
    Status {
        /// Its status.
        status: u16,
        /// What it says.
        reason: String,
    },
    /// The answer is not JSON, or not of this shape.
    #[error("the answer is not a document of live metrics: {}", printable(&.0.to_string()))]
    Shape(#[from] serde_json::Error),
    /// The answer is JSON, but that of another program.
    #[error("the answer is not a document of live metrics: it names no program")]
    NoProgram,
}

/// How the admin interface says no.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

impl AdminClient {
    /// For the admin interface at this address.
    pub fn new(url: AdminUrl) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy from the environment is for the way out, and this is the way in.
            .proxy(None)
            // A connection for each request: it cannot have been closed by a balancer that was restarted meanwhile.
            .max_idle_connections(0)
            .user_agent(concat!("lb_top/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), url }
    }

    /// Its address.
    pub fn url(&self) -> &AdminUrl {
        &self.url
    }

    /// Reads the document.
    pub fn read(&self) -> Result<LiveDocument, ClientError> {
        let body = successful_body(self.agent.get(self.url.document()).call()?)?;
        let document: LiveDocument = serde_json::from_slice(&body)?;
        if document.program.name.is_empty() { Err(ClientError::NoProgram) } else { Ok(document) }
    }

    /// Asks for a change.
    pub fn change(&self, change: &Change) -> Result<(), ClientError> {
        successful_body(self.agent.post(self.url.change(change)).send_empty()?).map(drop)
    }
}

fn successful_body(mut response: Response<Body>) -> Result<Vec<u8>, ClientError> {
    let status = response.status();
    let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec()?;
    if status.is_success() {
        return Ok(body);
    }
    let reason = serde_json::from_slice(&body).map_or_else(|_| String::new(), |ErrorBody { error }| error);
    Err(ClientError::Status { status: status.as_u16(), reason })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread,
    };

    use common::clock::now;

    use super::*;
    use crate::top::change::{BackendPath, ChangeKind};

    /// A client, and a server that answers its one request with `answer`; its thread returns the request.
    fn served(answer: &'static str) -> (AdminClient, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = listener.local_addr().unwrap().to_string().parse().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut more) = (Vec::new(), [0; 1024]);
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let count = stream.read(&mut more).unwrap();
                request.extend_from_slice(&more[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (AdminClient::new(url), server)
    }

    #[test]
    fn a_document_is_read() {
        let (client, server) =
            served("HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n{\"uptime_ms\":7,\"program\":{\"name\":\"a\"}}");
        assert_eq!(client.read().unwrap().uptime_ms, 7);
        let request = server.join().unwrap().to_ascii_lowercase();
        assert!(request.starts_with("get /live.json http/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nhost: {}\r\n", client.url().to_string().trim_start_matches("http://"))));
    }

    #[test]
    fn errors_are_one_line_and_fit_for_a_terminal() {
        for (answer, expected) in [
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
            (
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 23\r\n\r\n{\"error\":\"no\\u001b[2J\"}\n",
                "status 403: no\\u{1b}[2J",
            ),
            ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "status 302"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                "the answer is not a document of live metrics: it names",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                "the answer is not a document of live metrics: expected",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", "io: "),
            ("220 mail.example ESMTP\r\n\r\n", ""),
            ("", ""),
        ] {
            let (client, server) = served(answer);
            let error = client.read().expect_err(answer).to_string();
            assert!(error.starts_with(expected) && !error.chars().any(char::is_control), "{answer:?}: {error:?}");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_server_that_hangs_is_given_up() {
        // The kernel accepts for it.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = AdminClient::new(listener.local_addr().unwrap().to_string().parse().unwrap());
        let began = now();
        assert!(matches!(client.read(), Err(ClientError::Http(ureq::Error::Timeout(_)))));
        assert!(began.elapsed() < 3 * REQUEST_TIMEOUT, "{:?}", began.elapsed());
    }

    #[test]
    fn a_change_is_a_post_without_a_body() {
        let (client, server) = served("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let backend = BackendPath { group: "default".into(), name: "127.0.0.1:9001".into() };
        client.change(&Change { kind: ChangeKind::Enable, backend }).unwrap();
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /backends/127.0.0.1%3A9001/enable?group=default HTTP/1.1\r\n"), "{request}");
    }
}
