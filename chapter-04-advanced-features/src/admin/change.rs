//! The changes of the admin API: add, remove, drain, set the weight, set the limit.
//!
//! The invariants of a group as a whole (no duplicates, not all weights 0) are checked under the lock under which
//! members change: two concurrent requests cannot each remove one of the last two backends.

use std::sync::Arc;

use common::endpoint::Endpoint;
use load_balancer::dns_refresher::DnsTarget;
use serde::Deserialize;

use super::{
    operations::{AdminOperations, GroupMember},
    request::{AdminRequest, AdminResponse},
};
use crate::{
    balance::{backend::Backend, group::Group},
    routing::group_spec::{MAX_WEIGHT, MembersError, validate_members},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBackend {
    backend: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetWeight {
    weight: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMaxConnections {
    // With this attribute the key is required, `null` or not: `{}` must not remove a limit.
    #[serde(deserialize_with = "Option::deserialize")]
    max_connections: Option<u32>,
}

/// Adds a backend to the group. It gets its full share from the next request on.
pub(super) fn add_backend(
    operations: &impl AdminOperations,
    group: Arc<Group>,
    request: &AdminRequest,
) -> Result<GroupMember, AdminResponse> {
    let AddBackend { backend } = request.parse_body(r#"{"backend": "127.0.0.1:9004"}"#)?;
    let endpoint: Endpoint = backend.parse().map_err(|error| AdminResponse::error(400, format!("{error}")))?;
    if let Some(weight) = endpoint.weight {
        validate_weight(&group, weight)?;
    }
    // Checked before the name is resolved, which may take long, and again under the lock, because a concurrent request
    // may have added it in between.
    validate_addition(&group, &group.members(), &endpoint)?;
    let unresolved = |error| AdminResponse::error(400, format!("{endpoint}: {error}"));
    let backend = operations.create_backend(&group, &endpoint).map_err(unresolved)?;
    group.update_members(|members| {
        validate_addition(&group, members, &endpoint)?;
        members.push(Arc::clone(&backend));
        Ok(())
    })?;
    tracing::info!("admin: added {endpoint} to group {} with weight {}", group.name(), backend.weight());
    Ok(GroupMember { group, backend })
}

// ANCHOR: remove
/// Removes a backend: it gets no new requests, and those in flight complete.
pub(super) fn remove_backend(target: GroupMember, force: bool) -> Result<GroupMember, AdminResponse> {
    let GroupMember { group, backend } = &target;
    group.update_members(|members| {
        let is_other = |member: &&Arc<Backend>| !Arc::ptr_eq(member, backend);
        let remaining: Vec<_> = members.iter().filter(is_other).cloned().collect();
        if let Err(error) = validate_members(&endpoints(&remaining))
            && !force
        {
            return Err(AdminResponse::error(
                409,
                format!(
                    "removing {} would leave group '{}' with no usable backend: {error}; add ?force=true to remove it anyway",
                    backend.name(),
                    group.name()
                ),
            ));
        }
        *members = remaining;
        Ok(())
    })?;
    tracing::info!("admin: removed {} from group {}", backend.name(), group.name());
    Ok(target)
}
// ANCHOR_END: remove

/// Stops new clients, or accepts them again. Clients that are tied to the backend stay.
pub(super) fn set_draining(member: GroupMember, draining: bool) -> GroupMember {
    member.backend.set_draining(draining);
    let what = if draining { "drained" } else { "enabled" };
    tracing::info!("admin: {} of group {} is {what}", member.backend.name(), member.group.name());
    member
}

/// Sets the backend's weight.
pub(super) fn set_weight(target: GroupMember, request: &AdminRequest) -> Result<GroupMember, AdminResponse> {
    let SetWeight { weight } = request.parse_body(r#"{"weight": 5}"#)?;
    let GroupMember { group, backend } = &target;
    validate_weight(group, weight)?;
    group.update_members(|members| {
        let new_weight_of = |member: &Arc<Backend>| if Arc::ptr_eq(member, backend) { weight } else { member.weight() };
        if members.iter().all(|member| new_weight_of(member) == 0) {
            return Err(AdminResponse::error(
                409,
                format!("group '{}': {}", group.name(), MembersError::AllWeightsZero),
            ));
        }
        backend.set_weight(weight);
        Ok(())
    })?;
    tracing::info!("admin: set weight of {} in group {} to {weight}", backend.name(), group.name());
    Ok(target)
}

/// Limits the concurrent requests to the backend, or removes the limit.
pub(super) fn set_max_connections(member: GroupMember, request: &AdminRequest) -> Result<GroupMember, AdminResponse> {
    let SetMaxConnections { max_connections } = request.parse_body(r#"{"max_connections": 100}"#)?;
    if max_connections == Some(0) {
        return Err(AdminResponse::error(
            400,
            "max_connections must be at least 1, or null for no limit; to stop new requests, drain the backend",
        ));
    }
    let GroupMember { group, backend } = &member;
    backend.concurrency.set_limit(max_connections);
    group.queue.wake_next();
    let (name, limit) = (backend.name(), max_connections.map_or("none".to_owned(), |limit| limit.to_string()));
    tracing::info!("admin: set max-connections of {name} in group {} to {limit}", group.name());
    Ok(member)
}

fn validate_weight(group: &Group, weight: u32) -> Result<(), AdminResponse> {
    let algorithm = group.lb_policy().algorithm;
    if weight > MAX_WEIGHT {
        return Err(AdminResponse::error(400, format!("weight {weight} is more than {MAX_WEIGHT}")));
    }
    if weight > 1 && !algorithm.supports_weights() {
        let text = format!("group '{}' uses {algorithm}, which ignores weights; start it with -a wrr", group.name());
        return Err(AdminResponse::error(409, text));
    }
    Ok(())
}

/// Checks that `endpoint` may be added to these members.
fn validate_addition(group: &Group, members: &[Arc<Backend>], endpoint: &Endpoint) -> Result<(), AdminResponse> {
    let mut all = endpoints(members);
    all.push(endpoint.clone());
    validate_members(&all).map_err(|error| match error {
        MembersError::Duplicate(name) => {
            AdminResponse::error(409, format!("group '{}' already contains {name}", group.name()))
        }
        error => AdminResponse::error(400, format!("group '{}': {error}", group.name())),
    })
}

/// The members as endpoints with their current weights.
fn endpoints(members: &[Arc<Backend>]) -> Vec<Endpoint> {
    let endpoint = |backend: &Arc<Backend>| Endpoint { weight: Some(backend.weight()), ..backend.endpoint().clone() };
    members.iter().map(endpoint).collect()
}
