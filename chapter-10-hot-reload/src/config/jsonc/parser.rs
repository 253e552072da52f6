//! The parser, which goes on behind an error.
//!
//! Where an element is not what it should be, the error is reported and the rest of that element is skipped, up to its
//! `,` or closing bracket. A missing comma between two elements is reported and needs no skipping.

use super::{
    scanner::Scanner,
    value::{Data, Member, Object, Value},
};
use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics},
    source::{SourceId, Sources, Span},
};

/// How deep arrays and objects may nest: the parser recurses.
pub const MAX_DEPTH: usize = 64;

/// Parses the whole text of a source, reporting every syntax error.
///
/// An empty text has no value; it is an error too.
pub fn parse(sources: &Sources, source: SourceId, diagnostics: &mut Diagnostics) -> Value {
    let mut parser =
        Parser { scanner: Scanner::new(source, sources.get(source).text(), diagnostics), depth: 0, ended: false };
    let value = parser.value();
    parser.scanner.skip_trivia();
    if !parser.ended && parser.scanner.peek().is_some() {
        let span = parser.scanner.next_span();
        parser.scanner.syntax_error(span, "expected the end of the file: a configuration is one object");
    }
    value
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    depth: usize,
    /// The text has ended too early, which has been reported.
    ended: bool,
}

/// What brackets enclose.
#[derive(Clone, Copy)]
struct Brackets {
    opening: Span,
    close: char,
    other_close: char,
    of: &'static str,
}

impl Parser<'_> {
    fn value(&mut self) -> Value {
        self.scanner.skip_trivia();
        let start = self.scanner.offset();
        let data = match self.scanner.peek() {
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::array),
            Some('"') => self.string().map_or(Data::Invalid, Data::Text),
            Some('\'') => self.single_quoted().map_or(Data::Invalid, Data::Text),
            Some(first) if first.is_alphanumeric() || "+-._".contains(first) => self.word(),
            Some(_) => self.no_value("expected a value"),
            None => self.end_of_text("expected a value, but the file ends here", None),
        };
        Value { span: self.scanner.span_from(start), data }
    }

    fn no_value(&mut self, message: &str) -> Data {
        let span = self.scanner.next_span();
        self.scanner.syntax_error(span, message);
        self.scanner.skip_element();
        Data::Invalid
    }

    /// Reports the end of the text, once: what it leaves open is a consequence.
    fn end_of_text(&mut self, message: &str, opening: Option<Span>) -> Data {
        if !std::mem::replace(&mut self.ended, true) {
            let mut diagnostic = Diagnostic::new(Code::Syntax, self.scanner.next_span(), message);
            if let Some(opening) = opening {
                diagnostic = diagnostic.related(opening, "opened here");
            }
            self.scanner.report(diagnostic);
        }
        Data::Invalid
    }

    fn nested(&mut self, parse: fn(&mut Self, Span) -> Data) -> Data {
        let opening = self.scanner.next_span();
        if self.depth == MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} levels deep");
            self.scanner.report(Diagnostic::new(Code::TooDeep, opening, message));
            self.scanner.skip_element();
            return Data::Invalid;
        }
        self.depth += 1;
        self.scanner.next_char();
        let data = parse(self, opening);
        self.depth -= 1;
        data
    }

    fn array(&mut self, opening: Span) -> Data {
        let brackets = Brackets { opening, close: ']', other_close: '}', of: "array" };
        let mut elements = Vec::new();
        while self.has_element(brackets) {
            elements.push(self.value());
            self.separator(brackets);
        }
        Data::Array(elements)
    }

    fn object(&mut self, opening: Span) -> Data {
        let brackets = Brackets { opening, close: '}', other_close: ']', of: "object" };
        let mut members = Vec::new();
        while self.has_element(brackets) {
            members.extend(self.member());
            self.separator(brackets);
        }
        Data::Object(Object(members))
    }

    /// Whether another element begins here; takes the closing bracket if not.
    fn has_element(&mut self, brackets: Brackets) -> bool {
        self.scanner.skip_trivia();
        match self.scanner.peek() {
            Some(next) if next == brackets.close => {}
            Some(next) if next == brackets.other_close => {
                let message = format!("expected '{}' to close the {}", brackets.close, brackets.of);
                let diagnostic = Diagnostic::new(Code::Syntax, self.scanner.next_span(), message);
                self.scanner.report(diagnostic.related(brackets.opening, "opened here"));
            }
            Some(',') => {
                let span = self.scanner.next_span();
                self.scanner.syntax_error(span, "expected a value before this comma");
                self.scanner.next_char();
                return self.has_element(brackets);
            }
            Some(_) => return true,
            None => {
                let message =
                    format!("expected '{}' to close the {}, but the file ends here", brackets.close, brackets.of);
                self.end_of_text(&message, Some(brackets.opening));
                return false;
            }
        }
        self.scanner.next_char();
        false
    }

    // ANCHOR: separator
    /// Takes the comma behind an element, unless a bracket closes.
    fn separator(&mut self, brackets: Brackets) {
        let behind = self.scanner.offset();
        let element_end = self.scanner.span_from(behind);
        self.scanner.skip_trivia();
        match self.scanner.peek() {
            None | Some(']' | '}') => {}
            Some(',') => drop(self.scanner.next_char()),
            Some('"' | '{' | '[') => {
                self.scanner.syntax_error(element_end, "expected ',' before the next element");
            }
            Some(_) => {
                let span = self.scanner.next_span();
                self.scanner.syntax_error(span, format!("expected ',' or '{}'", brackets.close));
                self.scanner.skip_element();
                self.scanner.accept(',');
            }
        }
    }
    // ANCHOR_END: separator

    fn member(&mut self) -> Option<Member> {
        let start = self.scanner.offset();
        let key = match self.scanner.peek() {
            Some('"') => self.string(),
            Some('\'') => self.single_quoted(),
            Some(first) if first.is_alphabetic() || first == '_' => {
                let word = self.scanner.take_word();
                let span = self.scanner.span_from(start);
                self.scanner.syntax_error(span, format!("a key is quoted: \"{word}\""));
                Some(word.to_owned())
            }
            _ => {
                self.no_value("expected a key in double quotes");
                None
            }
        };
        let key_span = self.scanner.span_from(start);
        let Some(key) = key else {
            self.scanner.skip_element();
            return None;
        };
        self.scanner.skip_trivia();
        if self.scanner.accept('=') {
            let span = self.scanner.span_from(self.scanner.offset() - 1);
            self.scanner.syntax_error(span, "expected ':' between a key and its value");
        } else if !self.scanner.accept(':') {
            if self.scanner.peek().is_none() {
                self.end_of_text("expected ':' and a value, but the file ends here", None);
                return None;
            }
            self.scanner.syntax_error(key_span.after(), "expected ':' and a value behind this key");
            if self.scanner.peek().is_some_and(|next| ",}]".contains(next)) {
                return None;
            }
        }
        Some(Member { key, key_span, value: self.value() })
    }

    fn word(&mut self) -> Data {
        let start = self.scanner.offset();
        let word = self.scanner.take_word();
        let span = self.scanner.span_from(start);
        match word {
            "null" => return Data::Null,
            "true" => return Data::Bool(true),
            "false" => return Data::Bool(false),
            _ if is_number(word) => return Data::Number(word.to_owned()),
            _ => {}
        }
        let message = match word.to_ascii_lowercase().as_str() {
            "true" | "false" | "null" => format!("'{word}' is written in lower case: {}", word.to_ascii_lowercase()),
            "nan" | "infinity" | "-infinity" | "inf" => format!("'{word}' is not a number in JSON"),
            _ if word.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
                let short: String = word.chars().take(40).collect();
                format!("'{short}' is not a number in JSON; a value with a unit is quoted: \"{short}\"")
            }
            _ => "a string is quoted".to_owned(),
        };
        self.scanner.syntax_error(span, message);
        Data::Invalid
    }

    /// `'text'`: reported, and taken for the string that was meant.
    fn single_quoted(&mut self) -> Option<String> {
        let start = self.scanner.offset();
        self.scanner.next_char();
        let rest = self.scanner.rest();
        let text = &rest[..rest.find(['\'', '\n']).unwrap_or(rest.len())];
        self.scanner.advance(text.len());
        let is_closed = self.scanner.accept('\'');
        let span = self.scanner.span_from(start);
        self.scanner.syntax_error(span, "strings are in double quotes");
        is_closed.then(|| text.to_owned())
    }

    /// A string; `None` if it is wrong, which has been reported.
    fn string(&mut self) -> Option<String> {
        let start = self.scanner.offset();
        self.scanner.next_char();
        let (mut text, mut is_right) = (String::new(), true);
        loop {
            let at = self.scanner.offset();
            match self.scanner.peek() {
                None | Some('\n') => {
                    let span = self.scanner.span_from(start);
                    self.scanner.syntax_error(span, "this string is not closed; it ends on its line, with '\"'");
                    return None;
                }
                Some('"') => {
                    self.scanner.next_char();
                    return is_right.then_some(text);
                }
                Some('\\') => {
                    self.scanner.next_char();
                    if let Some(decoded) = self.escape() {
                        text.push(decoded);
                    } else {
                        is_right = false;
                        let span = self.scanner.span_from(at);
                        self.scanner.syntax_error(span, "unknown escape; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits");
                    }
                }
                Some(control) if control < ' ' && control != '\r' => {
                    is_right = false;
                    self.scanner.next_char();
                    let span = self.scanner.span_from(at);
                    let code = u32::from(control);
                    self.scanner
                        .syntax_error(span, format!("a control character in a string is written \\u{code:04x}"));
                }
                Some(other) => {
                    self.scanner.next_char();
                    text.push(other);
                }
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let letter = self.scanner.peek().filter(|next| *next != '\n')?;
        self.scanner.next_char();
        Some(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode_escape(),
            _ => return None,
        })
    }

    /// The character of `\uXXXX`, of two of them if the first is a high surrogate (RFC 8259 §7).
    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.hex_digits()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.scanner.rest().starts_with("\\u") {
            return None;
        }
        self.scanner.advance(2);
        let second = self.hex_digits().filter(|second| (0xDC00..0xE000).contains(second))?;
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    fn hex_digits(&mut self) -> Option<u32> {
        let digits =
            self.scanner.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.scanner.advance(4);
        u32::from_str_radix(digits, 16).ok()
    }
}

/// Whether a word is a number by RFC 8259 §6: no leading zero, no `+`, digits on both sides of a point.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let whole = digits(unsigned);
    if whole == 0 || (whole > 1 && unsigned.starts_with('0')) {
        return false;
    }
    let mut rest = &unsigned[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        if digits(fraction) == 0 {
            return false;
        }
        rest = &fraction[digits(fraction)..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        return digits(exponent) > 0 && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (Value, Vec<String>) {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
        let source = sources.add("lb.json", text);
        let value = parse(&sources, source, &mut diagnostics);
        let shown = diagnostics.iter().map(|diagnostic| {
            let at = sources.position(diagnostic.span().expect("syntax errors have a place"));
            format!("{}:{} {}", at.line, at.column, diagnostic.message())
        });
        (value, shown.collect())
    }

    fn as_json(value: &Value) -> serde_json::Value {
        match &value.data {
            Data::Null | Data::Invalid => serde_json::Value::Null,
            Data::Bool(value) => (*value).into(),
            Data::Number(number) => serde_json::from_str(number).unwrap(),
            Data::Text(text) => text.as_str().into(),
            Data::Array(elements) => elements.iter().map(as_json).collect::<Vec<_>>().into(),
            Data::Object(object) => serde_json::Value::Object(
                object.0.iter().map(|member| (member.key.clone(), as_json(&member.value))).collect(),
            ),
        }
    }

    #[test]
    fn comments_trailing_commas_and_escapes_are_read() {
        let text = "// first\r\n{\"a\": [1, -2.5e+3, true, null,], /* b */ \"\\u00e4\\ud83d\\ude00\\n\": \"x\\\"\\/\",}\n// last";
        let (value, errors) = parsed(text);
        assert_eq!(errors, [""; 0]);
        assert_eq!(as_json(&value), serde_json::json!({"a": [1, -2500.0, true, null], "ä😀\n": "x\"/"}));
    }

    #[test]
    fn goes_on_behind_each_error() {
        for (text, errors) in [
            ("", &["1:1 expected a value, but the file ends here"][..]),
            ("{\"a\": 1", &["1:8 expected '}' to close the object, but the file ends here"]),
            (
                "{\"a\": [1, 2}",
                &[
                    "1:12 expected ']' to close the array",
                    "1:13 expected '}' to close the object, but the file ends here",
                ],
            ),
            ("{\"a\": 1 \"b\": 2}", &["1:8 expected ',' before the next element"]),
            ("{\"a\": 1; \"b\": 2}", &["1:8 expected ',' or '}'"]),
            (
                "{\"a\" 1, \"b\" }",
                &["1:5 expected ':' and a value behind this key", "1:12 expected ':' and a value behind this key"],
            ),
            ("{\"a\" = 1}", &["1:6 expected ':' between a key and its value"]),
            ("{a: 'x'}", &["1:2 a key is quoted: \"a\"", "1:5 strings are in double quotes"]),
            ("{\"a\": }", &["1:7 expected a value"]),
            ("{\"a\": , \"b\": 1}", &["1:7 expected a value"]),
            ("[,1]", &["1:2 expected a value before this comma"]),
            ("[1,,2]", &["1:4 expected a value before this comma"]),
            (
                "{1: 2, \"b\": 2s}",
                &[
                    "1:2 expected a key in double quotes",
                    "1:13 '2s' is not a number in JSON; a value with a unit is quoted: \"2s\"",
                ],
            ),
            (
                "{\"a\": \"x\n, \"b\": NaN}",
                &["1:7 this string is not closed; it ends on its line, with '\"'", "2:8 'NaN' is not a number in JSON"],
            ),
            (
                "# x\n[True, 01, +1, .5, 1., 1e, rr]",
                &[
                    "1:1 a comment begins with '//'",
                    "2:2 'True' is written in lower case: true",
                    "2:8 '01' is not a number in JSON; a value with a unit is quoted: \"01\"",
                    "2:12 '+1' is not a number in JSON; a value with a unit is quoted: \"+1\"",
                    "2:16 '.5' is not a number in JSON; a value with a unit is quoted: \".5\"",
                    "2:20 '1.' is not a number in JSON; a value with a unit is quoted: \"1.\"",
                    "2:24 '1e' is not a number in JSON; a value with a unit is quoted: \"1e\"",
                    "2:28 a string is quoted",
                ],
            ),
            (
                "[\"\\q\", \"\\ud83d\", \"\t\"]",
                &[
                    "1:3 unknown escape; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits",
                    "1:9 unknown escape; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits",
                    "1:19 a control character in a string is written \\u0009",
                ],
            ),
            ("{} {}", &["1:4 expected the end of the file: a configuration is one object"]),
            ("{} /* x", &["1:4 this comment is not closed; it ends at '*/'"]),
            ("{\"a\"", &["1:5 expected ':' and a value, but the file ends here"]),
        ] {
            assert_eq!(parsed(text).1, errors, "{text}");
        }
    }

    #[test]
    fn what_stands_behind_an_error_is_kept() {
        let (value, errors) = parsed("{\"a\": 1 \"b\": ?, \"c\": [2 3], d: {\"e\": 4]}");
        assert_eq!(errors.len(), 5, "{errors:?}");
        assert_eq!(as_json(&value), serde_json::json!({"a": 1, "b": null, "c": [2], "d": {"e": 4}}));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(parsed(&nested(MAX_DEPTH)).1, [""; 0]);
        for text in [nested(MAX_DEPTH + 1), nested(1_000_000), "[".repeat(1_000_000), "{\"a\":".repeat(1_000_000)] {
            let errors = parsed(&text).1;
            assert!(errors[0].ends_with("nested more than 64 levels deep"), "{errors:?}");
            assert!(errors.len() <= 2, "{errors:?}");
        }
    }

    proptest! {
        /// Whatever the text, the parser ends, and every place lies in it. What it accepts, without comments and trailing
        /// commas, is what `serde_json` accepts.
        #[test]
        fn any_text_is_parsed_and_what_is_accepted_is_json(text in r#"[\[\]{}:,"'\\/*# a1e.+tru\n-]{0,40}"#) {
            let (value, errors) = parsed(&text);
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(json) => {
                    prop_assert!(errors.is_empty(), "{:?}", errors);
                    prop_assert_eq!(as_json(&value), json);
                }
                Err(error) => {
                    let is_lenient = text.contains("//") || text.contains("/*") || text.contains(',');
                    prop_assert!(is_lenient || !errors.is_empty(), "{}", error);
                }
            }
        }
    }
}
