//! Suite `retry`: what may be retried is retried on another backend within a budget; nothing else is sent twice.

use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::{Backend, Conn, Request};

pub(super) mod breaker;
pub(super) mod budget;
pub(super) mod endurance;
pub(super) mod idle;
pub(super) mod killed;
pub(super) mod rules;

/// The requests that backends have executed, in order: method, target and body.
#[derive(Debug, Clone, Default)]
struct RequestLog(Arc<Mutex<Vec<(String, String, String)>>>);

impl RequestLog {
    fn note(&self, request: &Request) {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let line = (request.head.method.clone(), request.head.target.clone(), body);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn lines(&self) -> Vec<(String, String, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a request for this target was executed.
    fn count(&self, target: &str) -> usize {
        self.lines().iter().filter(|line| line.1 == target).count()
    }
}

/// A backend that reads each request, records it, and then runs `end`, which may answer or not.
fn logging(log: &RequestLog, end: impl Fn(&mut Conn) + Send + Sync + 'static) -> Backend {
    let log = log.clone();
    Backend::start(move |conn| {
        while let Ok(request) = conn.request() {
            log.note(&request);
            end(conn);
            if conn.is_closed() {
                return;
            }
        }
    })
}

/// Answers, and keeps the connection open.
fn answer(conn: &mut Conn) {
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
}
