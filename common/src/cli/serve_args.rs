//! The flags that all HTTP programs of this workspace share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use ipnet::IpNet;

use crate::timeouts::Timeouts;

/// Each thread costs a stack and an entry in the scheduler's run queue: more threads than this no longer help.
const DEFAULT_MAX_CLIENT_THREADS: usize = 1_000;

/// The flags of every HTTP program: `#[command(flatten)] serve: ServeArgs`.
#[derive(clap::Args, Clone, Debug)]
pub struct ServeArgs {
    /// IP address to listen on; 0.0.0.0 or :: accepts connections from other machines
    #[arg(long, value_name = "IP", value_parser = parse_ip)]
    #[arg(default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Maximum concurrent clients; at the limit, accepting pauses [default: 1000 with a thread per client, else what the open file limit allows]
    #[arg(long, value_name = "N")]
    pub max_clients: Option<NonZeroUsize>,
    /// How long each phase may take.
    #[command(flatten)]
    pub timeouts: Timeouts,
    /// Trusted proxy address or network whose X-Forwarded-* headers are kept (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    pub trusted_proxy: Vec<IpNet>,
    /// Log a line per request
    #[arg(long)]
    pub log_requests: bool,
}

impl ServeArgs {
    /// The address to listen on: the `--bind` address with `port`, which is each program's own positional argument.
    pub fn listen_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, port)
    }

    /// The maximum number of concurrent clients of a program with one thread per client.
    pub fn max_client_threads(&self) -> usize {
        self.max_clients.map_or(DEFAULT_MAX_CLIENT_THREADS, NonZeroUsize::get)
    }
}

/// `--workers`, for programs with one worker per core (from chapter 5 on).
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct WorkerArgs {
    /// Worker threads; one per available core by default
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
}

impl WorkerArgs {
    /// How many worker threads to start.
    pub fn count(&self) -> NonZeroUsize {
        self.workers.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }
}

/// An IP address, IPv6 with or without brackets.
pub fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "expected an IP address, such as 127.0.0.1, 0.0.0.0 or ::1".into())
}

/// A port to listen on. The error of `u16` would not say that the argument was taken for the port, and the first
/// argument of a command line is easily forgotten.
pub fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected the port to listen on, a number from 0 to 65535".into())
}

/// A network as `10.0.0.0/8`, or one address.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "expected a network, such as 10.0.0.0/8, fd00::/8 or 192.0.2.7".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Program {
        #[command(flatten)]
        serve: ServeArgs,
        #[command(flatten)]
        workers: WorkerArgs,
    }

    fn parse(line: &str) -> Result<Program, String> {
        let words = line.split_whitespace();
        Program::try_parse_from(std::iter::once("program").chain(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_course() {
        let Program { serve, workers } = parse("").unwrap();
        assert_eq!(serve.listen_address(8080), "127.0.0.1:8080".parse().unwrap());
        assert_eq!((serve.max_clients, serve.max_client_threads()), (None, 1_000));
        assert_eq!(serve.timeouts, Timeouts::default());
        assert!(serve.trusted_proxy.is_empty());
        assert!(!serve.log_requests);
        assert!(workers.workers.is_none());
    }

    #[test]
    fn parses_every_flag() {
        let Program { serve, workers } = parse(
            "--bind [::1] --max-clients 7 --workers 2 --log-requests \
             --trusted-proxy 10.0.0.0/8 --trusted-proxy ::1 \
             --connect-timeout 1s --head-timeout 2s --first-byte-timeout 3s --body-timeout 4s \
             --idle-timeout 5s --stream-timeout 6s --tunnel-timeout 7s --drain-timeout 500ms",
        )
        .unwrap();
        assert_eq!(serve.listen_address(1), "[::1]:1".parse().unwrap());
        assert_eq!((serve.max_client_threads(), workers.workers.unwrap().get()), (7, 2));
        assert!(serve.log_requests);
        assert_eq!(serve.trusted_proxy, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);
        let seconds = Duration::from_secs;
        let timeouts = Timeouts {
            connect: seconds(1),
            head: seconds(2),
            first_byte: seconds(3),
            body: seconds(4),
            idle: seconds(5),
            stream: seconds(6),
            tunnel: seconds(7),
            drain: Duration::from_millis(500),
            min_body_rate: None,
        };
        assert_eq!(serve.timeouts, timeouts);
    }

    #[test]
    fn a_port_is_a_number_that_fits() {
        assert_eq!((parse_port("0"), parse_port("65535")), (Ok(0), Ok(65_535)));
        for text in ["", "65536", "-1", "127.0.0.1:9001", "http"] {
            assert!(parse_port(text).unwrap_err().contains("the port to listen on"), "{text}");
        }
    }

    #[test]
    fn invalid_values_are_explained() {
        for (line, reason) in [
            ("--bind localhost", "expected an IP address"),
            ("--max-clients 0", "'--max-clients <N>'"),
            ("--workers 0", "'--workers <N>'"),
            ("--trusted-proxy 10.0.0.0/33", "expected a network"),
            ("--idle-timeout 60", "the unit is missing"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
