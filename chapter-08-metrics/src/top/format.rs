//! Numbers in the few columns that a terminal has.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What stands where there is no number: nothing was counted, or there is no earlier reading.
pub const NONE: &str = "-";

/// A rate in at most 5 characters: `0`, `0.1`, `9.9`, `1234`, `12.3k`, `1.23M`.
pub fn rate(number: Option<f64>) -> String {
    match number {
        None => NONE.to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(number) if number < 0.05 => "<0.1".to_owned(),
        Some(number) if number < 9.95 => format!("{number:.1}"),
        Some(number) => scaled(number),
    }
}

/// A count in at most 5 characters: exact up to 9999, then as a rate.
#[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
pub fn count(number: u64) -> String {
    if number < 10_000 { number.to_string() } else { scaled(number as f64) }
}

/// The same in at most 4 characters: `9999`, `12k`, `123k`, `>1M`.
pub fn short_count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}k", number / 1000),
        _ => ">1M".to_owned(),
    }
}

/// At least 9.95, with three digits or four.
fn scaled(number: f64) -> String {
    if number < 9_999.5 {
        return format!("{number:.0}");
    }
    let mut scaled = number / 1e3;
    for unit in ["k", "M", "G", "T", "P", "E"] {
        match scaled {
            ..9.995 => return format!("{scaled:.2}{unit}"),
            ..99.95 => return format!("{scaled:.1}{unit}"),
            ..999.5 => return format!("{scaled:.0}{unit}"),
            _ => scaled /= 1e3,
        }
    }
    ">999E".to_owned()
}

/// Bytes per second: `12.3kB/s`.
pub fn byte_rate(number: Option<f64>) -> String {
    number.map_or_else(|| NONE.to_owned(), |bytes| format!("{}B/s", rate(Some(bytes.round()))))
}

/// A share in at most 5 characters: `0%`, `0.1%`, `99.9%`, `100%`. Not rounded up to 100 %, nor down to 0 %: those two
/// mean all and none.
pub fn percent(share: Option<f64>) -> String {
    let Some(share) = share else { return NONE.to_owned() };
    let tenths = (share * 1000.0).round();
    if share <= 0.0 {
        "0%".to_owned()
    } else if tenths < 1.0 {
        "<0.1%".to_owned()
    } else if share >= 1.0 {
        "100%".to_owned()
    } else {
        format!("{:.1}%", tenths.min(999.0) / 10.0)
    }
}

/// A time of so many nanoseconds in at most 5 characters: `850ns`, `12µs`, `1.2ms`, `450ms`, `1.2s`, `30s`.
#[expect(clippy::cast_precision_loss, reason = "it is shown with two digits")]
pub fn latency(nanos: u64) -> String {
    let in_unit = |unit: f64, name: &str| {
        let number = nanos as f64 / unit;
        if number < 9.95 { format!("{number:.1}{name}") } else { format!("{number:.0}{name}") }
    };
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..999_500 => in_unit(1e3, "µs"),
        999_500..999_500_000 => in_unit(1e6, "ms"),
        _ => in_unit(1e9, "s"),
    }
}

/// How long a program has run: `12s`, `2m 03s`, `1h 02m`, `3d 04h`.
pub fn uptime(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m {:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

/// The time of day (UTC) of so many milliseconds since 1970: `hh:mm:ss`.
pub fn time_of_day(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `width` columns: its middle gives way to `…`, for the end of an address is its port.
pub fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let Some(kept) = width.checked_sub(1) else { return String::new() };
    let tail = take(text.chars().rev(), kept / 2);
    let head = take(text.chars(), kept - kept / 2);
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

/// `text` in at most `rows` lines of this width, broken anywhere.
pub fn wrap(text: &str, width: usize, rows: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for letter in text.chars() {
        if !line.is_empty() && line.width() + letter.width().unwrap_or_default() > width {
            lines.push(std::mem::take(&mut line));
        }
        line.push(letter);
    }
    lines.push(line);
    lines.truncate(rows);
    lines
}

/// As many letters as fit into `width` columns.
fn take(letters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut left = width;
    let fits = |letter: &char| {
        let needed = letter.width().unwrap_or_default();
        left.checked_sub(needed).is_some_and(|rest| {
            left = rest;
            true
        })
    };
    letters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_have_three_digits() {
        for (number, expected) in [
            (0.0, "0"),
            (0.01, "<0.1"),
            (0.05, "0.1"),
            (9.94, "9.9"),
            (9.95, "10"),
            (1234.4, "1234"),
            (9_999.4, "9999"),
            (9_999.5, "10.0k"),
            (12_345.0, "12.3k"),
            (999_499.0, "999k"),
            (999_500.0, "1.00M"),
            (1_234_567.0, "1.23M"),
            (1e18, "1.00E"),
            (1e30, ">999E"),
        ] {
            assert_eq!(rate(Some(number)), expected, "{number}");
        }
        assert_eq!((rate(None).as_str(), byte_rate(Some(12_345.0)).as_str()), ("-", "12.3kB/s"));
    }

    #[test]
    fn all_and_none_are_not_rounded_to() {
        for (share, expected) in
            [(0.0, "0%"), (0.000_1, "<0.1%"), (0.001, "0.1%"), (0.333_3, "33.3%"), (0.999_9, "99.9%"), (1.0, "100%")]
        {
            assert_eq!(percent(Some(share)), expected, "{share}");
        }
    }

    #[test]
    fn times_have_their_unit() {
        for (nanos, expected) in [
            (850, "850ns"),
            (1_200, "1.2µs"),
            (999_499, "999µs"),
            (999_500, "1.0ms"),
            (9_960_000, "10ms"),
            (450_000_000, "450ms"),
            (1_200_000_000, "1.2s"),
            (30_000_000_000, "30s"),
        ] {
            assert_eq!(latency(nanos), expected, "{nanos}");
        }
        for (seconds, expected) in [(12, "12s"), (123, "2m 03s"), (3_720, "1h 02m"), (273_600, "3d 04h")] {
            assert_eq!(uptime(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(time_of_day(1_700_000_000_123), "22:13:20");
    }

    #[test]
    fn long_texts_lose_their_middle() {
        for (width, expected) in
            [(30, "[2001:db8::1]:9001"), (18, "[2001:db8::1]:9001"), (11, "[2001…:9001"), (1, "…"), (0, "")]
        {
            assert_eq!(fit("[2001:db8::1]:9001", width), expected, "{width}");
        }
        assert_eq!(fit("日本語日本語", 6), "日…語", "wide letters take two columns");
    }

    #[test]
    fn long_lines_are_broken_and_cut() {
        for (width, rows, expected) in
            [(9, 3, &["abcdef"][..]), (4, 3, &["abcd", "ef"]), (2, 2, &["ab", "cd"]), (0, 2, &["a", "b"])]
        {
            assert_eq!(wrap("abcdef", width, rows), expected, "{width}");
        }
    }

    proptest! {
        #[test]
        fn every_number_fits_its_column(number: u64, positive in 0.0..1e25_f64, share in 0.0..1.0_f64, text: String) {
            prop_assert!(count(number).len() <= 5 && rate(Some(positive)).len() <= 5, "{}", count(number));
            prop_assert!(short_count(number).len() <= 4 && percent(Some(share)).len() <= 5);
            prop_assert!(latency(number % 99_000_000_000_000).width() <= 6);
            prop_assert!(fit(&text, 7).width() <= 7);
        }
    }
}
