//! From received bytes to a request with a route.

use advanced_features::{request::context::RequestContext, routing::RequestInfo};
use common::http::{Phase, ProxyError};

use super::state::Request;
use crate::{downstream::client_connection::ClientConnection, worker::context::WorkerContext};

/// Begins a request and routes it, if its head is complete. `new_bytes` of the scratch buffer have just been received.
pub(crate) fn begin_request(
    worker: &mut WorkerContext,
    connection: &mut ClientConnection,
    new_bytes: usize,
) -> Result<Option<Box<Request>>, ProxyError> {
    let invalid = |protocol_error| ProxyError::invalid_request(protocol_error, Phase::RequestHead);
    let WorkerContext { balancer, head, scratch, free_requests, now, .. } = worker;
    let received = connection.request_buffer.read_request(&scratch[..new_bytes], head).map_err(invalid)?;
    let Some(received) = received else { return Ok(None) };
    let head = head.view(received.head);
    let sender = connection.client_address.real_ip(head, balancer.forwarding());
    let (decision, target) = balancer.route(&mut RequestInfo::new(head, sender), *now).map_err(invalid)?;
    let head = target.as_deref().map_or(head, |target| head.with_target(target));
    connection.request_count = connection.request_count.wrapping_add(1);
    let id = balancer.instance_id().request_id(connection.connection_id, connection.request_count);
    let mut request = free_requests.take(connection.timeout_start);
    request.relay.begin(head, balancer.forwarding(), &connection.client_address, id).map_err(invalid)?;
    let length = received.head.len() + request.relay.take_client_bytes(received.rest)?;
    request.ctx = Some(RequestContext::new(decision));
    connection.request_buffer.consume(&scratch[..new_bytes], length);
    Ok(Some(request))
}
