//! The few query parameters that a route takes: plain words and numbers, never percent-encoded.

use axum::http::Uri;

use crate::error_response::ErrorResponse;

/// The value of the first `name=value` in the target's query; `""` for a bare `name`.
pub(crate) fn query<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// [`query`] as a number.
pub(crate) fn number(uri: &Uri, name: &str) -> Result<Option<u64>, ErrorResponse> {
    query(uri, name)
        .map(|text| text.parse().map_err(|_| ErrorResponse::bad_request(format!("`{name}` is not a number"))))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_values_and_bare_names() {
        let uri = Uri::from_static("/stream?every=5&early");
        assert_eq!(query(&uri, "every"), Some("5"));
        assert_eq!(query(&uri, "early"), Some(""));
        assert_eq!(query(&uri, "count"), None);
        assert_eq!(query(&Uri::from_static("/"), "x"), None);
    }
}
