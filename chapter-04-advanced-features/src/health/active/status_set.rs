//! A set of HTTP statuses, written as `200-299|304`.

use std::{fmt, ops::RangeInclusive, str::FromStr};

/// The statuses of a healthy backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether `status` is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl Default for StatusSet {
    /// 200-399: what HAProxy and nginx treat as healthy. A redirect shows that the backend works.
    fn default() -> Self {
        Self(vec![200..=399])
    }
}

/// The text is not a set of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected statuses from 100 to 599 such as 200-299|304")]
pub struct StatusSetError;

impl FromStr for StatusSet {
    type Err = StatusSetError;

    fn from_str(text: &str) -> Result<Self, StatusSetError> {
        text.split('|').map(parse_range).collect::<Option<_>>().map(Self).ok_or(StatusSetError)
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(parse_status(first)?..=parse_status(last)?).filter(|range| !range.is_empty())
}

fn parse_status(text: &str) -> Option<u16> {
    // Digits only: `parse` alone would also take `+200`.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| is_number && (100..600).contains(status))
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{separator}{first}")?,
                (first, last) => write!(f, "{separator}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_the_listed_statuses() {
        for (text, members) in [
            ("200", &[200][..]),
            ("200-299|304", &[200, 299, 304]),
            ("100-599", &[100, 199, 200, 299, 300, 304, 305, 500]),
        ] {
            let statuses: StatusSet = text.parse().unwrap();
            assert_eq!(statuses.to_string(), text);
            let contained: Vec<u16> = [100, 199, 200, 299, 300, 304, 305, 500]
                .into_iter()
                .filter(|status| statuses.contains(*status))
                .collect();
            assert_eq!(contained, members);
        }
    }

    #[test]
    fn rejects_anything_else() {
        for text in ["", "|", "200|", "-", "200-", "299-200", "99", "600", "+200", "200,304", "2xx", "99999999999"] {
            assert_eq!(text.parse::<StatusSet>(), Err(StatusSetError), "{text}");
        }
    }
}
