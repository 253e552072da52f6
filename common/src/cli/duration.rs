//! Durations with a unit: `500ms`, `3s`, `5m`, `1h`.

use std::time::Duration;

/// The longest accepted duration: one year. Longer values are typos, and adding one to an `Instant` must never
/// overflow.
const MAX_DURATION: Duration = Duration::from_hours(365 * 24);

/// Parses a whole number with its unit, as a `clap` value parser.
///
/// A unit is required (is `30` seconds or milliseconds?), and zero is rejected: some programs read it as "at once" and
/// others as "never".
///
/// ```
/// use std::time::Duration;
/// assert_eq!(common::cli::parse_duration("500ms"), Ok(Duration::from_millis(500)));
/// assert!(common::cli::parse_duration("30").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a whole number and a unit, such as 500ms, 3s, 5m or 1h";
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "" if !number.is_empty() => return Err(format!("the unit is missing; {expected}")),
        _ => return Err(expected.into()),
    };
    if number.is_empty() {
        return Err(expected.into());
    }
    let value = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis_per_unit));
    match value.map(Duration::from_millis) {
        Some(Duration::ZERO) => Err("the duration must be greater than zero".into()),
        Some(value) if value <= MAX_DURATION => Ok(value),
        _ => Err("the duration must not exceed one year (8760h)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_whole_numbers_with_a_unit() {
        for (text, millis) in
            [("1ms", 1), ("500ms", 500), ("3s", 3000), ("090s", 90_000), ("5m", 300_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_duration("8760h"), Ok(MAX_DURATION));
    }

    #[test]
    fn errors_name_the_fault() {
        for (text, reason) in [
            ("", "expected"),
            ("s", "expected"),
            ("3", "the unit is missing"),
            ("-3s", "expected"),
            ("+3s", "expected"),
            ("1.5s", "expected"),
            ("3 s", "expected"),
            ("3S", "expected"),
            ("3d", "expected"),
            ("3s ", "expected"),
            ("٣s", "expected"),
            ("0s", "greater than zero"),
            ("000ms", "greater than zero"),
            ("8761h", "must not exceed one year"),
            ("18446744073709551615h", "must not exceed one year"),
            ("99999999999999999999999ms", "must not exceed one year"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
