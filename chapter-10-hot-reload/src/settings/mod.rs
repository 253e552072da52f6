//! A valid configuration as values: every default is filled in, every string is parsed.
//!
//! [`effective`] fills in the defaults of the schema; what is here reads the result. Nothing here can fail for a file that
//! `config_test` accepts.

mod effective;
mod text;

use std::collections::BTreeMap;

use advanced_features::{
    balance::policy::Algorithm,
    routing::{
        HashKey,
        pattern::{HostPattern, PathPattern},
    },
};
use common::endpoint::Endpoint;
use rate_limiting::rate::Rate;
use serde::Deserialize;

pub use effective::effective;
pub use text::Parsed;

use crate::config::{jsonc::Object, schema::host_and_port};

/// A whole configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The listeners by name.
    pub listeners: BTreeMap<String, Listener>,
    /// The routes in the order of the file.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The groups by name.
    #[serde(default)]
    pub groups: BTreeMap<String, Group>,
    /// The limits by name.
    #[serde(default)]
    pub limits: BTreeMap<String, Limit>,
    /// Clients that no limit applies to.
    #[serde(default)]
    pub limit_exempt: OneOrMore<Parsed<ipnet::IpNet>>,
}

impl Settings {
    /// The settings of a configuration without errors.
    ///
    /// # Panics
    /// It has an error, or the schema allows what these types do not: the tests hold every kind of value against them.
    pub fn new(config: &Object) -> Self {
        serde_json::from_value(effective(config)).expect("what the schema accepts has these types")
    }
}

/// Where clients come in.
#[derive(Clone, Debug, Deserialize)]
pub struct Listener {
    /// The address.
    pub address: std::net::SocketAddr,
    /// What is balanced.
    pub protocol: Protocol,
    /// The group of a listener without routes.
    pub group: Option<String>,
}

/// What a listener balances.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Http,
    Tcp,
    Udp,
}

/// Which requests go where.
#[derive(Clone, Debug, Deserialize)]
pub struct Route {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The listeners it is for; `None`: all.
    pub listeners: Option<Vec<String>>,
    /// What a request must have.
    #[serde(default, rename = "match")]
    pub conditions: Match,
    /// The one group.
    pub group: Option<String>,
    /// Or several, with their weights.
    pub groups: Option<BTreeMap<String, u32>>,
    /// Or a redirect.
    pub redirect: Option<Status>,
    /// Or a response.
    pub respond: Option<Status>,
    /// Clients that may use it.
    #[serde(default)]
    pub allow: OneOrMore<Parsed<ipnet::IpNet>>,
    /// Clients that may not.
    #[serde(default)]
    pub deny: OneOrMore<Parsed<ipnet::IpNet>>,
    /// Its limits.
    #[serde(default)]
    pub limits: Vec<String>,
}

/// What a request must have.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Match {
    /// The host.
    pub host: Option<Parsed<HostPattern>>,
    /// The path.
    pub path: Option<Parsed<PathPattern>>,
    /// The methods.
    #[serde(default)]
    pub method: OneOrMore<String>,
    /// Headers; without a value any will do.
    #[serde(default)]
    pub header: BTreeMap<String, Option<String>>,
    /// Parameters of the query.
    #[serde(default)]
    pub query: BTreeMap<String, Option<String>>,
    /// Cookies.
    #[serde(default)]
    pub cookie: BTreeMap<String, Option<String>>,
}

/// A status that the balancer itself responds with.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Status {
    /// The status.
    pub status: u16,
}

/// Backends that do the same.
#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    /// The backends.
    pub backends: Vec<Backend>,
    /// How one is picked; `None`: in turn, by weight if there are weights.
    pub algorithm: Option<Parsed<Algorithm>>,
    /// What the hashing algorithms hash.
    pub hash_key: Parsed<HashKey>,
    /// Bounded load.
    pub balance_factor: Option<f64>,
    /// Session affinity.
    pub sticky: Feature<Sticky>,
}

/// A session affinity.
#[derive(Clone, Debug, Deserialize)]
pub struct Sticky {
    /// The name of the cookie.
    pub cookie: String,
}

/// A backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "BackendForm")]
pub struct Backend {
    /// Its name or address, and its port.
    pub endpoint: Endpoint,
    /// Its share.
    pub weight: u32,
    /// Whether it is used only while no other can be.
    pub backup: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BackendForm {
    Short(Parsed<Endpoint>),
    Long { host: String, port: u16, weight: u32, backup: bool },
}

impl From<BackendForm> for Backend {
    fn from(form: BackendForm) -> Self {
        match form {
            BackendForm::Short(Parsed(endpoint)) => {
                Self { weight: endpoint.weight.unwrap_or(1), endpoint, backup: false }
            }
            BackendForm::Long { host, port, weight, backup } => {
                let endpoint = host_and_port(&host, port.into()).parse().expect("the schema has checked the host");
                Self { endpoint, weight, backup }
            }
        }
    }
}

/// A limit.
#[derive(Clone, Debug, Deserialize)]
pub struct Limit {
    /// Requests per time; `None`: it limits bytes.
    pub rate: Option<Parsed<Rate>>,
    /// What it counts by.
    pub by: String,
    /// Only requests of this path.
    pub path: Option<Parsed<PathPattern>>,
    /// Whether it applies to all requests.
    pub global: bool,
}

/// One value, or an array of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// One.
    One(T),
    /// Any number.
    More(Vec<T>),
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl<T> OneOrMore<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// A feature that may be off.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Feature<T> {
    /// On, with these settings.
    On(T),
    /// Off: `false`.
    Off(bool),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load::load;

    /// The originals' names, too, which no flag knows.
    #[test]
    fn every_algorithm_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lb.json");
        for word in ["rr", "maglev", "round_robin", "weighted_round_robin", "least_connections", "ip_hash"] {
            let text = format!("{{\"backends\": [\"127.0.0.1:1\"], \"algorithm\": \"{word}\"}}");
            std::fs::write(&path, text).unwrap();
            let settings = Settings::new(&load(&path).config.expect(word));
            assert!(settings.groups["default"].algorithm.is_some(), "{word}");
        }
    }

    #[test]
    fn every_key_has_a_type() {
        for name in ["every-key.json", "short.json", "nine-lines.json"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/valid").join(name);
            let settings = Settings::new(&load(&path).config.expect(name));
            assert!(!settings.listeners.is_empty() && !settings.groups.is_empty(), "{name}");
        }
    }
}
