//! Chapter 5: hundreds of clients on one thread, and none of them waits for another.

use std::thread;
use std::time::Duration;

use backends::{Backend, BackendConfig, Fault};
use common::clock::now;
use integration_tests::client::{Client, Response};
use integration_tests::process::Program;
use integration_tests::wait::{TEST_TIMEOUT, ms, until};
use nix::sys::signal::Signal;

use crate::narrator::{Narrator, Programs};

/// Without checks, so that only traffic and deliberate faults have an effect.
const QUIET: [&str; 2] = ["--check", "off"];

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let backends: Vec<_> = (1..=2).map(backend).collect();
    hundreds_on_one_thread(narrator, programs, &backends);
    a_loop_for_each_core(narrator, programs, &backends);
    a_stalled_backend(narrator, programs, &backends);
    graceful_shutdown(narrator, programs, &backends);
}

fn backend(place: u8) -> Backend {
    let config = BackendConfig { id: format!("backend-{place}"), ..BackendConfig::default() };
    Backend::start(config).expect("a free port")
}

/// Starts the balancer in front of the backends.
fn start(narrator: &Narrator, programs: &Programs, backends: &[Backend], options: &[&str]) -> Program {
    let names: Vec<_> = backends.iter().map(|backend| backend.addr().to_string()).collect();
    let names = names.iter().map(String::as_str);
    let args: Vec<_> = ["0"].into_iter().chain(names).chain(QUIET).chain(options.iter().copied()).collect();
    programs.start(narrator, "high_perf_lb", &args)
}

/// `count` clients, each of which has been served once and stays connected.
fn connected_clients(balancer: &Program, count: usize) -> Vec<Client> {
    let connected_client = |_| {
        let mut client = balancer.client();
        assert_eq!(client.get("/").status(), 200);
        client
    };
    (0..count).map(connected_client).collect()
}

fn hundreds_on_one_thread(narrator: &Narrator, programs: &Programs, backends: &[Backend]) {
    const CLIENTS: usize = 500;
    narrator.section(
        "Hundreds of clients, one thread",
        "One event loop. How many threads does the process have without clients, and how many with 500 idle ones?",
    );
    let balancer = start(narrator, programs, backends, &["--workers", "1"]);
    // Threads that only run at the start are gone when a first client is served.
    drop(connected_clients(&balancer, 1));
    // A thread has the name of its creator until it sets its own.
    until("the threads have their names", || {
        balancer.threads().iter().filter(|name| *name == "high_perf_lb").count() == 1
    });
    let (threads, memory) = (balancer.threads(), balancer.rss_kib());
    narrator.output(&format!("no clients:  {} threads ({})", threads.len(), threads.join(", ")));
    let mut clients = connected_clients(&balancer, CLIENTS);
    let with_clients = balancer.threads();
    narrator.output(&format!("{CLIENTS} clients: {} threads", with_clients.len()));
    assert_eq!(with_clients, threads);
    let each = balancer.rss_kib().saturating_sub(memory) * 1024 / CLIENTS as u64;
    assert!(each < 8 * 1024, "{each} bytes for each client");
    narrator.output(&format!("{each} bytes of memory per client, as the kernel counts them"));
    narrator.say(
        "Chapter 4 had 500 threads here. The loop waits for all clients at once, and the last client is served as \
         quickly as the first:",
    );
    for place in [CLIENTS - 1, 0] {
        assert_eq!(clients[place].get("/").status(), 200);
        narrator.output(&format!("client {}: 200, on its first connection", place + 1));
    }
    a_slow_reader(narrator, &balancer, clients);
}

fn a_slow_reader(narrator: &Narrator, balancer: &Program, mut clients: Vec<Client>) {
    const LENGTH: u64 = 30_000_000;
    narrator.section(
        "A slow reader",
        "One client requests 30 MB and does not read. The balancer reads from the backend only what it can forward. Do \
         other clients notice, and where are the 30 MB?",
    );
    let memory = balancer.peak_rss_kib();
    let mut slow = Client::connect_with_recv_buffer(balancer.addr(), 32 * 1024);
    slow.request("GET", &format!("/bytes/{LENGTH}"), "");
    let slowest = clients.iter_mut().map(time_of_a_request).max().expect("at least one client");
    narrator.output(&format!("{} others were answered meanwhile, the slowest in {slowest:.0?}", clients.len()));
    let grown = balancer.peak_rss_kib().saturating_sub(memory);
    assert!(grown < 8 * 1024, "{grown} KiB more memory");
    narrator.output(&format!("{grown} KiB more memory: the rest is still at the backend"));
    let (mut length, mut exact) = (0, true);
    let response = slow.response_into("GET", &mut |piece| {
        exact &= piece.iter().zip(length..).all(|(byte, at)| u64::from(*byte) == at % 251);
        length += piece.len() as u64;
    });
    assert!(response.is_ok_and(|response| response.status() == 200) && exact && length == LENGTH);
    narrator.output("now it reads: 30,000,000 bytes, each the right one");
}

fn time_of_a_request(client: &mut Client) -> Duration {
    let begun = now();
    assert_eq!(client.get("/").status(), 200);
    begun.elapsed()
}

/// The client connections of each worker, from the statistics.
fn clients_by_loop(balancer: &Program) -> Vec<usize> {
    let before = balancer.stdout().len();
    balancer.signal(Signal::SIGUSR1);
    let last = |text: &str| text.get(before..).is_some_and(|new| new.contains("worker 3: "));
    until("the statistics are printed", || last(&balancer.stdout()));
    let text = balancer.stdout();
    let counts = text[before..].lines().filter(|line| line.starts_with("worker "));
    let counts = counts.filter_map(|line| line.split_whitespace().nth(2)?.parse().ok());
    counts.collect()
}

fn show_loops(narrator: &Narrator, counts: &[usize]) {
    let lines: Vec<_> =
        counts.iter().enumerate().map(|(place, count)| format!("worker {place}: {count} client connections")).collect();
    narrator.output(&lines.join("\n"));
}

fn a_loop_for_each_core(narrator: &Narrator, programs: &Programs, backends: &[Backend]) {
    narrator.section(
        "Four workers",
        "Each has its own listener on the same port. The kernel distributes connections by a hash of their addresses, \
         which is even over thousands. Here only eight clients connect, such as eight gateways with all your traffic.",
    );
    let balancer = start(narrator, programs, backends, &["--workers", "4"]);
    let mut clients = connected_clients(&balancer, 8);
    narrator.command("kill -USR1 $(pidof high_perf_lb)");
    let counts = clients_by_loop(&balancer);
    show_loops(narrator, &counts);
    assert_eq!(counts, [2; 4]);
    narrator.say("A worker that has accepted one too many hands it off to the worker with the fewest. Then 92 more:");
    clients.extend(connected_clients(&balancer, 92));
    let counts = clients_by_loop(&balancer);
    show_loops(narrator, &counts);
    assert!(counts.iter().sum::<usize>() == 100 && counts.iter().all(|count| (20..=30).contains(count)), "{counts:?}");
    narrator.say("Nearly even: a hand-off costs a little, so with many clients a small difference stays.");
}

fn a_stalled_backend(narrator: &Narrator, programs: &Programs, backends: &[Backend]) {
    const ASKING: usize = 40;
    narrator.section(
        "A stalled backend",
        "Backend 2 reads requests and never answers. Forty clients send requests at the same moment, so twenty of them \
         wait for it, for at most 700 ms each. One thread waits for all of them: for how long?",
    );
    let options =
        ["--workers", "1", "--first-byte-timeout", "700ms", "--retries", "0", "--eject-after", "0", "--breaker", "0"];
    let balancer = start(narrator, programs, backends, &options);
    let mut clients = connected_clients(&balancer, ASKING);
    backends[1].set_fault(Fault::Hang).expect("the fault is set");
    let begun = now();
    for client in &mut clients {
        client.request("GET", "/", "");
    }
    let answers: Vec<_> = clients.iter_mut().map(|client| client.response("GET")).collect();
    let took = begun.elapsed();
    let of = |status: u16| answers.iter().filter(|answer| answer.status() == status).count();
    assert_eq!((of(200), of(504)), (ASKING / 2, ASKING / 2));
    narrator.output(&format!("200: {}   504: {}   all within {took:.1?}", of(200), of(504)));
    assert!((ms(700)..TEST_TIMEOUT).contains(&took), "{took:?}");
    narrator.say("Twenty deadlines ran in parallel. A thread that waits for one after another would have taken 14 s.");
    backends[1].set_fault(Fault::None).expect("the fault is cleared");
}

fn graceful_shutdown(narrator: &Narrator, programs: &Programs, backends: &[Backend]) {
    const ASKING: usize = 50;
    narrator.section(
        "Graceful shutdown",
        "Four workers, 50 requests in flight that take 800 ms each, and 50 idle clients, when SIGTERM arrives.",
    );
    let mut balancer = start(narrator, programs, backends, &["--workers", "4"]);
    let idle = connected_clients(&balancer, ASKING);
    let mut asking = connected_clients(&balancer, ASKING);
    for client in &mut asking {
        client.request("GET", "/delay/800", "");
    }
    until("all of them are at a backend", || backends.iter().map(Backend::in_flight).sum::<u64>() == ASKING as u64);
    // At once: readers take as long as they like, and the requests are soon over.
    balancer.signal(Signal::SIGTERM);
    narrator.command("kill -TERM $(pidof high_perf_lb)");
    until("no new client is accepted", || Client::try_connect(balancer.addr()).is_err());
    narrator.output("new clients are refused");
    let goodbyes = thread::spawn(move || idle.into_iter().for_each(|mut client| client.expect_closed()));
    let is_last = |answer: &Response| answer.status() == 200 && answer.fields().get("connection") == Some("close");
    let answered = asking.iter_mut().map(|client| client.response("GET")).filter(is_last).count();
    assert_eq!(answered, ASKING);
    narrator.output(&format!("{answered} of {ASKING} requests are answered: 200, `Connection: close`"));
    goodbyes.join().expect("each idle client gets FIN");
    narrator.output(&format!("{ASKING} idle clients got FIN, between two requests"));
    drop(asking);
    assert_eq!(balancer.exit_code(TEST_TIMEOUT), 0);
    narrator.output("exit code 0");
}
