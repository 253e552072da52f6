//! Suite `retry`: what may be sent again is, elsewhere and within a budget; what may not be never is.

use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::{Backend, Conn, Request};
use crate::runner::Case;

mod breaker;
mod budget;
mod endurance;
mod killed;
mod rested;
mod rules;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[rules::CASES, rested::CASES, budget::CASES, breaker::CASES, killed::CASES, endurance::CASES])
}

/// The requests that backends have executed, in order: method, target and body.
#[derive(Debug, Clone, Default)]
struct Book(Arc<Mutex<Vec<(String, String, String)>>>);

impl Book {
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

/// A backend that reads each request, writes it down, and then does `end`: it may answer, or not.
fn noting(book: &Book, end: impl Fn(&mut Conn) + Send + Sync + 'static) -> Backend {
    let book = book.clone();
    Backend::start(move |conn| {
        while let Ok(request) = conn.request() {
            book.note(&request);
            end(conn);
            if conn.is_closed() {
                return;
            }
        }
    })
}

/// Answers, and keeps the connection.
fn answer(conn: &mut Conn) {
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
}
