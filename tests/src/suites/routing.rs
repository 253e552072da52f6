//! Suite `routing`: which group a request belongs to, and the normalized path that rules and backends see.

use std::net::SocketAddr;

use crate::Context;
use crate::backend::Backend;
use crate::process::Program;

pub(super) mod conditions;
pub(super) mod groups;
pub(super) mod paths;
pub(super) mod refused;

/// A program with one group of one backend for each name; each backend answers with its name.
struct RoutedProgram {
    program: Program,
    backends: Vec<Backend>,
    _default: Backend,
}

impl RoutedProgram {
    /// Starts the groups that `rules` name. Every other request goes to `default`.
    fn start(ctx: &Context, rules: &[&str]) -> Self {
        let mut names: Vec<_> = rules.iter().map(|rule| rule.rsplit_once("-> ").expect("a rule").1).collect();
        names.sort_unstable();
        names.dedup();
        let backends: Vec<_> = names.iter().map(|name| Backend::ok(name)).collect();
        let groups: Vec<_> =
            names.iter().zip(&backends).map(|(name, backend)| format!("{name}={}", backend.addr())).collect();
        let groups = groups.iter().flat_map(|group| ["--group", group]);
        let flags: Vec<_> = groups.chain(rules.iter().flat_map(|rule| ["--route", rule])).collect();
        let default = Backend::ok("default");
        let program = ctx.start(&[default.addr()], &flags);
        Self { program, backends, _default: default }
    }

    /// Asserts which group answers each head (given without its last empty line). All on one connection.
    fn assert_routes(&self, table: &[(&str, &str)]) {
        let mut client = self.program.client();
        for (head, group) in table {
            let host = if head.to_ascii_lowercase().contains("\nhost:") { "" } else { "Host: test\r\n" };
            let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
            let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
            client.send(format!("{line} HTTP/1.1\r\n{host}{fields}\r\n"));
            let response = client.response(line.split(' ').next().expect("a method"));
            assert_eq!((response.status(), response.text().as_str()), (200, *group), "{head:?}");
        }
    }

    /// Requests that groups other than the default have received.
    fn routed(&self) -> usize {
        self.backends.iter().map(Backend::connections).sum()
    }
}

/// `NAME=` and a backend that never receives a request.
fn idle_group(name: &str) -> String {
    format!("{name}={}", SocketAddr::from(([127, 0, 0, 1], 9)))
}
