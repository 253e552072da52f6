//! Suite `sticky`: session affinity, by a signed cookie or by the client's address.

pub(super) mod affinity;
pub(super) mod cookie;
pub(super) mod source;
pub(super) mod workers;
