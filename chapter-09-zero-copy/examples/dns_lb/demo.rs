//! What two caching resolvers do to the balancing: `dns_lb --demo`.
//!
//! The name server, the backends, the queries and the connections are real. Only the seconds are simulated, so that the
//! table is the same in each run.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use advanced_features::health::active::config::{CheckConfig, CheckKind};
use backends::Fault;
use common::outln;
use hickory_proto::rr::Name;

use crate::{
    FAST_CHECK,
    cache::CachingResolver,
    health::BackendHealth,
    local_backends::LocalBackends,
    server::{DnsSockets, NameServer},
    turns::Turns,
    zone,
};

const NAME: &str = "www.example.test";
const TTL: u32 = 2;
/// What resolver B makes of shorter TTLs.
const MIN_TTL: u32 = 10;
const SECONDS: u32 = 12;
/// Just before this second's connections a backend is killed: one that both resolvers have cached.
const KILLED_AT: u32 = 7;
const KILLED: usize = 1;
/// How long the checks may take to notice, and a client to connect.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A resolver and the clients that use it.
struct Site {
    name: char,
    clients: usize,
    resolver: CachingResolver,
    /// Connections per backend, and those that were refused.
    connected: Vec<usize>,
    refused: usize,
}

impl Site {
    /// Lets each client resolve the name and connect to the first address. Returns the cell of the table.
    fn connect_all(&mut self, second: u32, backends: &[SocketAddr]) -> io::Result<String> {
        let queries = self.resolver.queries();
        let (mut connected, mut address) = (0, None);
        for _ in 0..self.clients {
            let first = self.resolver.resolve(second)?.first().copied();
            let backend = backends.iter().position(|backend| Some(backend.ip()) == first);
            let backend = backend.ok_or_else(|| io::Error::other("an address that is no backend's"))?;
            address = first;
            if TcpStream::connect_timeout(&backends[backend], TIMEOUT).is_ok() {
                self.connected[backend] += 1;
                connected += 1;
            } else {
                self.refused += 1;
            }
        }
        let source = if self.resolver.queries() > queries { "asks" } else { "cached" };
        let outcome = match self.clients - connected {
            0 => format!("{connected:>2} connect"),
            refused => format!("{refused:>2} refused"),
        };
        let address = address.map_or_else(String::new, |address: IpAddr| address.to_string());
        Ok(format!("{source:<6}  {address}  {outcome}"))
    }
}

/// Prints the demonstration.
///
/// # Errors
/// An address cannot be bound, or a part does not answer.
pub(crate) fn run() -> io::Result<()> {
    let local = LocalBackends::start(3, 0)?;
    let backends = local.addresses();
    let check = CheckConfig { interval: FAST_CHECK * 4, fast_interval: FAST_CHECK, ..CheckConfig::new(CheckKind::Tcp) };
    let server = NameServer {
        zone: zone(NAME, &backends, TTL).map_err(io::Error::other)?,
        health: BackendHealth::start(&backends, check)?,
        turns: Turns::default(),
    };
    let (server, sockets) = (Arc::new(server), DnsSockets::bind(0)?);
    let address = sockets.address()?;
    let serving = Arc::clone(&server);
    thread::Builder::new().name("dns-udp".into()).spawn(move || sockets.serve(&serving))?;

    outln!("{} backends, TTL {TTL} s", backends.len());
    outln!("resolver A has  3 clients, and keeps an answer for its TTL");
    outln!("resolver B has 30 clients, and keeps an answer for at least {MIN_TTL} s");
    outln!("\nsecond   A                                B");
    let mut sites = [site('A', 3, 0, address, &backends)?, site('B', 30, MIN_TTL, address, &backends)?];
    for second in 0..SECONDS {
        if second == KILLED_AT {
            local.backends()[KILLED].set_fault(Fault::Down)?;
            if !server.health.wait_until_down(KILLED, TIMEOUT) {
                return Err(io::Error::other("the checks did not notice"));
            }
            outln!("         {} is killed, and the name server knows it", backends[KILLED].ip());
        }
        let [a, b] = &mut sites;
        let (a, b) = (a.connect_all(second, &backends)?, b.connect_all(second, &backends)?);
        outln!("{second:>6}   {a:<33}{b}");
    }
    print_totals(&sites, &backends);
    Ok(())
}

fn site(name: char, clients: usize, min_ttl: u32, server: SocketAddr, backends: &[SocketAddr]) -> io::Result<Site> {
    let question = Name::from_ascii(NAME).map_err(io::Error::other)?;
    let resolver = CachingResolver::new(question, min_ttl, server)?;
    Ok(Site { name, clients, resolver, connected: vec![0; backends.len()], refused: 0 })
}

fn print_totals(sites: &[Site], backends: &[SocketAddr]) {
    let names: Vec<_> = backends.iter().map(|backend| backend.ip().to_string()).collect();
    outln!("\nconnections  {}  refused  queries", names.join("  "));
    for site in sites {
        let counts: Vec<_> = site.connected.iter().map(|count| format!("{count:>9}")).collect();
        outln!("{:<11}  {}{:>9}{:>9}", site.name, counts.join("  "), site.refused, site.resolver.queries());
    }
}
