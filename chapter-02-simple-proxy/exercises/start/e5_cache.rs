//! Exercise 2.5: the store of a caching proxy (project).
//!
//! **Contract.** [`cache`] gives a [`Store`] that counts at most `max_bytes`: bodies, URIs, the names and values of
//! fields, and whatever else it keeps of a client's. It stores a 200 to a GET that says how long it is good, unless
//! request or response say `no-store`, the response says `private` or has a `Set-Cookie`, or varies by `*`; if the
//! request has an `Authorization`, only what says `public`, `must-revalidate` or `s-maxage` (RFC 9111 §3).
//!
//! How long: `s-maxage`, else `max-age`, else `Expires` less `Date` (less now, without a `Date`); what is no number or
//! no date means: not at all. How old: the time in the store, and before that the larger of `Age` and the time since
//! `Date`. Fresh is what is younger than that, unless the response said `no-cache`, or the request does now. What is
//! not fresh and has a validator is stale, else a miss. A response that varies is found by requests whose fields named
//! in `Vary` have the same values. Names of fields and directives know no case; fields may be repeated; a comma in
//! quotes separates nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::contracts::{Answered, Asked, Found, Store, Stored};

/// An empty store.
pub fn cache(max_bytes: usize) -> Cache {
    Cache { max_bytes, responses: HashMap::new() }
}

/// Keeps everything that says `max-age`, and one response for each URI.
#[derive(Debug)]
pub struct Cache {
    max_bytes: usize,
    responses: HashMap<String, (Arc<Stored>, SystemTime)>,
}

impl Store for Cache {
    fn may_store(&self, request: &Asked<'_>, response: &Answered<'_>) -> bool {
        request.method == "GET" && response.status == 200 && max_age(response.fields.iter().copied()).is_some()
    }

    fn store(&mut self, request: &Asked<'_>, response: &Answered<'_>, now: SystemTime) {
        if !self.may_store(request, response) || response.body.len() > self.max_bytes {
            return;
        }
        let fields = response.fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let stored = Arc::new(Stored { fields, body: response.body.to_vec() });
        self.responses.insert(request.uri.to_owned(), (stored, now));
    }

    fn lookup(&mut self, request: &Asked<'_>, now: SystemTime) -> Found {
        let Some((response, since)) = self.responses.get(request.uri) else { return Found::Miss };
        let age = now.duration_since(*since).unwrap_or_default();
        let fields = response.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        match max_age(fields) {
            Some(lifetime) if age < lifetime => Found::Fresh { response: Arc::clone(response), age },
            _ => Found::Miss,
        }
    }
}

/// What `Cache-Control: max-age=N` says.
fn max_age<'a>(mut fields: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Duration> {
    let seconds =
        fields.find_map(
            |(name, value)| {
                if name == "Cache-Control" { value.strip_prefix("max-age=")?.parse().ok() } else { None }
            },
        )?;
    Some(Duration::from_secs(seconds))
}
