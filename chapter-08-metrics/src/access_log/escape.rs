//! Texts of clients in a line: each byte that could end the line, or its quotes, or move a cursor, is escaped.
//!
//! Lines are ASCII. A log is read by programs in unknown encodings and by people on terminals, and control characters
//! hide outside ASCII too (U+009B begins an escape sequence).

/// How a text is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As in a JSON string (RFC 8259 §7): `\"`, `\\` and `\u00e9`. A byte that is not UTF-8 is taken for Latin-1.
    Json,
    /// As nginx does by default: `\x22`, `\x5C` and `\xC3\xA9`, byte by byte.
    Hex,
}

impl Escape {
    /// Appends `text`.
    #[inline]
    pub fn write(self, out: &mut Vec<u8>, text: &[u8]) {
        // Nearly all texts. Without an early exit, the compiler looks at 16 bytes at a time.
        if text.iter().fold(true, |all, byte| all & is_plain(*byte)) {
            out.extend_from_slice(text);
        } else {
            self.write_escaped(out, text);
        }
    }

    #[cold]
    fn write_escaped(self, out: &mut Vec<u8>, mut text: &[u8]) {
        while let Some(plain) = text.iter().position(|byte| !is_plain(*byte)) {
            out.extend_from_slice(&text[..plain]);
            text = match self {
                Self::Json => write_json_escape(out, &text[plain..]),
                Self::Hex => write_hex_escape(out, &text[plain..]),
            };
        }
        out.extend_from_slice(text);
    }
}

/// Whether a byte stands for itself in both.
#[inline]
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Escapes the first character of `text`, and returns the rest.
fn write_json_escape<'a>(out: &mut Vec<u8>, text: &'a [u8]) -> &'a [u8] {
    if let byte @ (b'"' | b'\\') = text[0] {
        out.extend_from_slice(&[b'\\', byte]);
        return &text[1..];
    }
    let (character, length) = first_character(text);
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        unit.to_be_bytes().iter().for_each(|byte| out.extend_from_slice(&hex_digits(*byte, b"0123456789abcdef")));
    }
    &text[length..]
}

fn write_hex_escape<'a>(out: &mut Vec<u8>, text: &'a [u8]) -> &'a [u8] {
    out.extend_from_slice(b"\\x");
    out.extend_from_slice(&hex_digits(text[0], b"0123456789ABCDEF"));
    &text[1..]
}

/// The first character, and how many bytes it takes.
fn first_character(text: &[u8]) -> (char, usize) {
    const MAX_UTF8_BYTES: usize = 4;
    let start = &text[..text.len().min(MAX_UTF8_BYTES)];
    let valid = match str::from_utf8(start) {
        Ok(valid) => valid,
        Err(error) => str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().map_or((char::from(text[0]), 1), |character| (character, character.len_utf8()))
}

fn hex_digits(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(escape: Escape, text: &[u8]) -> String {
        let mut out = Vec::new();
        escape.write(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_backslashes_controls_and_everything_beyond_ascii_are_escaped() {
        for (text, json, hex) in [
            (&b"/a b?c=d"[..], "/a b?c=d", "/a b?c=d"),
            (b"", "", ""),
            (b"\"\\", r#"\"\\"#, r"\x22\x5C"),
            (b"a\r\n\tb\0\x7f", r"a\u000d\u000a\u0009b\u0000\u007f", r"a\x0D\x0A\x09b\x00\x7F"),
            ("é€".as_bytes(), r"\u00e9\u20ac", r"\xC3\xA9\xE2\x82\xAC"),
            ("😀x".as_bytes(), r"\ud83d\ude00x", r"\xF0\x9F\x98\x80x"),
            (b"\xe9t\xe9", r"\u00e9t\u00e9", r"\xE9t\xE9"),
            (b"\xe2\x82", r"\u00e2\u0082", r"\xE2\x82"),
            ("\u{9b}31m".as_bytes(), r"\u009b31m", r"\xC2\x9B31m"),
        ] {
            assert_eq!(escaped(Escape::Json, text), json);
            assert_eq!(escaped(Escape::Hex, text), hex);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_plain_ascii_and_json_reads_it_back(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            for escape in [Escape::Json, Escape::Hex] {
                prop_assert!(escaped(escape, &bytes).bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
            let quoted = |text: &[u8]| format!("\"{}\"", escaped(Escape::Json, text));
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(text.as_bytes())).unwrap(), text);
            prop_assert!(serde_json::from_str::<String>(&quoted(&bytes)).is_ok());
            let hex = escaped(Escape::Hex, &bytes);
            prop_assert!(!hex.contains('"'));
        }
    }
}
