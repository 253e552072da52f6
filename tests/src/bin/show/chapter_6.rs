//! Chapter 6: a handful of connections for all clients, and none of them ever carries another client's response.

use std::thread;

use backends::{Backend, BackendConfig, Fault};
use integration_tests::admin_client::AdminClient;
use integration_tests::backend::Backend as Scripted;
use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::{ms, pause, until};

use crate::narrator::{Narrator, Programs};

/// Without checks, which connect too, so that only traffic is counted.
const QUIET: [&str; 4] = ["--check", "off", "--admin", "127.0.0.1:0"];

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends: Vec<_> = (1..=2).map(backend).collect();
    hundreds_share_a_handful(narrator, programs, &backends);
    the_last_is_the_first(narrator, programs, &backends);
    a_restart_that_nobody_notices(narrator, programs, &backends);
    an_answer_that_nobody_asked_for(narrator, programs);
}

fn backend(place: u8) -> Backend {
    let config = BackendConfig { id: format!("backend-{place}"), ..BackendConfig::default() };
    Backend::start(config).expect("a free port")
}

/// Starts the balancer in front of the backends.
fn start(narrator: &Narrator, programs: &Programs, backends: &[String], options: &[&str]) -> Program {
    let names = backends.iter().map(String::as_str);
    let args: Vec<_> = ["0"].into_iter().chain(names).chain(QUIET).chain(options.iter().copied()).collect();
    programs.start(narrator, "pooled_lb", &args)
}

fn names(backends: &[Backend]) -> Vec<String> {
    backends.iter().map(|backend| backend.addr().to_string()).collect()
}

/// `count` clients, each of which sends one request and stays connected.
fn connected_clients(balancer: &Program, count: usize) -> Vec<Client> {
    let connected_client = |_| {
        let mut client = balancer.client();
        assert_eq!(client.get("/").status(), 200);
        client
    };
    (0..count).map(connected_client).collect()
}

/// All of them send a request at the same moment, whose response is delayed.
fn ask_at_once(clients: &mut [Client]) {
    for client in &mut *clients {
        client.request("GET", "/delay/100", "");
    }
    for client in clients {
        assert_eq!(client.response("GET").status(), 200);
    }
}

fn connections(backends: &[Backend]) -> u64 {
    backends.iter().map(Backend::connections).sum()
}

/// A pool counter, from the admin interface.
fn count(balancer: &Program, name: &str) -> u64 {
    AdminClient::of(balancer).request_ok("GET", "/pool", "")[name].as_u64().expect("a count")
}

fn hit_rate(narrator: &Narrator, balancer: &Program) {
    let pool = AdminClient::of(balancer).request_ok("GET", "/pool", "");
    let rate = pool["hit_rate_percent"].as_f64().expect("there were requests");
    narrator.command("kill -USR1 $(pidof pooled_lb)");
    narrator.output(&format!("{} hits, {} misses, HIT RATE: {rate:.2} %", pool["hits"], pool["misses"]));
}

fn hundreds_share_a_handful(narrator: &Narrator, programs: &Programs, backends: &[Backend]) {
    const CLIENTS: usize = 300;
    narrator.section(
        "Hundreds of clients, a handful of connections",
        "300 clients send one request and stay connected, as browsers do. In chapters 4 and 5 each of them has its own \
         connections. How many do two backends get now?",
    );
    let before = connections(backends);
    let balancer = start(narrator, programs, &names(backends), &["--workers", "1"]);
    let mut clients = connected_clients(&balancer, CLIENTS);
    let made = connections(backends) - before;
    narrator.output(&format!("{CLIENTS} clients are connected; {made} connections to backends were made"));
    assert!(made <= 8, "{made} connections");
    hit_rate(narrator, &balancer);
    narrator.say("They sent their requests one after another. Not clients need connections, but requests in flight:");
    ask_at_once(&mut clients[..40]);
    let made = connections(backends) - before;
    narrator.output(&format!("40 of them sent a request at the same moment: {made} connections by now"));
    assert!((40..=48).contains(&made), "{made} connections");
}

fn the_last_is_the_first(narrator: &Narrator, programs: &Programs, backends: &[Backend]) {
    narrator.section(
        "Last in, first out",
        "Twenty concurrent requests leave idle connections. Then only one client continues. Here the idle timeout is one \
         second instead of 30. How many connections are left after two?",
    );
    let balancer =
        start(narrator, programs, &names(backends)[..1], &["--workers", "1", "--upstream-idle-timeout", "1s"]);
    let mut clients = connected_clients(&balancer, 20);
    ask_at_once(&mut clients);
    narrator.output(&format!("{} connections were made for twenty requests at once", count(&balancer, "misses")));
    let made = count(&balancer, "misses");
    until("the others have expired", || {
        assert_eq!(clients[0].get("/").status(), 200);
        pause(ms(20));
        count(&balancer, "expired") == made - 1
    });
    narrator.output(&format!("{} expired; the one client used one all the time", made - 1));
    assert_eq!(count(&balancer, "misses"), made);
    narrator.say("A FIFO queue would have used each of them in turn, and kept them all open for nothing.");
}

fn a_restart_that_nobody_notices(narrator: &Narrator, programs: &Programs, backends: &[Backend]) {
    narrator.section(
        "A backend restarts",
        "Connections are idle while their backend restarts. All of them are stale now, and the next requests would use \
         them.",
    );
    let balancer = start(narrator, programs, &names(backends)[..1], &["--workers", "1"]);
    let mut clients = connected_clients(&balancer, 10);
    ask_at_once(&mut clients);
    backends[0].set_fault(Fault::Down).expect("it can be down");
    backends[0].set_fault(Fault::None).expect("it comes back");
    let answered = clients.iter_mut().map(|client| client.get("/").status()).filter(|status| *status == 200).count();
    assert_eq!(answered, clients.len());
    narrator.output(&format!("{answered} of {} requests after the restart: 200", clients.len()));
    until("all stale connections are found", || count(&balancer, "stale") >= 9);
    narrator.output(&format!(
        "{} stale connections were found and closed, before a request used them",
        count(&balancer, "stale")
    ));
}

fn an_answer_that_nobody_asked_for(narrator: &Narrator, programs: &Programs) {
    narrator.section(
        "An unsolicited response",
        "A broken or compromised backend sends a second response after each one. On a reused connection it would go to \
         the next client.",
    );
    let backend = Scripted::start(|conn| {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        while let Ok(request) = conn.request() {
            let own = format!("for {}", &request.head.target[1..]);
            if !conn.write(answer(&own) + &answer("somebody's bank statement")) {
                return;
            }
        }
    });
    let balancer = start(narrator, programs, &[backend.addr().to_string()], &["--workers", "1"]);
    thread::scope(|scope| {
        for name in ["A", "B"] {
            let mut client = balancer.client();
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(client.get(&format!("/{name}")).text(), format!("for {name}"));
                }
            });
        }
    });
    narrator.output("A and B sent 50 requests each: every response was their own");
    assert_eq!((count(&balancer, "hits"), count(&balancer, "misses")), (0, 100));
    hit_rate(narrator, &balancer);
    narrator.say("No connection was reused. That is expensive, but right: fix the backend.");
}
