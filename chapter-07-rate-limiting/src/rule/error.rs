//! Why a text is not a limit, and where.

use advanced_features::routing::pattern::PathPatternError;

use crate::rate::{BurstError, MAX_COUNT, MAX_LOG_COUNT, RateError};

/// Why a text is not a [`LimitRule`](super::LimitRule): one line with the column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {kind}")]
pub struct LimitRuleError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong.
    #[source]
    pub kind: LimitRuleErrorKind,
}

/// What is wrong with a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it all")]
pub enum LimitRuleErrorKind {
    #[error("empty limit; expected a rate and a key, such as '100/s by=ip'")]
    Empty,
    #[error(transparent)]
    Rate(RateError),
    #[error("'{0}' is not burst=N")]
    NotBurst(String),
    #[error("'{0}' is not a burst; expected a number from 1 to {MAX_COUNT}")]
    Burst(String),
    #[error(transparent)]
    BurstTooLong(BurstError),
    #[error("burst= does not apply to alg={0}, which allows the whole count at once")]
    NoBurst(&'static str),
    #[error("alg=log stores every request, so its rate is at most {MAX_LOG_COUNT} per period")]
    LogTooLarge,
    #[error("burst= belongs directly after the rate: 10/s,burst=5")]
    MisplacedBurst,
    #[error("by= is missing; known are ip, header:NAME, cookie:NAME, route, global")]
    MissingKey,
    #[error("'{0}': known are ip, header:NAME, cookie:NAME, route, global")]
    UnknownKey(String),
    #[error("'{0}': known are gcra, token, sliding, log, fixed, governor")]
    UnknownAlgorithm(String),
    #[error("'{0}' is not a name; expected up to 64 letters, digits, '_', '.' and '-'")]
    Name(String),
    #[error(transparent)]
    Path(PathPatternError),
    #[error("unknown option '{0}'; known are by=, path=, alg=, name=")]
    UnknownOption(String),
    #[error("{0}= is given twice")]
    Duplicate(String),
}

impl LimitRuleErrorKind {
    pub(super) fn at(self, column: usize) -> LimitRuleError {
        LimitRuleError { column, kind: self }
    }
}
