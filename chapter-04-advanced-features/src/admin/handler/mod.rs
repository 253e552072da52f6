//! What each request to the admin interface does.
//!
//! A request comes in, the groups are looked at or changed, a response goes out: no socket, no clock. The one thing
//! that may take long is to resolve a new backend's name; who calls this is prepared to wait (the server's blocking
//! threads), and traffic does not.

use std::{sync::Arc, time::Instant};

use common::endpoint::Endpoint;

use super::{
    change,
    operations::{Found, Operations},
    request::{Request, Response},
    resource::{HELP, Resource},
    status::{BackendView, Backends, GroupView, Groups, Help},
};
use crate::balance::{backend::Backend, cluster::Cluster, group::Group};

/// Does what is asked, and says what came of it.
pub fn handle(operations: &impl Operations, request: &Request, now: Instant) -> Response {
    answer(operations, request, now).unwrap_or_else(|refused| refused)
}

fn answer(operations: &impl Operations, request: &Request, now: Instant) -> Result<Response, Response> {
    let resource = Resource::of(request)?;
    let options = Options::of(request)?;
    let cluster = operations.cluster();
    let find = |name: &str| options.find(&cluster, name);
    match (resource, request.method.as_str()) {
        (Resource::Help, _) => Ok(Response::show(200, &Help { help: HELP })),
        (Resource::Groups, _) => {
            let groups = cluster.groups().iter().map(|group| GroupView::of(group, now)).collect();
            Ok(Response::show(200, &Groups { groups }))
        }
        (Resource::Backends, "POST") => {
            let group = options.group(&cluster, Some(DEFAULT_GROUP))?;
            change::add(operations, group, request)?.show(201, now)
        }
        (Resource::Backends, _) => list(&cluster, &options, now),
        (Resource::Backend(name), "DELETE") => change::remove(find(&name)?, options.force)?.show(200, now),
        (Resource::Backend(name), _) => find(&name)?.show(200, now),
        (Resource::Drain(name), _) => change::drain(find(&name)?, true).show(200, now),
        (Resource::Enable(name), _) => change::drain(find(&name)?, false).show(200, now),
        (Resource::Weight(name), _) => change::weigh(find(&name)?, request)?.show(200, now),
        (Resource::MaxConnections(name), _) => change::limit(find(&name)?, request)?.show(200, now),
    }
}

/// The group that a new backend belongs to if none is named.
const DEFAULT_GROUP: &str = "default";

/// What the query asks for.
#[derive(Debug, Default)]
struct Options {
    group: Option<String>,
    force: bool,
}

impl Options {
    /// A word that is not understood is refused: `?forse=true` must not do half of what was meant.
    fn of(request: &Request) -> Result<Self, Response> {
        let mut options = Self::default();
        let pairs = request.pairs().ok_or_else(|| Response::error(400, "malformed query string"))?;
        for (name, value) in pairs {
            match (name.as_str(), value.as_str()) {
                ("group", _) => options.group = Some(value),
                ("force", "true") => options.force = true,
                ("force", "false") => options.force = false,
                _ => {
                    return Err(Response::error(
                        400,
                        format!("unknown query parameter '{name}={value}'; known: group=NAME, force=true"),
                    ));
                }
            }
        }
        Ok(options)
    }

    /// The group that is named, or else the one of the name `otherwise`.
    fn group(&self, cluster: &Cluster, otherwise: Option<&str>) -> Result<Arc<Group>, Response> {
        let name = self.group.as_deref().or(otherwise).unwrap_or_default();
        let group = cluster.groups().iter().find(|group| group.name() == name);
        group.cloned().ok_or_else(|| Response::error(404, format!("unknown group '{name}'; see GET /groups")))
    }

    /// The groups to look into.
    fn groups(&self, cluster: &Cluster) -> Result<Vec<Arc<Group>>, Response> {
        if self.group.is_some() { Ok(vec![self.group(cluster, None)?]) } else { Ok(cluster.groups().to_vec()) }
    }

    /// The backend of this name, which may stand in several groups.
    fn find(&self, cluster: &Cluster, name: &str) -> Result<Found, Response> {
        // Another spelling of an IPv6 address is the same backend.
        let canonical = name.parse::<Endpoint>().map_or_else(|_| name.to_owned(), |endpoint| endpoint.to_string());
        let mut found = Vec::new();
        for group in self.groups(cluster)? {
            let members = group.members();
            let of_that_name = members.into_iter().find(|backend| backend.name().eq_ignore_ascii_case(&canonical));
            found.extend(of_that_name.map(|backend| Found { group, backend }));
        }
        match found.len() {
            0 => Err(Response::error(404, format!("unknown backend '{name}'; see GET /backends"))),
            1 => Ok(found.remove(0)),
            _ => {
                let groups: Vec<_> = found.iter().map(|found| found.group.name()).collect();
                Err(Response::error(
                    409,
                    format!("'{name}' is in several groups; say which: ?group={}", groups.join("|")),
                ))
            }
        }
    }
}

fn list(cluster: &Cluster, options: &Options, now: Instant) -> Result<Response, Response> {
    let groups = options.groups(cluster)?;
    let of_group = |group: &Arc<Group>| {
        let view = |backend: &Arc<Backend>| BackendView::of(group, backend, now);
        group.members().iter().map(view).collect::<Vec<_>>()
    };
    Ok(Response::show(200, &Backends { backends: groups.iter().flat_map(of_group).collect() }))
}

#[cfg(test)]
mod tests;
