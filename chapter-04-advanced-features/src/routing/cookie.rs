//! Parses the cookies of a request, and checks cookie names.

/// The cookies in the values of the `Cookie` headers: name and value, in order. Pairs without `=` are skipped.
pub(crate) fn parse_cookies<'a>(
    headers: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    headers.into_iter().flat_map(|header| header.split(|byte| *byte == b';')).filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
    })
}

/// A token of RFC 9110 §5.6.2: methods, header names, cookie names.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_headers_into_cookies() {
        let headers: [&[u8]; 4] = [b"a=1; b=2", b"", b"junk;=x; c = 3 ;", b"a=4=5"];
        let cookies: Vec<_> = parse_cookies(headers).collect();
        let expected: [(&[u8], &[u8]); 5] = [(b"a", b"1"), (b"b", b"2"), (b"", b"x"), (b"c", b"3"), (b"a", b"4=5")];
        assert_eq!(cookies, expected);
    }
}
