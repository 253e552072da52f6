//! Addresses that are listened on twice, and backends that are listeners.

use std::net::SocketAddr;

use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    jsonc::{Object, Value},
    schema::backend_address,
    source::Span,
};

struct Listening {
    address: SocketAddr,
    is_udp: bool,
    span: Span,
}

/// Reports both.
pub(super) fn check(roots: &[&Object], diagnostics: &mut Diagnostics) {
    let mut known: Vec<Listening> = Vec::new();
    for root in roots {
        for (path, address, is_udp) in addresses(root) {
            let Some(text) = address.as_text() else { continue };
            let Ok(parsed) = text.parse() else { continue };
            let new = Listening { address: parsed, is_udp, span: address.span };
            if let Some(first) = known.iter().find(|first| is_same(first, &new)) {
                let diagnostic =
                    Diagnostic::new(Code::AddressTwice, new.span, format!("{parsed} is listened on already"));
                diagnostics.push(diagnostic.path(path).related(first.span, "first here"));
            }
            known.push(new);
        }
    }
    for root in roots {
        for (path, backend) in backends(root) {
            let Some(address) = backend_address(backend).and_then(|address| address.parse::<SocketAddr>().ok()) else {
                continue;
            };
            if let Some(listener) = known.iter().find(|listener| listener.address == address) {
                let diagnostic =
                    Diagnostic::new(Code::BackendIsListener, backend.span, "this backend is the balancer itself");
                diagnostics.push(diagnostic.path(path).related(listener.span, "it listens here"));
            }
        }
    }
}

/// Whether the kernel would refuse to bind the second: the same port of one address, or of all addresses of its family.
fn is_same(one: &Listening, other: &Listening) -> bool {
    let (a, b) = (one.address, other.address);
    let same_ip =
        a.ip() == b.ip() || (a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified()));
    one.is_udp == other.is_udp && a.port() == b.port() && a.port() != 0 && same_ip
}

fn addresses(root: &Object) -> Vec<(String, &Value, bool)> {
    let members =
        |key: &str| root.get(key).and_then(Value::as_object).map(|object| object.0.as_slice()).unwrap_or_default();
    let mut found = Vec::new();
    for member in members("listeners") {
        let Some(listener) = member.value.as_object() else { continue };
        let is_udp = listener.get("protocol").and_then(Value::as_text) == Some("udp");
        found.extend(
            listener.get("address").map(|address| (format!("listeners.{}.address", member.key), address, is_udp)),
        );
    }
    for key in ["admin", "metrics"] {
        let address = root.get(key).and_then(Value::as_object).and_then(|object| object.get("address"));
        found.extend(address.map(|address| (format!("{key}.address"), address, false)));
    }
    found
}

/// The backends of all groups, with the paths of their keys.
pub(super) fn backends(root: &Object) -> Vec<(String, &Value)> {
    let groups = root.get("groups").and_then(Value::as_object).map(|object| object.0.as_slice()).unwrap_or_default();
    let named = groups.iter().filter_map(|group| {
        Some((format!("groups.{}.backends", group.key), group.value.as_object()?.get("backends")?))
    });
    named
        .chain(root.get("backends").map(|backends| ("backends".to_owned(), backends)))
        .flat_map(|(path, backends)| {
            let all = backends.as_array().unwrap_or_default().iter().enumerate();
            all.map(move |(index, backend)| (format!("{path}[{index}]"), backend)).collect::<Vec<_>>()
        })
        .collect()
}
