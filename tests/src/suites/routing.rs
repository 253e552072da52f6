//! Suite `routing`: which group a request is for, and the one spelling of a path that rules and backends see.

use std::net::SocketAddr;

use crate::Context;
use crate::backend::Backend;
use crate::process::Program;
use crate::runner::Case;

mod conditions;
mod groups;
mod paths;
mod refused;

/// The cases of this suite.
pub(crate) fn cases() -> Vec<Case> {
    super::collect(&[conditions::CASES, paths::CASES, groups::CASES, refused::CASES])
}

/// A program with a group of one backend for each name; each backend answers with its name.
struct Site {
    program: Program,
    backends: Vec<Backend>,
    _default: Backend,
}

impl Site {
    /// `rules` lead to groups; each group is made that one of them names. All else goes to `default`.
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

    /// Asserts of each head (without its last empty line) which group answers. All on one connection.
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

    /// Requests that any group but the default has got.
    fn routed(&self) -> usize {
        self.backends.iter().map(Backend::connections).sum()
    }
}

/// `NAME=` and a backend that is never asked.
fn idle_group(name: &str) -> String {
    format!("{name}={}", SocketAddr::from(([127, 0, 0, 1], 9)))
}
