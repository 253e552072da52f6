//! A limit on bandwidth as the command line describes it.
//!
//! ```text
//! DOWN[,UP] by=ip|connection
//! ```
//!
//! Sizes per second, as in `--min-body-rate`: `DOWN` for what is sent to the client, `UP` for what it sends. Without
//! `UP`, uploads are not limited. An error says at which column.

use std::{fmt, num::NonZeroU64, str::FromStr};

use crate::{
    byte_size::{ByteSize, parse_byte_size},
    rule::words,
};

/// Which connections share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandwidthKey {
    /// Those of one client address, as a trusted proxy reports it; IPv6 by /64.
    Ip,
    /// None: each has its own.
    Connection,
}

/// A limit on bandwidth, not yet applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandwidthRule {
    /// Bytes per second to the client.
    pub down: NonZeroU64,
    /// Bytes per second from the client.
    pub up: Option<NonZeroU64>,
    /// Which connections share them.
    pub key: BandwidthKey,
}

/// Why a text is not a [`BandwidthRule`]: one line with the column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {kind}")]
pub struct BandwidthRuleError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong.
    #[source]
    pub kind: BandwidthRuleErrorKind,
}

/// What is wrong with a limit on bandwidth.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it all")]
pub enum BandwidthRuleErrorKind {
    #[error("empty limit; expected sizes per second and a key, such as '1MiB,256KiB by=ip'")]
    Empty,
    #[error("'{0}' is not a size per second greater than zero, such as 500B, 64KiB or 2MiB")]
    Size(String),
    #[error("by= is missing; known are ip, connection")]
    MissingKey,
    #[error("'{0}': known are ip, connection")]
    UnknownKey(String),
    #[error("unknown option '{0}'; known is by=")]
    UnknownOption(String),
    #[error("by= is given twice")]
    Duplicate,
}

impl BandwidthRuleErrorKind {
    fn at(self, column: usize) -> BandwidthRuleError {
        BandwidthRuleError { column, kind: self }
    }
}

/// A size at `column`.
fn size(text: &str, column: usize) -> Result<NonZeroU64, BandwidthRuleError> {
    parse_byte_size(text).ok_or_else(|| BandwidthRuleErrorKind::Size(text.escape_debug().to_string()).at(column))
}

/// `by=KEY` at `column`.
fn key(word: &str, column: usize) -> Result<BandwidthKey, BandwidthRuleError> {
    match word.strip_prefix("by=") {
        Some("ip") => Ok(BandwidthKey::Ip),
        Some("connection") => Ok(BandwidthKey::Connection),
        Some(other) => Err(BandwidthRuleErrorKind::UnknownKey(other.escape_debug().to_string()).at(column + 3)),
        None => Err(BandwidthRuleErrorKind::UnknownOption(word.escape_debug().to_string()).at(column)),
    }
}

impl FromStr for BandwidthRule {
    type Err = BandwidthRuleError;

    fn from_str(text: &str) -> Result<Self, BandwidthRuleError> {
        let mut words = words(text);
        let (column, sizes) = words.next().ok_or_else(|| BandwidthRuleErrorKind::Empty.at(1))?;
        let (down, up) = sizes.split_once(',').map_or((sizes, None), |(down, up)| (down, Some(up)));
        let up_column = column + down.chars().count() + 1;
        let down = size(down, column)?;
        let up = up.map(|up| size(up, up_column)).transpose()?;
        let mut found = None;
        for (column, word) in words {
            if found.replace(key(word, column)?).is_some() {
                return Err(BandwidthRuleErrorKind::Duplicate.at(column));
            }
        }
        let end = text.trim_end().chars().count() + 1;
        Ok(Self { down, up, key: found.ok_or_else(|| BandwidthRuleErrorKind::MissingKey.at(end))? })
    }
}

impl fmt::Display for BandwidthRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ByteSize(self.down.get()))?;
        if let Some(up) = self.up {
            write!(f, ",{}", ByteSize(up.get()))?;
        }
        f.write_str(match self.key {
            BandwidthKey::Ip => " by=ip",
            BandwidthKey::Connection => " by=connection",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_displays_a_rule() {
        for (text, displayed) in [
            ("64KiB by=ip", "64KiB by=ip"),
            (" 1024KiB,500B\tby=connection ", "1MiB,500B by=connection"),
            ("1B,1B by=ip", "1B,1B by=ip"),
        ] {
            let rule: BandwidthRule = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(rule.to_string(), displayed);
            assert_eq!(displayed.parse(), Ok(rule));
        }
    }

    #[test]
    fn an_error_says_at_which_column() {
        for (text, expected) in [
            ("", "column 1: empty limit; expected sizes"),
            (" \t", "column 1: empty limit"),
            ("by=ip", "column 1: 'by=ip' is not a size per second"),
            ("64 by=ip", "column 1: '64' is not a size"),
            ("0B by=ip", "column 1: '0B' is not a size"),
            (" 1MB by=ip", "column 2: '1MB' is not a size"),
            ("1MiB, by=ip", "column 6: '' is not a size"),
            ("1MiB,2kib by=ip", "column 6: '2kib' is not a size"),
            ("1MiB,2KiB,3KiB by=ip", "column 6: '2KiB,3KiB' is not a size"),
            ("1MiB", "column 5: by= is missing; known are ip, connection"),
            ("1MiB by=moon", "column 9: 'moon': known are ip, connection"),
            ("1MiB by=", "column 9: '': known are"),
            ("1MiB by=ip by=ip", "column 12: by= is given twice"),
            ("1MiB by=ip path=/x", "column 12: unknown option 'path=/x'; known is by="),
            ("日 by=ip", "column 1: '日' is not a size"),
            ("1MiB by=日 x", "column 9: '日': known are"),
        ] {
            let line = text.parse::<BandwidthRule>().unwrap_err().to_string();
            assert!(line.starts_with(expected), "{text}: {line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
