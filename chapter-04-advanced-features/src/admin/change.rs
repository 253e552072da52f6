//! The changes: add, remove, drain, weigh, limit.
//!
//! Whatever must hold of a group as a whole (each backend once, not all weights 0) is looked at under the lock under
//! which members change: two operators at once cannot both take the last but one.

use std::sync::Arc;

use common::endpoint::Endpoint;
use load_balancer::dns_refresher::Named;
use serde::Deserialize;

use super::{
    operations::{Found, Operations},
    request::{Request, Response},
};
use crate::{
    balance::{backend::Backend, group::Group},
    routing::group_spec::{MAX_WEIGHT, MembersError, check_members},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    backend: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weigh {
    weight: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    // Of this type the field must stand there, `null` or not: `{}` must not lift a limit.
    #[serde(deserialize_with = "Option::deserialize")]
    max_connections: Option<u32>,
}

/// Adds a backend to the group. It has its full share from the next request on.
pub(super) fn add(operations: &impl Operations, group: Arc<Group>, request: &Request) -> Result<Found, Response> {
    let Add { backend } = request.body(r#"{"backend": "127.0.0.1:9004"}"#)?;
    let endpoint: Endpoint = backend.parse().map_err(|error| Response::error(400, format!("{error}")))?;
    if let Some(weight) = endpoint.weight {
        check_weight(&group, weight)?;
    }
    // Before the name is resolved, which may take long; and again when it joins, for another may have been faster.
    may_join(&group, &group.members(), &endpoint)?;
    let unresolved = |error| Response::error(400, format!("{endpoint}: {error}"));
    let backend = operations.backend(&group, &endpoint).map_err(unresolved)?;
    group.change_members(|members| {
        may_join(&group, members, &endpoint)?;
        members.push(Arc::clone(&backend));
        Ok(())
    })?;
    tracing::info!("admin: added {endpoint} to group {} with weight {}", group.name(), backend.weight());
    Ok(Found { group, backend })
}

// ANCHOR: remove
/// Takes a backend out: no request is given to it any more, and those that it has are finished.
pub(super) fn remove(found: Found, force: bool) -> Result<Found, Response> {
    let Found { group, backend } = &found;
    group.change_members(|members| {
        let is_another = |member: &&Arc<Backend>| !Arc::ptr_eq(member, backend);
        let left: Vec<_> = members.iter().filter(is_another).cloned().collect();
        if let Err(error) = check_members(&endpoints(&left))
            && !force
        {
            return Err(Response::error(
                409,
                format!(
                    "removing {} would leave group '{}' with no usable backend: {error}; add ?force=true to remove it anyway",
                    backend.name(),
                    group.name()
                ),
            ));
        }
        *members = left;
        Ok(())
    })?;
    tracing::info!("admin: removed {} from group {}", backend.name(), group.name());
    Ok(found)
}
// ANCHOR_END: remove

/// Stops new clients, or lets them come again. Those that stick to the backend by a cookie stay.
pub(super) fn drain(found: Found, draining: bool) -> Found {
    found.backend.drain(draining);
    let what = if draining { "drained" } else { "enabled" };
    tracing::info!("admin: {} of group {} is {what}", found.backend.name(), found.group.name());
    found
}

/// Gives the backend another weight.
pub(super) fn weigh(found: Found, request: &Request) -> Result<Found, Response> {
    let Weigh { weight } = request.body(r#"{"weight": 5}"#)?;
    let Found { group, backend } = &found;
    check_weight(group, weight)?;
    group.change_members(|members| {
        let of_this = |member: &Arc<Backend>| if Arc::ptr_eq(member, backend) { weight } else { member.weight() };
        if members.iter().all(|member| of_this(member) == 0) {
            return Err(Response::error(409, format!("group '{}': {}", group.name(), MembersError::AllZero)));
        }
        backend.set_weight(weight);
        Ok(())
    })?;
    tracing::info!("admin: set weight of {} in group {} to {weight}", backend.name(), group.name());
    Ok(found)
}

/// Limits the requests at once to the backend, or lifts the limit.
pub(super) fn limit(found: Found, request: &Request) -> Result<Found, Response> {
    let Limit { max_connections } = request.body(r#"{"max_connections": 100}"#)?;
    if max_connections == Some(0) {
        return Err(Response::error(
            400,
            "max_connections must be at least 1, or null for no limit; to stop new requests, drain the backend",
        ));
    }
    let Found { group, backend } = &found;
    backend.slots.set_limit(max_connections);
    group.queue.freed();
    let (name, limit) = (backend.name(), max_connections.map_or("any number of".to_owned(), |limit| limit.to_string()));
    tracing::info!("admin: {name} of group {} may have {limit} requests at once", group.name());
    Ok(found)
}

fn check_weight(group: &Group, weight: u32) -> Result<(), Response> {
    let algorithm = group.choosing().algorithm;
    if weight > MAX_WEIGHT {
        return Err(Response::error(400, format!("weight {weight} is more than {MAX_WEIGHT}")));
    }
    if weight > 1 && !algorithm.has_weights() {
        let text = format!("group '{}' uses {algorithm}, which ignores weights; start it with -a wrr", group.name());
        return Err(Response::error(409, text));
    }
    Ok(())
}

/// Whether one more may be a member beside these.
fn may_join(group: &Group, members: &[Arc<Backend>], endpoint: &Endpoint) -> Result<(), Response> {
    let mut all = endpoints(members);
    all.push(endpoint.clone());
    check_members(&all).map_err(|error| match error {
        MembersError::Duplicate(name) => {
            Response::error(409, format!("group '{}' already contains {name}", group.name()))
        }
        error => Response::error(400, format!("group '{}': {error}", group.name())),
    })
}

/// The members as they would be written now.
fn endpoints(members: &[Arc<Backend>]) -> Vec<Endpoint> {
    let endpoint = |backend: &Arc<Backend>| Endpoint { weight: Some(backend.weight()), ..backend.endpoint().clone() };
    members.iter().map(endpoint).collect()
}
