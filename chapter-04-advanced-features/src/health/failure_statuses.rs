//! Which statuses of a response count as a failure of the backend.
//!
//! 502, 503 and 504 do: a gateway or an overloaded server sends them, for any request. An application's 500 does not,
//! unless you ask for it: it may be the fault of one URL, and a client that requests that URL again and again could
//! eject every backend. Envoy makes the same distinction (`consecutive_gateway_failure` and `consecutive_5xx`); nginx's
//! `proxy_next_upstream http_500` and HAProxy's `http-err-codes` name statuses. Resets and timeouts always count. A
//! failed connect counts for the breaker only: it marks the backend down, at once and until a check has connected; an
//! ejection would keep out a backend that has restarted.

use std::{fmt, str::FromStr};

use crate::health::active::status_set::StatusSet;

/// The lowest status that may count: 1xx to 3xx are no errors.
const FIRST: u16 = 400;

/// A set of statuses from 400 to 599, as one bit each: it is read for every response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FailureStatuses([u64; 4]);

impl FailureStatuses {
    const EMPTY: Self = Self([0; 4]);

    /// Whether a response with this status counts as a failure.
    pub fn contains(&self, status: u16) -> bool {
        let Some(index) = status.checked_sub(FIRST) else { return false };
        self.0.get(usize::from(index / 64)).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }

    /// These statuses too.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits |= others);
        self
    }

    fn statuses(&self) -> impl Iterator<Item = u16> {
        (FIRST..600).filter(|status| self.contains(*status))
    }
}

impl FromIterator<u16> for FailureStatuses {
    fn from_iter<I: IntoIterator<Item = u16>>(statuses: I) -> Self {
        let mut set = Self::EMPTY;
        for index in statuses.into_iter().filter_map(|status| status.checked_sub(FIRST)) {
            if let Some(bits) = set.0.get_mut(usize::from(index / 64)) {
                *bits |= 1 << (index % 64);
            }
        }
        set
    }
}

impl Default for FailureStatuses {
    fn default() -> Self {
        Self::from_iter([502, 503, 504])
    }
}

/// The text is not a set of statuses that may count as failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected statuses from 400 to 599 such as 500 or 429|500-599")]
pub struct FailureStatusesError;

impl FromStr for FailureStatuses {
    type Err = FailureStatusesError;

    fn from_str(text: &str) -> Result<Self, FailureStatusesError> {
        let set: StatusSet = text.parse().map_err(|_| FailureStatusesError)?;
        if (100..FIRST).any(|status| set.contains(status)) {
            return Err(FailureStatusesError);
        }
        Ok((FIRST..600).filter(|status| set.contains(*status)).collect())
    }
}

impl fmt::Debug for FailureStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.statuses()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_applications_500_counts_only_where_asked_for() {
        let default = FailureStatuses::default();
        assert_eq!(default.statuses().collect::<Vec<_>>(), [502, 503, 504]);
        let asked = default.with("429|500-501|599".parse().unwrap());
        assert_eq!(asked.statuses().collect::<Vec<_>>(), [429, 500, 501, 502, 503, 504, 599]);
        for status in [0, 100, 200, 399, 400, 499, 600, 655, 656, 999, u16::MAX] {
            assert!(!asked.contains(status), "{status}");
        }
    }

    #[test]
    fn rejects_statuses_that_are_no_errors() {
        for text in ["", "200", "399-500", "600", "500,502", "5xx", "100-599"] {
            assert_eq!(text.parse::<FailureStatuses>(), Err(FailureStatusesError), "{text}");
        }
    }
}
