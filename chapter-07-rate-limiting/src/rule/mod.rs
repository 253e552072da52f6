//! A limit as the command line describes it.
//!
//! ```text
//! RATE/s|/m|/h[,burst=N] by=ip|header:NAME|cookie:NAME|route|global
//!     [path=PATTERN] [alg=gcra|token|sliding|log|fixed|governor] [name=NAME]
//! ```
//!
//! Words separated by blanks, the rate first, the others in any order and each at most once. `path` is a pattern as in
//! `--route`. An error says at which column.

mod error;
mod key_source;

use std::{fmt, num::NonZeroU32, str::FromStr};

use advanced_features::routing::pattern::PathPattern;

pub use self::{
    error::{LimitRuleError, LimitRuleErrorKind},
    key_source::{KeyHasher, KeySource, RequestKeys},
};
use crate::rate::{MAX_COUNT, MAX_LOG_COUNT, Quota, Rate};

/// An algorithm by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlgorithmName {
    /// [`Gcra`](crate::algorithm::Gcra)
    #[default]
    Gcra,
    /// [`TokenBucket`](crate::algorithm::TokenBucket)
    Token,
    /// [`SlidingWindow`](crate::algorithm::SlidingWindow)
    Sliding,
    /// [`SlidingLog`](crate::algorithm::SlidingLog)
    Log,
    /// [`FixedWindow`](crate::algorithm::FixedWindow)
    Fixed,
    /// [`GovernorGcra`](crate::algorithm::GovernorGcra)
    Governor,
}

const ALGORITHMS: [(&str, AlgorithmName); 6] = [
    ("gcra", AlgorithmName::Gcra),
    ("token", AlgorithmName::Token),
    ("sliding", AlgorithmName::Sliding),
    ("log", AlgorithmName::Log),
    ("fixed", AlgorithmName::Fixed),
    ("governor", AlgorithmName::Governor),
];

impl AlgorithmName {
    /// Whether it has a burst. Windows and the log let through the whole count at once.
    pub fn has_burst(self) -> bool {
        matches!(self, Self::Gcra | Self::Token | Self::Governor)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        ALGORITHMS.iter().find(|(_, algorithm)| *algorithm == self).map_or("", |(name, _)| name)
    }
}

/// A limit, not yet applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRule {
    /// The rate and the burst.
    pub quota: Quota,
    /// Which requests are counted together.
    pub key: KeySource,
    /// The requests that it applies to; `None` for all.
    pub path: Option<PathPattern>,
    /// How requests are counted.
    pub algorithm: AlgorithmName,
    /// Its name, if it has one.
    pub name: Option<String>,
}

/// The longest name: it is sent with each response.
const MAX_NAME_LENGTH: usize = 64;

/// Whether a text can be the name of a limit: nothing that a header would have to quote.
fn is_limit_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=MAX_NAME_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// The options as they are read.
#[derive(Default)]
struct Options {
    burst: Option<(usize, NonZeroU32)>,
    key: Option<KeySource>,
    path: Option<PathPattern>,
    algorithm: Option<AlgorithmName>,
    name: Option<String>,
}

impl Options {
    /// Reads `NAME=VALUE` at `column`.
    fn read(&mut self, word: &str, column: usize) -> Result<(), LimitRuleError> {
        let unknown = || LimitRuleErrorKind::UnknownOption(word.escape_debug().to_string()).at(column);
        let (option, value) = word.split_once('=').ok_or_else(unknown)?;
        let value_column = column + option.chars().count() + 1;
        let shown = || value.escape_debug().to_string();
        let once = |is_first: bool| {
            if is_first { Ok(()) } else { Err(LimitRuleErrorKind::Duplicate(option.to_owned()).at(column)) }
        };
        match option {
            "by" => {
                let key = value.parse().map_err(|()| LimitRuleErrorKind::UnknownKey(shown()).at(value_column))?;
                once(self.key.replace(key).is_none())
            }
            "path" => {
                let path = value.parse().map_err(|error| LimitRuleErrorKind::Path(error).at(value_column))?;
                once(self.path.replace(path).is_none())
            }
            "alg" => {
                let known = ALGORITHMS.iter().find(|(name, _)| *name == value).map(|(_, algorithm)| *algorithm);
                let algorithm = known.ok_or_else(|| LimitRuleErrorKind::UnknownAlgorithm(shown()).at(value_column))?;
                once(self.algorithm.replace(algorithm).is_none())
            }
            "name" if is_limit_name(value) => once(self.name.replace(value.to_owned()).is_none()),
            "name" => Err(LimitRuleErrorKind::Name(shown()).at(value_column)),
            "burst" => Err(LimitRuleErrorKind::MisplacedBurst.at(column)),
            _ => Err(unknown()),
        }
    }

    /// Reads `burst=N` behind the rate.
    fn read_burst(&mut self, text: &str, column: usize) -> Result<(), LimitRuleError> {
        let shown = || text.escape_debug().to_string();
        let value = text.strip_prefix("burst=").ok_or_else(|| LimitRuleErrorKind::NotBurst(shown()).at(column))?;
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let burst = value.parse().ok().filter(|burst| is_number && *burst <= MAX_COUNT).and_then(NonZeroU32::new);
        let burst = burst
            .ok_or_else(|| LimitRuleErrorKind::Burst(value.escape_debug().to_string()).at(column + "burst=".len()))?;
        self.burst = Some((column, burst));
        Ok(())
    }

    fn into_rule(self, rate: Rate, end: usize) -> Result<LimitRule, LimitRuleError> {
        let algorithm = self.algorithm.unwrap_or_default();
        if algorithm == AlgorithmName::Log && rate.count().get() > MAX_LOG_COUNT {
            return Err(LimitRuleErrorKind::LogTooLarge.at(1));
        }
        let mut quota = Quota::new(rate);
        if let Some((column, burst)) = self.burst {
            if !algorithm.has_burst() {
                return Err(LimitRuleErrorKind::NoBurst(algorithm.as_str()).at(column));
            }
            quota = quota.with_burst(burst).map_err(|error| LimitRuleErrorKind::BurstTooLong(error).at(column))?;
        }
        let key = self.key.ok_or_else(|| LimitRuleErrorKind::MissingKey.at(end))?;
        Ok(LimitRule { quota, key, path: self.path, algorithm, name: self.name })
    }
}

/// The column of the value of an option of a valid limit.
pub(crate) fn column_of(option: &str, text: &str) -> usize {
    let found = words(text).find_map(|(column, word)| word.strip_prefix(option).map(|_| column + option.len()));
    found.unwrap_or(1)
}

/// The words of a text, each with its column, from 1.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let offset = |word: &str| word.as_ptr().addr() - text.as_ptr().addr();
    text.split_whitespace().map(move |word| (text[..offset(word)].chars().count() + 1, word))
}

impl FromStr for LimitRule {
    type Err = LimitRuleError;

    fn from_str(text: &str) -> Result<Self, LimitRuleError> {
        let mut words = words(text);
        let (column, first) = words.next().ok_or_else(|| LimitRuleErrorKind::Empty.at(1))?;
        let (rate, burst) = first.split_once(',').map_or((first, None), |(rate, burst)| (rate, Some(burst)));
        let mut options = Options::default();
        let rate_length = rate.chars().count();
        let rate: Rate = rate.parse().map_err(|error| LimitRuleErrorKind::Rate(error).at(column))?;
        if let Some(burst) = burst {
            options.read_burst(burst, column + rate_length + 1)?;
        }
        for (column, word) in words {
            options.read(word, column)?;
        }
        options.into_rule(rate, text.trim_end().chars().count() + 1)
    }
}

impl fmt::Display for LimitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.quota.rate)?;
        if self.algorithm.has_burst() {
            write!(f, ",burst={}", self.quota.burst)?;
        }
        write!(f, " by={}", self.key)?;
        if let Some(path) = &self.path {
            write!(f, " path={path}")?;
        }
        write!(f, " alg={}", self.algorithm.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_displays_a_rule() {
        for (text, displayed) in [
            ("100/s by=ip", "100/s,burst=100 by=ip alg=gcra"),
            ("10/m,burst=10 by=ip path=/login", "10/m,burst=10 by=ip path=/login alg=gcra"),
            (" 5/h  alg=log\tby=header:X-Api-Key name=keys ", "5/h by=header:x-api-key alg=log"),
            ("1/s alg=token by=cookie:Session path=/a/../b/*", "1/s,burst=1 by=cookie:Session path=/b/* alg=token"),
            ("7/s by=global alg=sliding", "7/s by=global alg=sliding"),
            ("7/s by=route alg=fixed", "7/s by=route alg=fixed"),
            ("7/s by=route alg=governor", "7/s,burst=7 by=route alg=governor"),
        ] {
            let rule: LimitRule = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(rule.to_string(), displayed);
            let again: LimitRule = displayed.parse().unwrap();
            assert_eq!(LimitRule { name: rule.name.clone(), ..again }, rule);
        }
        assert_eq!("1/s by=ip name=a.b-C_9".parse::<LimitRule>().unwrap().name.as_deref(), Some("a.b-C_9"));
    }

    #[test]
    fn an_error_says_at_which_column() {
        let long_name = format!("1/s by=ip name={}", "n".repeat(65));
        for (text, expected) in [
            ("", "column 1: empty limit"),
            ("  ", "column 1: empty limit"),
            ("by=ip 10/s", "column 1: 'by=ip' is not a rate such as 100/s"),
            ("0/s by=ip", "column 1: a rate of 0"),
            ("10/s", "column 5: by= is missing"),
            ("10/s path=/x  ", "column 13: by= is missing"),
            ("10/s by=moon", "column 9: 'moon': known are ip, header:NAME, cookie:NAME, route, global"),
            ("10/s by=header:", "column 9: 'header:': known are"),
            ("10/s by=cookie:a b", "column 18: unknown option 'b'; known are by=, path=, alg=, name="),
            ("10/s by=ip by=ip", "column 12: by= is given twice"),
            ("10/s by=ip alg=leaky", "column 16: 'leaky': known are gcra, token, sliding, log, fixed, governor"),
            ("10/s by=ip color=red", "column 12: unknown option 'color=red'"),
            ("10/s by=ip path=api", "column 17: 'api' is not a path"),
            ("10/s by=ip name=", "column 17: '' is not a name"),
            (&long_name, "column 16: 'nnn"),
            ("10/s by=ip name=a,b", "column 17: 'a,b' is not a name"),
            ("10/s,burst=0 by=ip", "column 12: '0' is not a burst"),
            ("10/s,burst=+5 by=ip", "column 12: '+5' is not a burst"),
            ("10/s,burst=1000001 by=ip", "column 12: '1000001' is not a burst"),
            ("10/s,boost=5 by=ip", "column 6: 'boost=5' is not burst=N"),
            ("10/s, by=ip", "column 6: '' is not burst=N"),
            ("10/s,burst=5 by=ip alg=fixed", "column 6: burst= does not apply to alg=fixed"),
            (
                "10001/h by=ip alg=log",
                "column 1: alg=log stores every request, so its rate is at most 10000 per period",
            ),
            ("10/s burst=5 by=ip", "column 6: burst= belongs directly after the rate: 10/s,burst=5"),
            ("1/h,burst=10000 by=ip", "column 5: a burst of 10000 takes more than a year"),
            ("日/s by=ip", "column 1: '日/s' is not a rate"),
            ("10/s by=日 x", "column 9: '日': known are"),
        ] {
            let line = text.parse::<LimitRule>().unwrap_err().to_string();
            assert!(line.starts_with(expected), "{text}: {line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
