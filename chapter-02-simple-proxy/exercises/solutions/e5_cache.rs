//! Exercise 2.5, solved.
//!
//! Two concerns are separate: which responses may be stored and how long they are fresh is RFC 9111, and needs no store
//! (`policy`); lookup, size accounting and eviction need no RFC (this file). The headers of a response are parsed once,
//! when it is stored. The order of use is a sequence number, not a time: each use takes the next number, so the first
//! entry of the map is the least recently used. Data that clients choose (URIs, the values that `Vary` selects) counts
//! towards the limit, too.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::contracts::{BackendResponse, CacheRequest, LookupResult, Store, StoredResponse, Validators};

mod policy;

/// The most variants of one URI. A lookup compares with each, so clients must not be able to add more and more.
const MAX_VARIANTS: usize = 16;

/// An empty store.
pub fn cache(max_bytes: usize) -> Cache {
    Cache { max_bytes, bytes: 0, last_use: 0, entries: BTreeMap::new(), variants: HashMap::new() }
}

/// Responses in the order of their last use.
#[derive(Debug)]
pub struct Cache {
    max_bytes: usize,
    /// The sum of the entries' sizes.
    bytes: usize,
    last_use: u64,
    /// By the sequence number of their last use.
    entries: BTreeMap<u64, Entry>,
    /// The sequence numbers of the entries of each URI; never empty.
    variants: HashMap<String, Vec<u64>>,
}

/// A stored response, the requests that it matches, and its freshness.
#[derive(Debug)]
struct Entry {
    uri: String,
    /// The headers that `Vary` names, with the values of the request.
    vary_values: Vec<(String, Option<String>)>,
    response: Arc<StoredResponse>,
    validators: Validators,
    /// How long the response is fresh.
    lifetime: Duration,
    /// The response's age when it was stored.
    initial_age: Duration,
    stored_at: SystemTime,
    /// The size of the entry.
    bytes: usize,
}

impl Store for Cache {
    fn may_store(&self, request: &CacheRequest<'_>, response: &BackendResponse<'_>) -> bool {
        policy::may_store(request, response)
    }

    fn store(&mut self, request: &CacheRequest<'_>, response: &BackendResponse<'_>, now: SystemTime) {
        if !self.may_store(request, response) {
            return;
        }
        let entry = Entry::new(request, response, now);
        if entry.bytes > self.max_bytes {
            return; // it would evict everything and still not fit
        }
        while let Some(older) = self.find(request) {
            self.remove(older);
        }
        while self.bytes + entry.bytes > self.max_bytes {
            let Some((&oldest, _)) = self.entries.first_key_value() else { break };
            self.remove(oldest);
        }
        while let Some(uses) = self.variants.get(&entry.uri).filter(|uses| uses.len() >= MAX_VARIANTS) {
            let Some(&oldest) = uses.iter().min() else { break };
            self.remove(oldest);
        }
        self.insert(entry);
    }

    fn lookup(&mut self, request: &CacheRequest<'_>, now: SystemTime) -> LookupResult {
        if request.method != "GET" {
            return LookupResult::Miss;
        }
        let Some(entry) = self.find(request).and_then(|last_use| self.remove(last_use)) else {
            return LookupResult::Miss;
        };
        let result = entry.evaluate(request, now);
        self.insert(entry); // with a new sequence number: it has been used
        result
    }
}

impl Cache {
    /// The sequence number of the latest entry that matches this request.
    fn find(&self, request: &CacheRequest<'_>) -> Option<u64> {
        let uses = self.variants.get(request.uri)?.iter();
        let entries = uses.filter_map(|last_use| Some((*last_use, self.entries.get(last_use)?)));
        let matching = entries.filter(|(_, entry)| entry.matches(request));
        matching.max_by_key(|(_, entry)| entry.stored_at).map(|(last_use, _)| last_use)
    }

    fn insert(&mut self, entry: Entry) {
        self.last_use += 1;
        self.bytes += entry.bytes;
        self.variants.entry(entry.uri.clone()).or_default().push(self.last_use);
        self.entries.insert(self.last_use, entry);
    }

    fn remove(&mut self, last_use: u64) -> Option<Entry> {
        let entry = self.entries.remove(&last_use)?;
        self.bytes -= entry.bytes;
        if let Some(uses) = self.variants.get_mut(&entry.uri) {
            uses.retain(|other| *other != last_use);
            if uses.is_empty() {
                self.variants.remove(&entry.uri);
            }
        }
        Some(entry)
    }
}

impl Entry {
    fn new(request: &CacheRequest<'_>, response: &BackendResponse<'_>, now: SystemTime) -> Self {
        let kept = response.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Age"));
        let fields: Vec<_> = kept.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let vary_values: Vec<_> = policy::vary_names(response.fields)
            .map(|name| (name.to_owned(), policy::combined(request.fields, name)))
            .collect();
        let in_fields: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let in_varied = vary_values.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len));
        let bytes = response.body.len() + in_fields + in_varied.sum::<usize>();
        Self {
            uri: request.uri.to_owned(),
            vary_values,
            response: Arc::new(StoredResponse { fields, body: response.body.to_vec() }),
            validators: policy::validators(response.fields),
            lifetime: policy::lifetime(response.fields, now),
            initial_age: policy::initial_age(response.fields, now),
            stored_at: now,
            // The URI is in both maps. The entry itself counts, too: otherwise empty bodies would be free.
            bytes: bytes + 2 * request.uri.len() + size_of::<Self>(),
        }
    }

    /// Whether the stored response matches the request (RFC 9111 §4.1).
    fn matches(&self, request: &CacheRequest<'_>) -> bool {
        self.vary_values.iter().all(|(name, value)| policy::combined(request.fields, name) == *value)
    }

    fn evaluate(&self, request: &CacheRequest<'_>, now: SystemTime) -> LookupResult {
        // If the clock was set back, the age stays at least the initial age.
        let age = self.initial_age + now.duration_since(self.stored_at).unwrap_or_default();
        if age < self.lifetime && !policy::has_directive(request.fields, "no-cache") {
            LookupResult::Fresh { response: Arc::clone(&self.response), age }
        } else if self.validators == Validators::default() {
            LookupResult::Miss
        } else {
            LookupResult::Stale(self.validators.clone())
        }
    }
}
