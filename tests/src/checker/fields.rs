//! Headers as received: order, case and duplicates are kept, the grammar is checked strictly.

use super::read_error::{ReadError, malformed};

/// The headers of one head or trailer section (RFC 9110 calls them fields).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Checks and adds one header line, given without its CRLF (RFC 9112 §5).
    pub(crate) fn push_line(&mut self, line: &[u8]) -> Result<(), ReadError> {
        let colon = line.iter().position(|&b| b == b':').ok_or_else(|| malformed("a field line has a colon", line))?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(malformed("a field name is a token", line));
        }
        if !value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f)) {
            return Err(malformed("a field value holds no control", line));
        }
        let value = value.trim_ascii();
        // Latin-1: every byte stays one character, so comparisons stay exact.
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        self.0.push((text(name), text(value)));
        Ok(())
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Every value of `name`, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The value of `name`, which must not occur twice.
    ///
    /// # Panics
    /// When it does.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} occurs {} times in {self:?}", all.len());
        all.first().copied()
    }

    /// Whether `name` occurs.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The members of a list header, over all its lines, in lower case.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name)
            .iter()
            .flat_map(|value| value.split(','))
            .map(|member| member.trim().to_ascii_lowercase())
            .filter(|member| !member.is_empty())
            .collect()
    }

    /// The number of header lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A byte of a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
