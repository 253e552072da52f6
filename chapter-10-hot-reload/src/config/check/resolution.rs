//! Backends whose names do not resolve now.
//!
//! A warning: the balancer starts without them and looks them up again. The look-ups run at the same time and are given a
//! moment; a name that a slow server has not answered by then is not reported.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::endpoint::Endpoint;

use super::addresses::backends;
use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    jsonc::Object,
    schema::backend_address,
    source::Span,
};

const MAX_WAIT: Duration = Duration::from_secs(2);
/// Each look-up takes a thread.
const MAX_NAMES: usize = 64;

/// Looks all names up, and reports those that have no address.
pub(super) fn check(roots: &[&Object], diagnostics: &mut Diagnostics) {
    let mut names: BTreeMap<String, (String, Span)> = BTreeMap::new();
    for root in roots {
        for (path, backend) in backends(root) {
            let endpoint = backend_address(backend).and_then(|address| address.parse::<Endpoint>().ok());
            if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.host.parse::<IpAddr>().is_err()) {
                names.entry(endpoint.host).or_insert((path, backend.span));
            }
        }
    }
    let (sender, answers) = mpsc::channel();
    for name in names.keys().take(MAX_NAMES) {
        let (name, sender) = (name.clone(), sender.clone());
        let look_up = move || {
            let answer = (name.as_str(), 0).to_socket_addrs().map(|mut addresses| addresses.next().is_some());
            // Nobody waits any longer if this fails.
            let _ = sender.send((name, answer));
        };
        if thread::Builder::new().name("resolve".into()).spawn(look_up).is_err() {
            break;
        }
    }
    drop(sender);
    let deadline = common::clock::now() + MAX_WAIT;
    while let Ok((name, answer)) = answers.recv_timeout(deadline.saturating_duration_since(common::clock::now())) {
        let Some((path, span)) = names.get(&name).filter(|_| !matches!(answer, Ok(true))) else { continue };
        let diagnostic =
            Diagnostic::new(Code::Unresolvable, *span, format!("'{name}' does not resolve: {}", reason(answer)));
        diagnostics.push(diagnostic.path(path.as_str()).help("the balancer starts without it, and looks it up again"));
    }
}

fn reason(answer: io::Result<bool>) -> String {
    answer.map_or_else(|error| error.to_string(), |_| "it has no address".to_owned())
}
