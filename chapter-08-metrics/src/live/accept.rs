//! Whether a client wants HTML rather than JSON.

/// Whether `accept` names `text/html`, and with no lower quality than JSON's: browsers do. `*/*` alone, which curl
/// sends, names neither.
pub(super) fn prefers_html(accept: &str) -> bool {
    let html = quality(accept, "text/html", "text/*");
    let json = quality(accept, "application/json", "application/*");
    html.is_some_and(|html| html > 0.0 && json.is_none_or(|json| html >= json))
}

/// The quality of a media type (RFC 9110 §12.4.2): that of its own range, or else of `family`. `None` if neither is
/// named.
fn quality(accept: &str, media_type: &str, family: &str) -> Option<f32> {
    let of = |wanted: &str| {
        let mut ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
        ranges.find_map(|mut parts| {
            let is_wanted = parts.next().is_some_and(|range| range.eq_ignore_ascii_case(wanted));
            is_wanted.then(|| parts.find_map(weight).unwrap_or(1.0))
        })
    };
    of(media_type).or_else(|| of(family))
}

/// The weight of a parameter `q=0.5`; 0 if it is malformed, `None` for another parameter.
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    let is_weight = name.trim().eq_ignore_ascii_case("q");
    is_weight.then(|| value.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_for_those_who_name_it() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html", true),
            ("Text/HTML; charset=utf-8; q=0.1", true),
            ("text/*", true),
            ("application/json;q=0.5, text/html", true),
            ("application/json, text/html", true),
            ("application/*, text/html;q=0.9", false),
            ("application/json, text/html;q=0.9", false),
            ("text/html;q=0", false),
            ("text/html;q=2", false),
            ("text/html;q=nan", false),
            ("text/html;q=0, text/*", false),
            ("application/json", false),
            ("*/*", false),
            ("text/htmlx", false),
            (";,;q=1,", false),
            ("", false),
        ] {
            assert_eq!(prefers_html(accept), expected, "{accept}");
        }
    }
}
