//! How many flows there may be: of the process, and of each source.
//!
//! A datagram makes the balancer keep a socket for its flow, and its source address may be forged: without a
//! limit, one sender takes all descriptors. Beyond it new flows are dropped, and known ones go on. The limits are those
//! of the process, however its flows are spread over the workers.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use common::net::ConnectionLimiter;
use rate_limiting::filter::{ConnectionLimit, OpenConnection};

use super::drop_reason::DropReason;

/// The flows that may still begin.
#[derive(Debug)]
pub struct FlowQuota {
    total: ConnectionLimiter,
    per_source: Arc<ConnectionLimit>,
}

/// A flow that counts until this is dropped.
#[derive(Debug)]
pub struct FlowPermit {
    quota: Arc<FlowQuota>,
    _source: OpenConnection,
}

impl FlowQuota {
    /// At most `total` flows, and at most `per_source` of each IPv4 address or IPv6 /64 network.
    pub fn new(total: usize, per_source: NonZeroU32) -> Self {
        let per_source = Arc::new(ConnectionLimit::with_addresses(per_source.get(), total));
        Self { total: ConnectionLimiter::new(total), per_source }
    }

    /// Counts one more flow of `source`.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn try_acquire(self: &Arc<Self>, source: IpAddr) -> Result<FlowPermit, DropReason> {
        let source = self.per_source.try_acquire(source).ok_or(DropReason::MaxFlowsPerSource)?;
        if self.total.try_acquire() {
            Ok(FlowPermit { quota: Arc::clone(self), _source: source })
        } else {
            Err(DropReason::MaxFlows)
        }
    }

    /// How many flows there are.
    pub fn flows(&self) -> usize {
        self.total.open_connections()
    }
}

impl Drop for FlowPermit {
    fn drop(&mut self) {
        let _ = self.quota.total.release(); // nobody waits: what does not fit is dropped
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const PER_SOURCE: u32 = 3;
    const TOTAL: usize = 8;

    proptest! {
        #[test]
        fn both_limits_are_exact(steps in prop::collection::vec((any::<bool>(), 0_u8..6), 1..200)) {
            let quota = Arc::new(FlowQuota::new(TOTAL, NonZeroU32::new(PER_SOURCE).unwrap()));
            let mut permits: HashMap<u8, Vec<FlowPermit>> = HashMap::new();
            for (begins, source) in steps {
                let total: usize = permits.values().map(Vec::len).sum();
                let of_source = permits.entry(source).or_default();
                if !begins {
                    of_source.pop();
                    continue;
                }
                let expected = match of_source.len() {
                    count if count >= PER_SOURCE as usize => Some(DropReason::MaxFlowsPerSource),
                    _ if total >= TOTAL => Some(DropReason::MaxFlows),
                    _ => None,
                };
                match quota.try_acquire([192, 0, 2, source].into()) {
                    Ok(permit) => {
                        prop_assert_eq!(expected, None);
                        of_source.push(permit);
                    }
                    Err(reason) => prop_assert_eq!(Some(reason), expected),
                }
                prop_assert_eq!(quota.flows(), permits.values().map(Vec::len).sum::<usize>());
            }
            drop(permits);
            prop_assert_eq!(quota.flows(), 0);
        }
    }
}
