//! The header names that a proxy acts on.
//!
//! All other headers are forwarded unchanged. The length rules out nearly all candidates, so an unknown header costs a
//! jump and at most four comparisons.

use super::byte_set::ByteSet;

/// A header that this proxy acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownField {
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Upgrade,
    Expect,
    Via,
    /// Keep-Alive, Proxy-*, TE, Trailer: they apply to one connection only (RFC 9110 §7.6.1). Proxy-Authenticate and
    /// Proxy-Authorization are not forwarded either: credentials for this proxy are not for a backend.
    HopByHop,
    ForwardedFor,
    /// X-Forwarded-Proto.
    ForwardedProto,
    /// X-Forwarded-Host.
    ForwardedHost,
    RealIp,
    RequestId,
    /// One of the above with underscores; never forwarded. CGI and its successors read `X_Real_IP` as `X-Real-IP`, so a
    /// client could forge our headers, or announce a second length.
    UnderscoreVariant,
    /// What else some servers take for the client's address, its connection or its target: `Forwarded` (RFC 7239),
    /// CF-Connecting-IP, X-Original-URL and others, and every further X-Forwarded-*. We do not write them, and an
    /// untrusted client's are dropped.
    ForwardedAlias,
    MaxForwards,
    Date,
}

/// The beginning of all X-Forwarded-*.
const FORWARDED_PREFIX: &[u8] = b"x-forwarded-";

/// Classifies `name`, ignoring its case.
pub(crate) fn classify_field_name(name: &[u8]) -> KnownField {
    let candidates = candidates_of_length(name.len());
    let found = candidates.iter().find(|(candidate, _)| eq_ignore_case(name, candidate.as_bytes()));
    match (found, name.split_at_checked(FORWARDED_PREFIX.len())) {
        (Some((_, known)), _) => *known,
        _ if candidates.iter().any(|(candidate, _)| is_underscore_variant(name, candidate.as_bytes())) => {
            KnownField::UnderscoreVariant
        }
        (None, Some((prefix, _))) if eq_ignore_case(prefix, FORWARDED_PREFIX) => KnownField::ForwardedAlias,
        (None, Some((prefix, _))) if is_underscore_variant(prefix, FORWARDED_PREFIX) => KnownField::UnderscoreVariant,
        _ => KnownField::Other,
    }
}

/// Whether `name` equals `candidate`, which is in lower case and of the same length. Among the bytes of a token, the
/// case bit distinguishes only letters of either case, and no other byte in a candidate. There is no branch per byte.
fn eq_ignore_case(name: &[u8], candidate: &[u8]) -> bool {
    const CASE: u8 = b'a' - b'A';
    name.iter().zip(candidate).fold(0, |difference, (a, b)| difference | ((a | CASE) ^ b)) == 0
}

/// Whether `name` is `candidate` with underscores for dashes.
fn is_underscore_variant(name: &[u8], candidate: &[u8]) -> bool {
    let same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (*a, *b) == (b'_', b'-');
    name.iter().zip(candidate).all(same)
}

/// The known names of this length.
fn candidates_of_length(length: usize) -> &'static [(&'static str, KnownField)] {
    match length {
        2 => &[("te", KnownField::HopByHop)],
        3 => &[("via", KnownField::Via)],
        4 => &[("host", KnownField::Host), ("date", KnownField::Date)],
        6 => &[("expect", KnownField::Expect)],
        7 => &[("upgrade", KnownField::Upgrade), ("trailer", KnownField::HopByHop)],
        9 => &[
            ("x-real-ip", KnownField::RealIp),
            ("forwarded", KnownField::ForwardedAlias),
            ("client-ip", KnownField::ForwardedAlias),
        ],
        10 => &[("connection", KnownField::Connection), ("keep-alive", KnownField::HopByHop)],
        11 => &[("x-client-ip", KnownField::ForwardedAlias)],
        12 => &[("x-request-id", KnownField::RequestId), ("max-forwards", KnownField::MaxForwards)],
        13 => &[("x-rewrite-url", KnownField::ForwardedAlias)],
        14 => &[
            ("content-length", KnownField::ContentLength),
            ("x-original-url", KnownField::ForwardedAlias),
            ("true-client-ip", KnownField::ForwardedAlias),
        ],
        15 => &[("x-forwarded-for", KnownField::ForwardedFor)],
        16 => &[
            ("x-forwarded-host", KnownField::ForwardedHost),
            ("proxy-connection", KnownField::HopByHop),
            ("cf-connecting-ip", KnownField::ForwardedAlias),
            ("fastly-client-ip", KnownField::ForwardedAlias),
        ],
        17 => &[("transfer-encoding", KnownField::TransferEncoding), ("x-forwarded-proto", KnownField::ForwardedProto)],
        18 => &[("proxy-authenticate", KnownField::HopByHop)],
        19 => &[("proxy-authorization", KnownField::HopByHop), ("x-cluster-client-ip", KnownField::ForwardedAlias)],
        24 => &[("x-original-forwarded-for", KnownField::ForwardedAlias)],
        _ => &[],
    }
}

/// The bytes of a `token` (RFC 9110 §5.6.2).
pub(crate) static TCHAR: ByteSet = ByteSet::ALPHANUMERIC.with(b"!#$%&'*+-.^_`|~");

/// Whether `bytes` is a `token`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && TCHAR.contains_all(bytes)
}

/// The elements of a comma-separated list, without surrounding whitespace; empty elements included.
pub(crate) fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim_ows)
}

/// `value` without surrounding optional whitespace (RFC 9110 §5.6.3).
pub(crate) fn trim_ows(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(first) = value.iter().position(|byte| !blank(byte)) else { return &[] };
    let last = value.iter().rposition(|byte| !blank(byte)).unwrap_or(first);
    &value[first..=last]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_classified_in_any_case() {
        assert_eq!(classify_field_name(b"CONTENT-length"), KnownField::ContentLength);
        assert_eq!(classify_field_name(b"Te"), KnownField::HopByHop);
        assert_eq!(classify_field_name(b"Forwarded"), KnownField::ForwardedAlias);
        assert_eq!(classify_field_name(b"x_real-IP"), KnownField::UnderscoreVariant);
        assert_eq!(classify_field_name(b"Content_Length"), KnownField::UnderscoreVariant);
        assert_eq!(classify_field_name(b"x-FORWARDED-Fox"), KnownField::ForwardedAlias);
        assert_eq!(classify_field_name(b"X-Forwarded-Proto"), KnownField::ForwardedProto);
        assert_eq!(classify_field_name(b"X_Forwarded_Fox"), KnownField::UnderscoreVariant);
        assert_eq!(classify_field_name(b"X-Forwarded_Fox"), KnownField::UnderscoreVariant);
        assert_eq!(classify_field_name(b"X-Forwarde"), KnownField::Other);
        assert_eq!(classify_field_name(b"X-Forward-For"), KnownField::Other);
        assert_eq!(classify_field_name(b"a_name_that_is_longer_than_any_that_we_know"), KnownField::Other);
        assert_eq!(classify_field_name(b""), KnownField::Other);
    }

    #[test]
    fn eq_ignore_case_agrees_with_std() {
        let candidates = (0..32).flat_map(candidates_of_length).map(|(candidate, _)| candidate.as_bytes());
        let letters: Vec<u8> = candidates.flatten().copied().collect();
        for a in (0..=u8::MAX).filter(|byte| TCHAR.contains(*byte)) {
            for b in &letters {
                assert_eq!(eq_ignore_case(&[a], &[*b]), a.eq_ignore_ascii_case(b), "{a:#x} {b:#x}");
            }
        }
    }

    #[test]
    fn lists_keep_their_empty_elements() {
        let got: Vec<&[u8]> = list_elements(b" a ,,\tb c").collect();
        assert_eq!(got, [b"a" as &[u8], b"", b"b c"]);
        assert_eq!(trim_ows(b" \t"), b"");
    }
}
