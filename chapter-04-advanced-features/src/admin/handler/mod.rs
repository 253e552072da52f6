//! Handles each request to the admin API.
//!
//! From a request to a response, by reading or changing the groups: no socket. Only resolving a new backend's
//! name may take long; the caller must be able to block (the server's blocking threads are), and traffic does not wait.

use std::{sync::Arc, time::Instant};

use common::{clock::now, endpoint::Endpoint};

use super::{
    change,
    handlers::AdminHandler,
    operations::{AdminOperations, GroupMember},
    request::{AdminRequest, AdminResponse},
    resource::{ENDPOINTS, Resource},
    status::{BackendList, BackendStatus, GroupList, GroupStatus},
};
use crate::balance::{backend::Backend, group::Group, router::Router};

/// Serves the backends and groups of a balancer.
#[derive(Debug)]
pub struct BackendsHandler<O>(Arc<O>);

impl<O: AdminOperations> BackendsHandler<O> {
    /// For the backends and groups of `operations`.
    pub fn new(operations: Arc<O>) -> Self {
        Self(operations)
    }
}

impl<O: AdminOperations + 'static> AdminHandler for BackendsHandler<O> {
    fn endpoints(&self) -> &'static [&'static str] {
        ENDPOINTS
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        handle_request(&*self.0, request, now())
    }
}

/// Executes a request; `None` if its path is none of a backend or group.
fn handle_request(operations: &impl AdminOperations, request: &AdminRequest, now: Instant) -> Option<AdminResponse> {
    let resource = Resource::from_path(request)?;
    Some(dispatch(operations, &resource, request, now).unwrap_or_else(|rejection| rejection))
}

fn dispatch(
    operations: &impl AdminOperations,
    resource: &Resource,
    request: &AdminRequest,
    now: Instant,
) -> Result<AdminResponse, AdminResponse> {
    resource.check_method(request)?;
    let options = QueryOptions::parse(request)?;
    let router = operations.router();
    let find = |name: &str| options.find_backend(&router, name);
    match (resource, request.method.as_str()) {
        (Resource::Groups, _) => {
            let groups = router.groups().iter().map(|group| GroupStatus::new(group, now)).collect();
            Ok(AdminResponse::json(200, &GroupList { groups }))
        }
        (Resource::Backends, "POST") => {
            let group = options.find_group(&router, Some(DEFAULT_GROUP))?;
            change::add_backend(operations, group, request)?.to_response(201, now)
        }
        (Resource::Backends, _) => list_backends(&router, &options, now),
        (Resource::Backend(name), "DELETE") => {
            change::remove_backend(find(name)?, options.force)?.to_response(200, now)
        }
        (Resource::Backend(name), _) => find(name)?.to_response(200, now),
        (Resource::Drain(name), _) => change::set_draining(find(name)?, true).to_response(200, now),
        (Resource::Enable(name), _) => change::set_draining(find(name)?, false).to_response(200, now),
        (Resource::Weight(name), _) => change::set_weight(find(name)?, request)?.to_response(200, now),
        (Resource::MaxConnections(name), _) => change::set_max_connections(find(name)?, request)?.to_response(200, now),
    }
}

/// The group of a new backend if the request names none.
const DEFAULT_GROUP: &str = "default";

/// The options in the query.
#[derive(Debug, Default)]
struct QueryOptions {
    group: Option<String>,
    force: bool,
}

impl QueryOptions {
    /// Rejects unknown parameters: `?forse=true` must not execute half of a request.
    fn parse(request: &AdminRequest) -> Result<Self, AdminResponse> {
        let mut options = Self::default();
        let pairs = request.query_pairs().ok_or_else(|| AdminResponse::error(400, "malformed query string"))?;
        for (name, value) in pairs {
            match (name.as_str(), value.as_str()) {
                ("group", _) => options.group = Some(value),
                ("force", "true") => options.force = true,
                ("force", "false") => options.force = false,
                _ => {
                    return Err(AdminResponse::error(
                        400,
                        format!("unknown query parameter '{name}={value}'; known: group=NAME, force=true"),
                    ));
                }
            }
        }
        Ok(options)
    }

    /// The group in the query, or else the group named `otherwise`.
    fn find_group(&self, router: &Router, otherwise: Option<&str>) -> Result<Arc<Group>, AdminResponse> {
        let name = self.group.as_deref().or(otherwise).unwrap_or_default();
        let group = router.groups().iter().find(|group| group.name() == name);
        group.cloned().ok_or_else(|| AdminResponse::error(404, format!("unknown group '{name}'; see GET /groups")))
    }

    /// The groups that the request applies to.
    fn selected_groups(&self, router: &Router) -> Result<Vec<Arc<Group>>, AdminResponse> {
        if self.group.is_some() { Ok(vec![self.find_group(router, None)?]) } else { Ok(router.groups().to_vec()) }
    }

    /// The backend with this name, which may be in several groups.
    fn find_backend(&self, router: &Router, name: &str) -> Result<GroupMember, AdminResponse> {
        // Another spelling of an IPv6 address is the same backend.
        let canonical = name.parse::<Endpoint>().map_or_else(|_| name.to_owned(), |endpoint| endpoint.to_string());
        let mut found = Vec::new();
        for group in self.selected_groups(router)? {
            let members = group.members();
            let named = members.into_iter().find(|backend| backend.name().eq_ignore_ascii_case(&canonical));
            found.extend(named.map(|backend| GroupMember { group, backend }));
        }
        match found.len() {
            0 => Err(AdminResponse::error(404, format!("unknown backend '{name}'; see GET /backends"))),
            1 => Ok(found.remove(0)),
            _ => {
                let groups: Vec<_> = found.iter().map(|found| found.group.name()).collect();
                Err(AdminResponse::error(
                    409,
                    format!("'{name}' is in several groups; say which: ?group={}", groups.join("|")),
                ))
            }
        }
    }
}

fn list_backends(router: &Router, options: &QueryOptions, now: Instant) -> Result<AdminResponse, AdminResponse> {
    let groups = options.selected_groups(router)?;
    let of_group = |group: &Arc<Group>| {
        let status = |backend: &Arc<Backend>| BackendStatus::new(group, backend, now);
        group.members().iter().map(status).collect::<Vec<_>>()
    };
    Ok(AdminResponse::json(200, &BackendList { backends: groups.iter().flat_map(of_group).collect() }))
}

#[cfg(test)]
mod tests;
