//! Whether a client wants its refusals as JSON.

use connection_pooling::RequestInfo;

/// Whether `Accept` names `application/json` or `application/problem+json` with a quality above 0. `*/*` alone, which
/// curl sends, does not name them: people read its output.
pub(super) fn accepts_json(request: &RequestInfo<'_>) -> bool {
    request.header_values("accept").any(names_json)
}

fn names_json(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let media_type = parts.next().unwrap_or_default();
        let is_json = [b"application/json".as_slice(), b"application/problem+json"]
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known));
        is_json && !parts.any(is_zero_quality)
    })
}

/// `q=0`, `q=0.0` and so on (RFC 9110 §12.4.2).
fn is_zero_quality(parameter: &[u8]) -> bool {
    let Some((name, value)) = parameter.split_at_checked(2) else { return false };
    name.eq_ignore_ascii_case(b"q=") && !value.is_empty() && value.iter().all(|byte| b"0.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_the_header_names() {
        for (value, expected) in [
            ("application/json", true),
            ("text/html, application/problem+json;q=0.1", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/json;q=0", false),
            ("application/json; Q=0.000", false),
            ("application/json;q=0.001", true),
            ("*/*", false),
            ("application/*", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(names_json(value.as_bytes()), expected, "{value}");
        }
    }
}
