//! From received bytes to a request with a route.

use common::http::{Phase, ProxyError};

use super::state::Request;
use crate::{downstream::client_connection::Connection, worker::context::Core};

/// Takes up a request if its head is there, and finds out where it is to go.
pub(crate) fn read_head(
    core: &mut Core,
    connection: &mut Connection,
    came: usize,
) -> Result<Option<Box<Request>>, ProxyError> {
    let refused = |refusal| ProxyError::refused_request(refusal, Phase::Head);
    let Core { balancer, head, scratch, spare, now, .. } = core;
    let received = connection.inbox.look(&scratch[..came], head).map_err(refused)?;
    let Some(received) = received else { return Ok(None) };
    let head = head.view(received.head);
    let sender = connection.address.named_in(head, balancer.forwarding());
    let (course, target) = balancer.direct(head, sender, *now).map_err(refused)?;
    let head = target.as_deref().map_or(head, |target| head.with_target(target));
    connection.requests = connection.requests.wrapping_add(1);
    let id = balancer.identity().request_id(connection.serial, connection.requests);
    let mut request = spare.take(connection.since);
    request.relay.begin(head, balancer.forwarding(), &connection.address, id).map_err(refused)?;
    request.relay.take_in(received.rest)?;
    request.course = Some(course);
    connection.inbox.clear();
    Ok(Some(request))
}
