//! The index of the rules: finds the one that a request matches without trying them all.
//!
//! Three steps, from the most specific to the least: the patterns that the host matches, for each the patterns that the
//! path matches, for each the rules with these two patterns. Wildcards, prefixes and suffixes are looked up by length,
//! the longest first, because a text has only one part of each length. nginx sorts prefixes into a tree, Envoy and
//! Traefik into a tree of segments or a list; a tree reads the path once, maps are simpler and as fast for paths of a
//! usual length.
//!
//! **Cost**: for each host pattern that matches, a map lookup for each distinct length of its prefixes that ends at a
//! segment of the path, and for each distinct length of its suffixes. It hashes parts as long as patterns only: of a
//! path of 8 KiB, all slashes, no more bytes than the distinct lengths add up to. Rules that differ in nothing but
//! method, header, query or cookie are tried one by one. Nothing is allocated.

use std::{cmp::Reverse, collections::HashMap};

use common::http::RouteId;

use super::{
    pattern::{HostPattern, PathPattern},
    request_info::RequestInfo,
    rule::RouteRule,
};

/// A rule with its id and the index of its group.
#[derive(Clone, Debug)]
pub(super) struct ResolvedRule {
    pub id: RouteId,
    pub rule: RouteRule,
    pub group: usize,
}

impl ResolvedRule {
    /// Sorts rules with equally specific patterns.
    fn precedence(&self) -> impl Ord + use<> {
        (Reverse(self.rule.conditions().len()), self.id.0)
    }
}

/// All rules, by host.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleIndex {
    exact_hosts: PatternMap<PathIndex>,
    host_suffixes: PatternMap<PathIndex>,
    any_host: PathIndex,
}

/// The rules with one host pattern, by path.
#[derive(Clone, Debug, Default)]
struct PathIndex {
    exact_paths: PatternMap<RuleList>,
    prefixes: PatternMap<RuleList>,
    suffixes: PatternMap<RuleList>,
    any_path: RuleList,
}

/// The rules with the same two patterns, in order of precedence.
#[derive(Clone, Debug, Default)]
struct RuleList(Vec<ResolvedRule>);

/// Values by pattern. The map has std's keyed hasher, because clients choose what is looked up.
#[derive(Clone, Debug)]
struct PatternMap<V> {
    values: HashMap<Box<[u8]>, V>,
    /// The distinct lengths of the patterns, the longest first.
    lengths: Vec<usize>,
}

/// The path of a request as patterns see it: without the parameters of its segments, and with them if it has any.
#[derive(Clone, Copy)]
struct RequestPath<'a> {
    plain: &'a [u8],
    with_parameters: Option<&'a [u8]>,
}

impl RuleIndex {
    /// An index of these rules.
    pub(super) fn new(mut rules: Vec<ResolvedRule>) -> Self {
        rules.sort_by_key(ResolvedRule::precedence);
        let mut index = Self::default();
        for rule in rules {
            index.push(rule);
        }
        index
    }

    fn push(&mut self, rule: ResolvedRule) {
        let paths = match rule.rule.host() {
            Some(HostPattern::Exact(name)) => self.exact_hosts.entry(name),
            Some(HostPattern::Wildcard(suffix)) => self.host_suffixes.entry(suffix),
            None => &mut self.any_host,
        };
        let rules = match rule.rule.path() {
            Some(PathPattern::Exact(path)) => paths.exact_paths.entry(path),
            Some(PathPattern::Prefix(prefix)) => paths.prefixes.entry(prefix),
            Some(PathPattern::Suffix(suffix)) => paths.suffixes.entry(suffix),
            None => &mut paths.any_path,
        };
        rules.0.push(rule);
    }

    /// The first rule in order of precedence that the request matches.
    pub(super) fn find(&self, info: &RequestInfo<'_>) -> Option<&ResolvedRule> {
        let host = info.host();
        // `*.a.example` needs a label before its suffix, and `.a.example` has none.
        let subdomain = host.get(1..).unwrap_or_default();
        let wildcards = self
            .host_suffixes
            .lengths
            .iter()
            .filter_map(|length| self.host_suffixes.values.get(suffix_of(subdomain, *length)?));
        let path = RequestPath::new(info);
        let mut by_host = self.exact_hosts.values.get(host).into_iter().chain(wildcards).chain([&self.any_host]);
        by_host.find_map(|paths| paths.find(path, info))
    }
}

impl PathIndex {
    fn find(&self, path: RequestPath<'_>, info: &RequestInfo<'_>) -> Option<&ResolvedRule> {
        let find_prefix = |length: &usize| path.find_part(&self.prefixes, info, |path| prefix_of(path, *length));
        let find_suffix = |length: &usize| path.find_part(&self.suffixes, info, |path| suffix_of(path, *length));
        path.find_part(&self.exact_paths, info, Some)
            .or_else(|| self.prefixes.lengths.iter().find_map(find_prefix))
            .or_else(|| self.suffixes.lengths.iter().find_map(find_suffix))
            .or_else(|| self.any_path.find(info))
    }
}

impl RuleList {
    fn find(&self, info: &RequestInfo<'_>) -> Option<&ResolvedRule> {
        self.0.iter().find(|rule| rule.rule.matches_conditions(info))
    }
}

impl<V: Default> PatternMap<V> {
    fn entry(&mut self, pattern: &str) -> &mut V {
        let position = self.lengths.partition_point(|length| *length > pattern.len());
        if self.lengths.get(position) != Some(&pattern.len()) {
            self.lengths.insert(position, pattern.len());
        }
        self.values.entry(pattern.as_bytes().into()).or_default()
    }
}

// Not derived: the derived one would need a `V: Default`.
impl<V> Default for PatternMap<V> {
    fn default() -> Self {
        Self { values: HashMap::new(), lengths: Vec::new() }
    }
}

impl<'a> RequestPath<'a> {
    fn new(info: &'a RequestInfo<'_>) -> Self {
        let path = info.path_with_parameters();
        Self { plain: info.path_for_matching(), with_parameters: path.contains(&b';').then_some(path) }
    }

    /// The first rule whose pattern is this part of the path.
    fn find_part<'i>(
        self,
        patterns: &'i PatternMap<RuleList>,
        info: &RequestInfo<'_>,
        part: impl Fn(&'a [u8]) -> Option<&'a [u8]>,
    ) -> Option<&'i ResolvedRule> {
        let find = |part: &[u8]| patterns.values.get(part)?.find(info);
        let plain = part(self.plain).and_then(find);
        // Only a pattern that has a parameter itself is compared with the path that has them.
        let has_parameter = |part: &&[u8]| part.contains(&b';');
        let with_parameter = self.with_parameters.and_then(part).filter(has_parameter).and_then(find);
        // Both patterns are exact or of one length, so they are equally specific.
        [plain, with_parameter].into_iter().flatten().min_by_key(|rule| rule.precedence())
    }
}

// ANCHOR: prefix
/// The first `length` bytes of the path, if a segment ends there.
fn prefix_of(path: &[u8], length: usize) -> Option<&[u8]> {
    let ends_segment = matches!(path.get(length), None | Some(b'/'));
    path.get(..length).filter(|_| ends_segment)
}
// ANCHOR_END: prefix

fn suffix_of(text: &[u8], length: usize) -> Option<&[u8]> {
    text.len().checked_sub(length).map(|start| &text[start..])
}

#[cfg(test)]
mod tests;
