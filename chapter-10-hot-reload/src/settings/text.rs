//! Values that are written as strings.

use std::str::FromStr;

use advanced_features::balance::policy::Algorithm;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};

use crate::config::schema::keys;

/// A value that is written as a string, parsed by the chapter that it comes from.
#[derive(Clone, Debug)]
pub struct Parsed<T>(pub T);

/// How it is parsed.
pub trait FromText: Sized {
    /// The value of a string.
    ///
    /// # Errors
    /// The string has another form.
    fn from_text(text: &str) -> Result<Self, String>;
}

macro_rules! from_str {
    ($($type:ty),+) => {
        $(impl FromText for $type {
            fn from_text(text: &str) -> Result<Self, String> {
                Self::from_str(text).map_err(|error| error.to_string())
            }
        })+
    };
}

from_str!(
    advanced_features::routing::HashKey,
    advanced_features::routing::pattern::HostPattern,
    advanced_features::routing::pattern::PathPattern,
    common::endpoint::Endpoint,
    rate_limiting::rate::Rate
);

impl FromText for Algorithm {
    fn from_text(text: &str) -> Result<Self, String> {
        keys::algorithm(text).ok_or_else(|| format!("'{text}' is no algorithm"))
    }
}

impl FromText for IpNet {
    fn from_text(text: &str) -> Result<Self, String> {
        common::cli::parse_network(text)
    }
}

impl<'de, T: FromText> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::from_text(&text).map(Self).map_err(D::Error::custom)
    }
}
