//! From received bytes to a request with a route.

use std::{
    io::ErrorKind,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::{
    http::{Kind, Layer, Phase, ProxyError, Side, Wire as _},
    shutdown::Stage,
};

use super::{state::Request, wait};
use crate::{downstream::client_connection::Client, worker::context::Core};

/// What a wait for a request comes to.
pub(crate) enum Came {
    /// A request, and where it is to go.
    Request(Box<Request>),
    /// What is none.
    Refused(ProxyError),
    /// Nothing, for too long.
    Nothing,
    /// The client has gone, or the process stops.
    End,
}

/// Reads until a request is there.
pub(crate) fn poll_head<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    now: Instant,
    context: &mut Context<'_>,
) -> Poll<Came> {
    core.know(client.visit.task, context);
    let mut scratch = core.scratch.borrow_mut();
    let mut came = 0;
    loop {
        match read_head(core, client, &scratch[..came], now) {
            Ok(Some(request)) => return Poll::Ready(Came::Request(request)),
            Ok(None) => {}
            Err(error) => return Poll::Ready(Came::Refused(error)),
        }
        let idle = client.inbox.is_idle();
        let failed = |kind| ProxyError::new(kind, Side::Client, Phase::Head);
        let received = client.wire(context).recv(&mut scratch);
        came = match received {
            Ok(0) if idle => return Poll::Ready(Came::End),
            Ok(0) => return Poll::Ready(Came::Refused(failed(Kind::Closed))),
            Ok(came) => came,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready!(wait::poll_head_deadline(core, client, idle, now, context));
                let late = failed(Kind::Timeout);
                return Poll::Ready(match (core.stage(), idle) {
                    (Stage::Now, _) => Came::End,
                    (_, true) => Came::Nothing,
                    (_, false) => Came::Refused(late),
                });
            }
            Err(_) if idle => return Poll::Ready(Came::End),
            Err(error) => return Poll::Ready(Came::Refused(failed(Kind::Reset).with_source(error))),
        };
        if idle {
            client.since = now;
        }
    }
}

/// Takes up a request if its head is there, and finds out where it is to go.
fn read_head<L: Layer>(
    core: &Core,
    client: &mut Client<L>,
    came: &[u8],
    now: Instant,
) -> Result<Option<Box<Request>>, ProxyError> {
    let refused = |refusal| ProxyError::refused_request(refusal, Phase::Head);
    let balancer = core.balancer();
    let head = &mut *core.head.borrow_mut();
    let Some(received) = client.inbox.look(came, head).map_err(refused)? else { return Ok(None) };
    let head = head.view(received.head);
    let sender = client.address.named_in(head, balancer.forwarding());
    let (course, target) = balancer.direct(head, sender, client.since).map_err(refused)?;
    let head = target.as_deref().map_or(head, |target| head.with_target(target));
    client.requests = client.requests.wrapping_add(1);
    let id = balancer.identity().request_id(client.serial, client.requests);
    let mut request = core.take_box(client.since, now);
    request.relay.begin(head, balancer.forwarding(), &client.address, id).map_err(refused)?;
    request.relay.take_in(received.rest)?;
    request.course = Some(course);
    client.inbox.clear();
    Ok(Some(request))
}
