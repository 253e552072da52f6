//! Exercise 2.5, solved.
//!
//! Two questions are kept apart: what may be kept and for how long is RFC 9111, and needs no store (`policy`); what is
//! kept, for whom and at whose cost is book-keeping, and needs no RFC (this file). All that a response says is read
//! once, when it is stored. Turns, not times, order the uses: each use takes the next one, so the first in the map is
//! the one that was not used for longest. What a client can choose (URIs, the values that `Vary` names) is counted too.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::contracts::{Answered, Asked, Found, Store, Stored, Validators};

mod policy;

/// Variants of one URI. A lookup compares with each, so their number must not be the clients' choice.
const MAX_VARIANTS: usize = 16;

/// An empty store.
pub fn cache(max_bytes: usize) -> Cache {
    Cache { max_bytes, bytes: 0, last_turn: 0, entries: BTreeMap::new(), variants: HashMap::new() }
}

/// Responses in the order of their last use.
#[derive(Debug)]
pub struct Cache {
    max_bytes: usize,
    /// What all entries count together.
    bytes: usize,
    last_turn: u64,
    /// By the turn of their last use.
    entries: BTreeMap<u64, Entry>,
    /// The turns of the entries of each URI; never empty.
    variants: HashMap<String, Vec<u64>>,
}

/// A response, for whom it is, and until when.
#[derive(Debug)]
struct Entry {
    uri: String,
    /// The fields that `Vary` names, with the values that the request had.
    varied: Vec<(String, Option<String>)>,
    response: Arc<Stored>,
    validators: Validators,
    /// How long it is good without asking.
    lifetime: Duration,
    /// How old it was when it was stored.
    initial_age: Duration,
    since: SystemTime,
    /// What it counts.
    bytes: usize,
}

impl Store for Cache {
    fn may_store(&self, request: &Asked<'_>, response: &Answered<'_>) -> bool {
        policy::may_store(request, response)
    }

    fn store(&mut self, request: &Asked<'_>, response: &Answered<'_>, now: SystemTime) {
        if !self.may_store(request, response) {
            return;
        }
        let entry = Entry::new(request, response, now);
        if entry.bytes > self.max_bytes {
            return; // it would empty the store and still not fit
        }
        while let Some(older) = self.find(request) {
            self.forget(older);
        }
        while self.bytes + entry.bytes > self.max_bytes {
            let Some((&oldest, _)) = self.entries.first_key_value() else { break };
            self.forget(oldest);
        }
        while let Some(turns) = self.variants.get(&entry.uri).filter(|turns| turns.len() >= MAX_VARIANTS) {
            let Some(&oldest) = turns.iter().min() else { break };
            self.forget(oldest);
        }
        self.insert(entry);
    }

    fn lookup(&mut self, request: &Asked<'_>, now: SystemTime) -> Found {
        if request.method != "GET" {
            return Found::Miss;
        }
        let Some(entry) = self.find(request).and_then(|turn| self.forget(turn)) else { return Found::Miss };
        let found = entry.judge(request, now);
        self.insert(entry); // with a new turn: it has been used
        found
    }
}

impl Cache {
    /// The turn of the latest entry that is for this request.
    fn find(&self, request: &Asked<'_>) -> Option<u64> {
        let turns = self.variants.get(request.uri)?.iter();
        let entries = turns.filter_map(|turn| Some((*turn, self.entries.get(turn)?)));
        let matching = entries.filter(|(_, entry)| entry.is_for(request));
        matching.max_by_key(|(_, entry)| entry.since).map(|(turn, _)| turn)
    }

    fn insert(&mut self, entry: Entry) {
        self.last_turn += 1;
        self.bytes += entry.bytes;
        self.variants.entry(entry.uri.clone()).or_default().push(self.last_turn);
        self.entries.insert(self.last_turn, entry);
    }

    fn forget(&mut self, turn: u64) -> Option<Entry> {
        let entry = self.entries.remove(&turn)?;
        self.bytes -= entry.bytes;
        if let Some(turns) = self.variants.get_mut(&entry.uri) {
            turns.retain(|other| *other != turn);
            if turns.is_empty() {
                self.variants.remove(&entry.uri);
            }
        }
        Some(entry)
    }
}

impl Entry {
    fn new(request: &Asked<'_>, response: &Answered<'_>, now: SystemTime) -> Self {
        let kept = response.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Age"));
        let fields: Vec<_> = kept.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let varied: Vec<_> = policy::varied_by(response.fields)
            .map(|name| (name.to_owned(), policy::combined(request.fields, name)))
            .collect();
        let in_fields: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let in_varied = varied.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len));
        let bytes = response.body.len() + in_fields + in_varied.sum::<usize>();
        Self {
            uri: request.uri.to_owned(),
            varied,
            response: Arc::new(Stored { fields, body: response.body.to_vec() }),
            validators: policy::validators(response.fields),
            lifetime: policy::lifetime(response.fields, now),
            initial_age: policy::initial_age(response.fields, now),
            since: now,
            // The URI is in both maps. Without the entry itself, many empty bodies would be free.
            bytes: bytes + 2 * request.uri.len() + size_of::<Self>(),
        }
    }

    /// Whether the response was made for requests like this one (RFC 9111 §4.1).
    fn is_for(&self, request: &Asked<'_>) -> bool {
        self.varied.iter().all(|(name, value)| policy::combined(request.fields, name) == *value)
    }

    fn judge(&self, request: &Asked<'_>, now: SystemTime) -> Found {
        // A clock that was set back makes nothing younger than it came.
        let age = self.initial_age + now.duration_since(self.since).unwrap_or_default();
        if age < self.lifetime && !policy::says(request.fields, "no-cache") {
            Found::Fresh { response: Arc::clone(&self.response), age }
        } else if self.validators == Validators::default() {
            Found::Miss
        } else {
            Found::Stale(self.validators.clone())
        }
    }
}
