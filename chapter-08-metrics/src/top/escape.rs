//! Text that a peer has chosen, made safe for a terminal.
//!
//! A name with an escape sequence in it could clear the screen, retitle the window, or make one backend look like
//! another. So each name passes here on its way into a view, and what is drawn is always escaped.

use unicode_width::UnicodeWidthChar as _;

/// The longest text that is kept: more than any column shows.
const MAX_CHARS: usize = 200;

/// `text` with control characters, combining marks and invisible characters (direction marks among them) as Rust would
/// write them in a literal: `\u{1b}`. A backslash is doubled, so that no name can pass for an escaped one.
pub fn printable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars().take(MAX_CHARS) {
        match letter {
            // Quotes need no escape here.
            '"' | '\'' => escaped.push(letter),
            // Without a width of its own it would change the letter before it, or hide.
            _ if letter.width() == Some(0) => escaped.extend(letter.escape_unicode()),
            _ => escaped.extend(letter.escape_debug()),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        for name in ["127.0.0.1:9001", "[::1]:9002", "api-2.example", "it's \"a\"", "größe", "日本"] {
            assert_eq!(printable(name), name);
        }
    }

    #[test]
    fn hostile_names_are_escaped() {
        for (name, expected) in [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\r\nb\tc\0", "a\\r\\nb\\tc\\0"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("e\u{301}", "e\\u{301}"),
            ("a\\u{1b}", "a\\\\u{1b}"),
            ("\u{2028}", "\\u{2028}"),
        ] {
            assert_eq!(printable(name), expected, "{name:?}");
        }
    }

    #[test]
    fn endless_names_are_cut() {
        assert_eq!(printable(&"x".repeat(1 << 20)).len(), MAX_CHARS);
    }
}
