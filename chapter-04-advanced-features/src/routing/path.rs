//! Path normalization (RFC 3986 §6.2.2), so that a rule for `/admin/*` cannot be bypassed with `/x/../admin/`,
//! `/%61dmin/` or `//admin/`.
//!
//! [`normalize`] returns an equivalent path, which may be forwarded: escapes of unreserved characters are decoded, hex
//! digits in the others are upper case, dot segments are removed. [`merge_slashes`] and [`remove_parameters`] are for
//! matching only: by RFC 3986 `//admin` and `/admin;v=1` are not `/admin`, but many servers treat them so, and a rule
//! must hold for those as well.
//!
//! An ambiguous path, which two servers may read in two ways, is rejected, never repaired: `%2F` (one segment or two?),
//! `%5C` (a slash to some), `%00` (the end to some), an invalid escape, `..` after an empty segment (which of the two
//! is removed?) and `/..;x/` (Tomcat reads `/../`). No function allocates for a path that it leaves as it is.

use std::borrow::Cow;

/// Why a path is rejected with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `%` without two hex digits after it.
    #[error("a '%' in the path is not followed by two hex digits")]
    BadPercentEncoding,
    /// `%2F`, `%5C` or `%00`.
    #[error("the path contains a percent-encoded '/', '\\' or NUL")]
    EncodedSeparator,
    /// `//..`.
    #[error("'..' after an empty path segment is ambiguous")]
    DotDotAfterEmptySegment,
    /// `/.;` or `/..;`.
    #[error("the path has a dot segment with a parameter, such as '/..;x'")]
    DotSegmentWithParameter,
}

/// Normalizes a path. The empty path becomes `/`; a target that is no path (`*`) is unchanged.
pub fn normalize(path: &[u8]) -> Result<Cow<'_, [u8]>, PathError> {
    if path.is_empty() {
        return Ok(Cow::Borrowed(b"/"));
    }
    // The fast path: nothing to decode, no segment that begins with a dot.
    let is_normalized = !path.contains(&b'%') && !path.windows(2).any(|two| two == b"/.");
    if is_normalized || path[0] != b'/' {
        return Ok(Cow::Borrowed(path));
    }
    // Escapes first, because `%2E%2E` is a dot segment too.
    let decoded = decode_unreserved(path)?;
    remove_dot_segments(&decoded).map(Cow::Owned)
}

/// The path with each run of slashes merged into one.
pub fn merge_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.windows(2).any(|two| two == b"//") {
        return Cow::Borrowed(path);
    }
    let mut merged = path.to_vec();
    merged.dedup_by(|next, last| *next == b'/' && *last == b'/');
    Cow::Owned(merged)
}

/// The path without the parameters of its segments (RFC 3986 §3.3): `/a;v=1/b` becomes `/a/b`.
pub fn remove_parameters(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.contains(&b';') {
        return Cow::Borrowed(path);
    }
    let mut in_parameter = false;
    let is_kept = |byte: &u8| {
        in_parameter = *byte != b'/' && (in_parameter || *byte == b';');
        !in_parameter
    };
    Cow::Owned(path.iter().copied().filter(is_kept).collect())
}

/// Decodes the percent-encoded byte at the start of `bytes`.
pub(crate) fn decode_percent_triplet(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

// ANCHOR: decode
fn decode_unreserved(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            out.push(byte);
            rest = tail;
            continue;
        }
        match decode_percent_triplet(rest).ok_or(PathError::BadPercentEncoding)? {
            b'/' | b'\\' | 0 => return Err(PathError::EncodedSeparator),
            byte if is_unreserved(byte) => out.push(byte),
            _ => out.extend(rest[..3].iter().map(u8::to_ascii_uppercase)),
        }
        rest = &rest[3..];
    }
    Ok(out)
}
// ANCHOR_END: decode

/// RFC 3986 §2.3: characters that mean the same with and without an escape.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986 §5.2.4, for a path that begins with a slash.
fn remove_dot_segments(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path[1..].split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b"." => {}
            b".." => {
                // The parent of the root is the root.
                let parent = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                if out.get(parent..) == Some(b"/".as_slice()) {
                    return Err(PathError::DotDotAfterEmptySegment);
                }
                out.truncate(parent);
            }
            [b'.', b';', ..] | [b'.', b'.', b';', ..] => return Err(PathError::DotSegmentWithParameter),
            segment => {
                out.push(b'/');
                out.extend_from_slice(segment);
                continue;
            }
        }
        // `/a/..` is the directory `/`, not the file ``.
        if segments.peek().is_none() {
            out.push(b'/');
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_paths() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("*", "*"),
            ("/api/v1", "/api/v1"),
            ("/api/", "/api/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/../../c", "/c"),
            ("/a/b/c/./../../g", "/a/g"), // the example of RFC 3986 §5.2.4
            ("/../../x", "/x"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/.", "/"),
            ("/..", "/"),
            ("/.hidden/..dots/...", "/.hidden/..dots/..."),
            ("/%61pi/%7Euser", "/api/~user"),
            ("/x/%2e%2E/admin", "/admin"),
            ("/x/.%2e/admin", "/admin"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b%3a", "/a%20b%3A"),
            ("/%252f", "/%252f"),
            ("//a//b/", "//a//b/"),
            ("/a/./", "/a/"),
            ("/a;x=1/b", "/a;x=1/b"),
        ] {
            let normal = normalize(path.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(String::from_utf8_lossy(&normal), expected, "{path}");
        }
    }

    #[test]
    fn rejects_ambiguous_paths() {
        use PathError::{BadPercentEncoding, DotDotAfterEmptySegment, DotSegmentWithParameter, EncodedSeparator};
        for (path, expected) in [
            ("/a%2fb", EncodedSeparator),
            ("/a%2Fb", EncodedSeparator),
            ("/a%5cb", EncodedSeparator),
            ("/a%00", EncodedSeparator),
            ("/%", BadPercentEncoding),
            ("/%4", BadPercentEncoding),
            ("/%4g", BadPercentEncoding),
            ("/%+1", BadPercentEncoding),
            ("/a//../b", DotDotAfterEmptySegment),
            ("//..", DotDotAfterEmptySegment),
            ("/a/..;/b", DotSegmentWithParameter),
            ("/a/%2e%2e;x/b", DotSegmentWithParameter),
            ("/.;/", DotSegmentWithParameter),
        ] {
            assert_eq!(normalize(path.as_bytes()), Err(expected), "{path}");
        }
    }

    #[test]
    fn borrows_a_normalized_path() {
        for path in ["/", "/a.b/c-d", "/a//b", "*"] {
            assert!(matches!(normalize(path.as_bytes()), Ok(Cow::Borrowed(_))), "{path}");
        }
        assert!(matches!(merge_slashes(b"/a/b"), Cow::Borrowed(_)));
        assert_eq!(&*merge_slashes(b"//a///b//"), b"/a/b/");
    }

    #[test]
    fn removes_the_parameters_of_each_segment() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("/a;v=1/b", "/a/b"),
            ("/a;v=1;w=2/b;", "/a/b"),
            ("/;x/a", "//a"),
            ("/a;b/;c", "/a/"),
            ("*", "*"),
        ] {
            assert_eq!(String::from_utf8_lossy(&remove_parameters(path.as_bytes())), expected, "{path}");
        }
    }
}
