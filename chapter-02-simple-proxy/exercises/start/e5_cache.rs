//! Exercise 2.5: response store of a caching proxy (project).
//!
//! **Contract.** [`cache`] returns a [`Store`] of at most `max_bytes`: bodies, URIs, names and values of headers, and
//! all other client-supplied data that it keeps. It stores a 200 to a GET that has an explicit lifetime, unless the
//! request or the response has `no-store`, or the response has `private`, a `Set-Cookie` or `Vary: *`. If the request
//! has an `Authorization`, the response also needs `public`, `must-revalidate` or `s-maxage` (RFC 9111 §3).
//!
//! The lifetime is `s-maxage`, else `max-age`, else `Expires` minus `Date` (minus now, without a `Date`); an invalid
//! number or date means zero. The age is the time in the store, plus the larger of `Age` and the time since `Date` when
//! it was stored. A response is fresh while its age is below the lifetime, unless it, or the current request, has
//! `no-cache`. One that is not fresh is stale if it has a validator, else a miss. A response with `Vary` matches
//! requests with the same values of the headers that it names. Names of headers and directives are case-insensitive;
//! headers may be repeated; a comma in quotes is not a separator.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::contracts::{BackendResponse, CacheRequest, LookupResult, Store, StoredResponse};

/// An empty store.
pub fn cache(max_bytes: usize) -> Cache {
    Cache { max_bytes, responses: HashMap::new() }
}

/// Stores every response with a `max-age`, one for each URI.
#[derive(Debug)]
pub struct Cache {
    max_bytes: usize,
    responses: HashMap<String, (Arc<StoredResponse>, SystemTime)>,
}

impl Store for Cache {
    fn may_store(&self, request: &CacheRequest<'_>, response: &BackendResponse<'_>) -> bool {
        request.method == "GET" && response.status == 200 && max_age(response.fields.iter().copied()).is_some()
    }

    fn store(&mut self, request: &CacheRequest<'_>, response: &BackendResponse<'_>, now: SystemTime) {
        if !self.may_store(request, response) || response.body.len() > self.max_bytes {
            return;
        }
        let fields = response.fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let stored = Arc::new(StoredResponse { fields, body: response.body.to_vec() });
        self.responses.insert(request.uri.to_owned(), (stored, now));
    }

    fn lookup(&mut self, request: &CacheRequest<'_>, now: SystemTime) -> LookupResult {
        let Some((response, stored_at)) = self.responses.get(request.uri) else { return LookupResult::Miss };
        let age = now.duration_since(*stored_at).unwrap_or_default();
        let fields = response.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        match max_age(fields) {
            Some(lifetime) if age < lifetime => LookupResult::Fresh { response: Arc::clone(response), age },
            _ => LookupResult::Miss,
        }
    }
}

/// The value of `Cache-Control: max-age=N`.
fn max_age<'a>(mut fields: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Duration> {
    let seconds =
        fields.find_map(
            |(name, value)| {
                if name == "Cache-Control" { value.strip_prefix("max-age=")?.parse().ok() } else { None }
            },
        )?;
    Some(Duration::from_secs(seconds))
}
