//! Sizes as the command line writes them: a whole number of bytes with its unit.

use std::{fmt, num::NonZeroU64};

const UNITS: [(&str, u64); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A size such as `500B`, `64KiB` or `2MiB`; `None` for anything else, and for 0. A unit is required: of `1024` nobody
/// knows whether it means bytes.
pub fn parse_byte_size(text: &str) -> Option<NonZeroU64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let (_, bytes_per_unit) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(bytes_per_unit).and_then(NonZeroU64::new)
}

/// Displays a size in its largest unit that divides it.
pub(crate) struct ByteSize(pub(crate) u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) = UNITS.into_iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes)).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_displays_a_size() {
        for (text, bytes, displayed) in [
            ("500B", 500, "500B"),
            ("1KiB", 1_024, "1KiB"),
            ("2048KiB", 2 << 20, "2MiB"),
            ("1536KiB", 1_536 << 10, "1536KiB"),
            ("1048577B", 1_048_577, "1048577B"),
        ] {
            assert_eq!(parse_byte_size(text).map(NonZeroU64::get), Some(bytes), "{text}");
            assert_eq!(ByteSize(bytes).to_string(), displayed);
        }
        for text in ["", "1024", "0B", "1kb", "KiB", "1 KiB", "-1B", "1.5MiB", "99999999999999MiB", "日B"] {
            assert_eq!(parse_byte_size(text), None, "{text}");
        }
    }
}
