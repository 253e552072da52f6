//! The two formats of the PROXY protocol.

use std::{fmt, str::FromStr};

/// The format of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One line of text. Every receiver of the protocol knows it.
    V1,
    /// Binary: 28 bytes for IPv4, 52 for IPv6, and no text to parse.
    V2,
}

/// A text that names no [`Version`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown PROXY protocol version '{0}'; known: v1, v2")]
pub struct UnknownVersion(String);

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        match text {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(UnknownVersion(text.into())),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_parsed_and_displayed() {
        for (text, version) in [("v1", Version::V1), ("v2", Version::V2)] {
            assert_eq!(text.parse(), Ok(version));
            assert_eq!(version.to_string(), text);
        }
        for text in ["", "1", "V1", "v3", "v1 "] {
            let line = text.parse::<Version>().unwrap_err().to_string();
            assert_eq!(line, format!("unknown PROXY protocol version '{text}'; known: v1, v2"));
        }
    }
}
