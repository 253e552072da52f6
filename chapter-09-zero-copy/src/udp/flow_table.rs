//! The flows of a worker, by client address and the local address asked, in the order in which they expire.
//!
//! **When to use it**: UDP has no connection, so nothing says that a client has left. A flow ends when it has had no
//! datagram for a time. All flows have the same time-out, so the one that was renewed last is also the one that expires
//! last: a list in that order needs neither a search nor a timer per flow. Renewing moves an entry to the end of the
//! list, and the first entry says when to look again.
//!
//! **Invariant**: a flow expires at the first call of [`expire`](FlowTable::expire) at or after its time, never before.
//! Sans-IO: `now` is an argument, and never decreases.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use slab::Slab;

/// What identifies a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The client's address and port.
    pub client: SocketAddr,
    /// The address that it has sent to. The port is the listener's.
    pub local: IpAddr,
}

/// Where a flow is in the table. Valid until the flow is removed; then the number is given to another flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowId(u32);

/// The flows of a worker.
#[derive(Debug)]
pub struct FlowTable<F> {
    timeout: Duration,
    // The hasher of the standard library is keyed: an attacker who forges source addresses chooses the keys.
    ids: HashMap<FlowKey, FlowId>,
    entries: Slab<Entry<F>>,
    /// The flow that expires first, and the one that expires last.
    ends: Option<(FlowId, FlowId)>,
}

#[derive(Debug)]
struct Entry<F> {
    key: FlowKey,
    renewed_at: Instant,
    previous: Option<FlowId>,
    next: Option<FlowId>,
    flow: F,
}

impl FlowId {
    /// A number below 2^32, by which an event refers to the flow.
    pub fn number(self) -> u64 {
        self.0.into()
    }

    /// The id with this number; `None` if no id has it.
    pub fn from_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl<F> FlowTable<F> {
    /// A table without flows. A flow expires `timeout` after it was last renewed.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, ids: HashMap::new(), entries: Slab::new(), ends: None }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The flow with this key.
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        self.ids.get(key).copied()
    }

    /// The flow, if it is still there.
    pub fn get_mut(&mut self, id: FlowId) -> Option<(&FlowKey, &mut F)> {
        self.entries.get_mut(id.index()).map(|entry| (&entry.key, &mut entry.flow))
    }

    /// Adds a flow that begins at `now`.
    ///
    /// # Panics
    /// There is one with this key, or there are 2^32.
    pub fn insert(&mut self, key: FlowKey, flow: F, now: Instant) -> FlowId {
        let index = self.entries.insert(Entry { key, renewed_at: now, previous: None, next: None, flow });
        let id = FlowId(u32::try_from(index).expect("each flow has a descriptor, and there are fewer"));
        let before = self.ids.insert(key, id);
        assert!(before.is_none(), "a flow with this key exists");
        self.link_last(id);
        id
    }

    // ANCHOR: renew
    /// A datagram of the flow has arrived at `now`: it expires later.
    pub fn renew(&mut self, id: FlowId, now: Instant) {
        let Some(entry) = self.entries.get_mut(id.index()) else { return };
        entry.renewed_at = now;
        // The flow of the last datagram is often that of the next one, too.
        if self.ends.is_some_and(|(_, last)| last != id) {
            self.unlink(id);
            self.link_last(id);
        }
    }
    // ANCHOR_END: renew

    /// Removes the flow, if it is still there.
    pub fn remove(&mut self, id: FlowId) -> Option<(FlowKey, F)> {
        if !self.entries.contains(id.index()) {
            return None;
        }
        self.unlink(id);
        let entry = self.entries.remove(id.index());
        self.ids.remove(&entry.key);
        Some((entry.key, entry.flow))
    }

    // ANCHOR: expire
    /// Removes a flow that has expired. Call it until it returns `None`.
    pub fn expire(&mut self, now: Instant) -> Option<(FlowKey, F)> {
        if self.next_expiry()? > now {
            return None;
        }
        self.remove(self.ends?.0)
    }

    /// When the next flow expires; `None` without flows.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.ends.map(|(first, _)| self.entries[first.index()].renewed_at + self.timeout)
    }
    // ANCHOR_END: expire

    /// Removes any flow.
    pub fn pop(&mut self) -> Option<(FlowKey, F)> {
        self.remove(self.ends?.0)
    }

    fn link_last(&mut self, id: FlowId) {
        let (first, last) = self.ends.map_or((id, None), |(first, last)| (first, Some(last)));
        self.entries[id.index()].previous = last;
        self.entries[id.index()].next = None;
        if let Some(last) = last {
            self.entries[last.index()].next = Some(id);
        }
        self.ends = Some((first, id));
    }

    fn unlink(&mut self, id: FlowId) {
        let Entry { previous, next, .. } = self.entries[id.index()];
        if let Some(previous) = previous {
            self.entries[previous.index()].next = next;
        }
        if let Some(next) = next {
            self.entries[next.index()].previous = previous;
        }
        self.ends = self.ends.and_then(|(first, last)| {
            let first = if first == id { next } else { Some(first) };
            let last = if last == id { previous } else { Some(last) };
            first.zip(last)
        });
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;
    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn key(client: u8) -> FlowKey {
        FlowKey { client: SocketAddr::from(([192, 0, 2, client], 53)), local: [127, 0, 0, 1].into() }
    }

    #[test]
    fn a_flow_is_its_client_and_the_address_asked() {
        let (mut table, start) = (FlowTable::new(TIMEOUT), now());
        let other_address = FlowKey { local: [127, 0, 0, 2].into(), ..key(1) };
        let other_port = FlowKey { client: SocketAddr::from(([192, 0, 2, 1], 54)), ..key(1) };
        for (flow, key) in [key(1), other_address, other_port].into_iter().enumerate() {
            assert_eq!(table.find(&key), None);
            let id = table.insert(key, flow, start);
            assert_eq!(table.find(&key), Some(id));
            assert_eq!(FlowId::from_number(id.number()), Some(id));
        }
        assert_eq!(table.len(), 3);
        assert_eq!(FlowId::from_number(1 << 32), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// A datagram of this client: its flow is renewed, or begins.
        Datagram(u8),
        Remove(u8),
        Wait(Duration),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0_u8..12).prop_map(Step::Datagram),
            1 => (0_u8..12).prop_map(Step::Remove),
            3 => (0_u64..12_000).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        ]
    }

    /// The flows as a list of clients and when each was renewed.
    #[derive(Default)]
    struct Model(Vec<(u8, Instant)>);

    impl Model {
        fn position(&self, client: u8) -> Option<usize> {
            self.0.iter().position(|(other, _)| *other == client)
        }

        /// The clients whose flows have expired, in the order of their expiry.
        fn expire(&mut self, now: Instant) -> Vec<u8> {
            self.0.sort_by_key(|(_, renewed_at)| *renewed_at);
            let expired = self.0.iter().take_while(|(_, renewed_at)| *renewed_at + TIMEOUT <= now).count();
            self.0.drain(..expired).map(|(client, _)| client).collect()
        }
    }

    proptest! {
        #[test]
        fn flows_expire_when_a_list_that_is_searched_says(steps in prop::collection::vec(step(), 1..200)) {
            let (mut table, mut model, mut at) = (FlowTable::new(TIMEOUT), Model::default(), now());
            for step in steps {
                match step {
                    Step::Datagram(client) => match (table.find(&key(client)), model.position(client)) {
                        (Some(id), Some(position)) => {
                            table.renew(id, at);
                            // To the end: of two that were renewed at one time, the first expires first.
                            model.0.remove(position);
                            model.0.push((client, at));
                        }
                        (None, None) => {
                            table.insert(key(client), client, at);
                            model.0.push((client, at));
                        }
                        found => prop_assert!(false, "{client}: {found:?}"),
                    },
                    Step::Remove(client) => {
                        let removed = table.find(&key(client)).and_then(|id| table.remove(id));
                        let expected = model.position(client).map(|position| model.0.remove(position).0);
                        prop_assert_eq!(removed.map(|(_, flow)| flow), expected);
                    }
                    Step::Wait(time) => {
                        at += time;
                        let expired: Vec<_> = std::iter::from_fn(|| table.expire(at).map(|(_, flow)| flow)).collect();
                        prop_assert_eq!(expired, model.expire(at));
                    }
                }
                prop_assert_eq!(table.len(), model.0.len());
                prop_assert_eq!(table.is_empty(), model.0.is_empty());
                let next = model.0.iter().map(|(_, renewed_at)| *renewed_at + TIMEOUT).min();
                prop_assert_eq!(table.next_expiry(), next);
                for (client, _) in &model.0 {
                    let id = table.find(&key(*client)).expect("the model has it");
                    prop_assert_eq!(table.get_mut(id).map(|(key, flow)| (*key, *flow)), Some((key(*client), *client)));
                }
            }
            let mut left: Vec<_> = std::iter::from_fn(|| table.pop().map(|(_, flow)| flow)).collect();
            left.sort_unstable();
            let mut expected: Vec<_> = model.0.iter().map(|(client, _)| *client).collect();
            expected.sort_unstable();
            prop_assert_eq!(left, expected);
        }
    }
}
