//! One of three backends is killed under load, again and again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::Context;
use crate::backend::backend_process::BackendProcess;
use crate::case::cases;
use crate::client::Response;
use crate::process::Program;
use crate::suites::local_reply;
use crate::wait::{ms, pause, until};

cases! { "retry";
    Fast a_kill_under_load_fails_no_get_and_doubles_no_post,
    Full twenty_kills_under_load_fail_no_get_and_double_no_post,
}

const CLIENTS: usize = 64;

fn a_kill_under_load_fails_no_get_and_doubles_no_post(ctx: &Context) {
    (0..3).for_each(|round| kill_one(ctx, round));
}

fn twenty_kills_under_load_fail_no_get_and_double_no_post(ctx: &Context) {
    (0..20).for_each(|round| kill_one(ctx, round));
}

/// Counts the responses, so that the kill happens in the middle of the load and some time passes after it.
struct Load<'a> {
    program: &'a Program,
    round: usize,
    stop: AtomicBool,
    answers: AtomicUsize,
}

impl Load<'_> {
    /// Three of four clients send GETs; the others POSTs, each with its own body. Returns the bodies that were
    /// answered with 200.
    fn client(&self, number: usize) -> Vec<String> {
        let (mut client, mut done) = (self.program.client(), Vec::new());
        let is_poster = number.is_multiple_of(4);
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            if is_poster {
                let body = format!("{}-{number}-{turn}", self.round);
                client.request("POST", "/", &format!("Content-Length: {}\r\n", body.len()));
                client.send(&body);
                let response = client.response("POST");
                if response.status() == 200 {
                    done.push(body);
                } else {
                    local_reply::assert_local(&response, 502);
                }
                // A 502 that came before the body was read closes the connection, and says so.
                if response.fields().get("connection") == Some("close") {
                    client = self.program.client();
                }
            } else {
                client.request("GET", "/", "");
                let response = client.try_response("GET");
                let status = response.as_ref().map_or(0, Response::status);
                assert_eq!(status, 200, "round {}: a GET failed: {response:?}", self.round);
            }
            self.answers.fetch_add(1, Ordering::SeqCst);
        }
        done
    }

    fn until_answers(&self, more: usize) {
        let goal = self.answers.load(Ordering::SeqCst) + more;
        until("answers", || self.answers.load(Ordering::SeqCst) >= goal || self.stop.load(Ordering::SeqCst));
    }
}

fn kill_one(ctx: &Context, round: usize) {
    let backends = [(); 3].map(|()| BackendProcess::start(ctx));
    let program = ctx.start(&backends.each_ref().map(BackendProcess::addr), &[]);
    let (stop, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = Load { program: &program, round, stop, answers };
    let done: Vec<String> = thread::scope(|scope| {
        let load = &load;
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || load.client(number))).collect();
        load.until_answers(10 * CLIENTS);
        pause(ms(round as u64)); // at another moment each time
        backends[round % 3].kill();
        load.until_answers(10 * CLIENTS);
        load.stop.store(true, Ordering::SeqCst);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    // The last lines of the killed backend may still be in the pipe.
    let executed = || backends.iter().flat_map(BackendProcess::executed).collect::<Vec<_>>();
    until("every POST that was answered was executed", || {
        let executed: BTreeSet<_> = executed().into_iter().collect();
        done.iter().all(|body| executed.contains(body))
    });
    let executed = executed();
    let distinct: BTreeSet<_> = executed.iter().collect();
    assert_eq!(distinct.len(), executed.len(), "a POST was executed twice");
    assert!(!done.is_empty());
}
