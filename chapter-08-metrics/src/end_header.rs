//! Why it ended, for the client: the header `X-LB-End` of a local reply.

use common::http::{HeaderEdits, ResponseInfo};
use connection_pooling::{Filter, WorkerFilter};

use crate::end::End;

/// Adds `X-LB-End` to each local reply: anyone who sees the error can name its cause, without a log. Not to a backend's
/// response, which is the backend's own.
#[derive(Clone, Copy, Debug)]
pub struct EndHeader;

impl Filter for EndHeader {
    type Worker = Self;

    fn for_worker(&self, _worker_id: usize) -> Self {
        *self
    }
}

impl WorkerFilter for EndHeader {
    type State = ();

    #[inline]
    fn on_response_head(&self, _state: &mut (), response: &ResponseInfo<'_>, edits: &mut HeaderEdits<'_>) {
        if let Some(reply) = response.local_reply {
            edits.add("X-LB-End", End::from_word(reply.reason).word());
        }
    }
}
