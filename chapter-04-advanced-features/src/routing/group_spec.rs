//! The specification of a group of backends, as given to `--group`.
//!
//! ```text
//! api=127.0.0.1:9001,127.0.0.1:9002:2 -a least-connections
//! ```
//!
//! A name, `=`, the backends as on the command line but separated by commas, then optionally the algorithm; without it
//! the group uses the balancer's. [`validate_members`] also applies to the backends of the default group.

use std::{collections::HashSet, str::FromStr};

use common::endpoint::{Endpoint, EndpointError};

/// The largest weight. Larger ratios are typing errors: nginx and Envoy accept more, HAProxy at most 256.
pub const MAX_WEIGHT: u32 = 65_535;
/// The maximum length of a group's name in bytes: it appears in tables, logs and metrics.
const MAX_NAME_BYTES: usize = 64;

/// A group as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    /// Letters, digits, `-`, `_` and `.`, at most 64 of them.
    pub name: String,
    /// Its backends: at least one, no duplicates, not all of weight 0.
    pub backends: Vec<Endpoint>,
    /// The algorithm's name as written; [`Algorithm`](crate::balance::policy::Algorithm) parses it.
    pub algorithm: Option<String>,
}

/// Why a text is not a [`GroupSpec`]: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it all")]
pub enum GroupSpecError {
    #[error("invalid group '{0}': expected NAME=HOST:PORT[:WEIGHT],… [-a ALGORITHM]")]
    Syntax(String),
    #[error("invalid group name '{0}': 1 to 64 letters, digits, '-', '_' and '.'")]
    InvalidName(String),
    #[error("group '{name}': {source}")]
    InvalidBackend { name: String, source: EndpointError },
    #[error("group '{name}': {source}")]
    InvalidMembers { name: String, source: MembersError },
    #[error("group '{name}': unexpected '{word}'; only -a ALGORITHM may follow the backends")]
    UnexpectedArgument { name: String, word: String },
}

/// Why a list of backends is not a valid group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// The list is empty.
    #[error("no backends")]
    Empty,
    /// A backend is listed twice. A weight has the same effect and can be changed.
    #[error("duplicate backend '{0}'; set its weight instead, such as {0}:2")]
    Duplicate(String),
    /// A weight above [`MAX_WEIGHT`].
    #[error("backend '{backend}': weight {weight} is more than {MAX_WEIGHT}")]
    WeightTooLarge {
        /// The backend.
        backend: String,
        /// Its weight.
        weight: u32,
    },
    /// All weights are 0. Weight 0 means no new clients, so no client would be served.
    #[error("all weights are 0, so no backend would get new clients")]
    AllWeightsZero,
}

/// Checks that these backends are a valid group. Names are compared as written, ignoring case: the addresses they
/// resolve to may change at any time.
pub fn validate_members(backends: &[Endpoint]) -> Result<(), MembersError> {
    let mut seen = HashSet::new();
    for backend in backends {
        let host = backend.host.strip_suffix('.').unwrap_or(&backend.host).to_ascii_lowercase();
        if !seen.insert((host, backend.port)) {
            return Err(MembersError::Duplicate(backend.to_string()));
        }
        if let Some(weight) = backend.weight.filter(|weight| *weight > MAX_WEIGHT) {
            return Err(MembersError::WeightTooLarge { backend: backend.to_string(), weight });
        }
    }
    if backends.is_empty() {
        return Err(MembersError::Empty);
    }
    if backends.iter().all(|backend| backend.weight == Some(0)) {
        return Err(MembersError::AllWeightsZero);
    }
    Ok(())
}

/// Whether a text is a valid group name.
pub(crate) fn is_group_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl FromStr for GroupSpec {
    type Err = GroupSpecError;

    fn from_str(text: &str) -> Result<Self, GroupSpecError> {
        let syntax_error = || GroupSpecError::Syntax(text.split_whitespace().collect::<Vec<_>>().join(" "));
        let (name, rest) = text.split_once('=').ok_or_else(syntax_error)?;
        let name = name.trim().to_owned();
        if !is_group_name(&name) {
            return Err(GroupSpecError::InvalidName(name.escape_debug().to_string()));
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        // Allow blanks after commas.
        let options = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
        let (members, options) = words.split_at(options);
        let backends =
            parse_backends(members).map_err(|source| GroupSpecError::InvalidBackend { name: name.clone(), source })?;
        validate_members(&backends).map_err(|source| GroupSpecError::InvalidMembers { name: name.clone(), source })?;
        let algorithm = match *options {
            [] => None,
            ["-a", algorithm] => Some(algorithm.to_owned()),
            ["-a", _, word, ..] | [word, ..] => {
                return Err(GroupSpecError::UnexpectedArgument { name, word: word.into() });
            }
        };
        Ok(Self { name, backends, algorithm })
    }
}

fn parse_backends(words: &[&str]) -> Result<Vec<Endpoint>, EndpointError> {
    let list = words.join(" ");
    // `api=` is a group without backends, not one with a nameless backend.
    if list.is_empty() {
        return Ok(Vec::new());
    }
    list.split(',').map(|backend| backend.trim().parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_group() {
        for (text, name, backends, algorithm) in [
            ("api=127.0.0.1:9001", "api", vec!["127.0.0.1:9001"], None),
            ("a.b-c_1 = [::1]:1:0 , host:2:3\t-a lc ", "a.b-c_1", vec!["[::1]:1:0", "host:2:3"], Some("lc")),
            ("a=h:1,h:2:65535", "a", vec!["h:1", "h:2:65535"], None),
        ] {
            let group: GroupSpec = text.parse().unwrap_or_else(|error| panic!("{error}"));
            let backends = backends.iter().map(|backend| backend.parse().unwrap()).collect();
            assert_eq!(group, GroupSpec { name: name.into(), backends, algorithm: algorithm.map(Into::into) });
        }
    }

    #[test]
    fn errors_are_one_line_with_the_reason() {
        for (text, expected) in [
            ("", "invalid group '': expected NAME="),
            ("127.0.0.1:9001", "invalid group '127.0.0.1:9001': expected NAME="),
            ("=h:1", "invalid group name '': 1 to 64 letters"),
            ("a\nb=h:1", "invalid group name 'a\\nb': 1 to 64"),
            ("a/b=h:1", "invalid group name 'a/b': 1 to 64"),
            ("api=", "group 'api': no backends"),
            ("api= -a lc", "group 'api': no backends"),
            ("api=h:1,", "'' is not host:port"),
            ("api=h:1 h:2", "'h:1 h:2': port '1 h' is not a number"),
            ("api=h:1,h:1", "duplicate backend 'h:1'"),
            ("api=h:1,H.:1:3", "duplicate backend 'H.:1'"),
            ("api=h:1:-5", "weight '-5' is not a whole number"),
            ("api=h:1:65536", "backend 'h:1': weight 65536 is more than 65535"),
            ("api=h:1:0,h:2:0", "group 'api': all weights are 0"),
            ("api=h:1 -a", "group 'api': unexpected '-a'"),
            ("api=h:1 --algorithm lc", "unexpected '--algorithm'"),
            ("api=h:1 -a lc rr", "unexpected 'rr'"),
        ] {
            let line = text.parse::<GroupSpec>().unwrap_err().to_string();
            assert!(line.contains(expected), "{text}: {line}");
            assert_eq!(line.lines().count(), 1);
        }
    }

    #[test]
    fn rejects_a_group_without_weight_or_members() {
        let endpoints = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Endpoint>>();
        assert_eq!(validate_members(&endpoints(&["a:1:0", "b:1"])), Ok(()));
        assert_eq!(validate_members(&endpoints(&["a:1:0"])), Err(MembersError::AllWeightsZero));
        assert_eq!(validate_members(&[]), Err(MembersError::Empty));
    }
}
