//! The page: one HTML document, with its style and its script inside.
//!
//! It loads nothing from anywhere, and shows whatever the document of [`handler`](super::handler) says. Names in that
//! come from the configuration, but paths of a configuration come from people: so the script writes text and no
//! markup, and the *content security policy* lets the browser run this script, apply this style, and nothing else.

use advanced_features::admin::{AdminHandler, AdminRequest, AdminResponse};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

use super::accept::prefers_html;
use crate::endpoint::read;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Serves the page at `/` to those who prefer HTML: the others get the list of endpoints.
#[derive(Debug)]
pub struct PageHandler {
    html: String,
    policy: String,
}

impl PageHandler {
    /// The page.
    #[expect(clippy::new_without_default, reason = "it composes the page")]
    pub fn new() -> Self {
        let [style, script] = [STYLE, SCRIPT].map(|text| format!("\n{text}"));
        let policy = policy(&style, &script);
        // The script last: nothing in it is a place to put something.
        Self { html: PAGE.replace("{style}", &style).replace("{script}", &script), policy }
    }

    fn page(&self) -> AdminResponse {
        AdminResponse::text(200, "text/html; charset=utf-8", self.html.clone())
            .with_header("content-security-policy", self.policy.as_str())
            .with_header("referrer-policy", "no-referrer")
            .with_header("x-content-type-options", "nosniff")
            .with_header("vary", "accept")
    }
}

// ANCHOR: policy
/// Nothing but this style and this script, and requests to this server; no other page may show it in a frame, where
/// its buttons could be covered and clicked.
fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(style),
        hash(script),
    )
}
// ANCHOR_END: policy

impl AdminHandler for PageHandler {
    fn endpoints(&self) -> &'static [&'static str] {
        &["GET / in a browser: a page that shows what happens"]
    }

    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
        prefers_html(&request.accept).then(|| read(request, "/", || self.page())).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between the only two occurrences of these.
    fn between<'a>(html: &'a str, begin: &str, end: &str) -> &'a str {
        assert_eq!([begin, end].map(|tag| html.matches(tag).count()), [1, 1], "{begin} {end}");
        html.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map(|(inside, _)| inside).unwrap()
    }

    #[test]
    fn the_policy_has_the_hashes_of_what_the_page_contains() {
        let PageHandler { html, policy: actual } = PageHandler::new();
        let expected = policy(between(&html, "<style>", "</style>"), between(&html, "<script>", "</script>"));
        assert_eq!(actual, expected);
        assert!(html.len() < 40_000, "{}", html.len());
    }

    #[test]
    fn the_script_makes_text_and_no_markup() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser"]
        {
            assert!(!SCRIPT.contains(way), "{way}");
        }
        assert!(!PAGE.contains(" style=") && !PAGE.contains(" on"), "the policy would refuse them");
    }

    #[test]
    fn the_page_is_for_those_who_prefer_html() {
        let handler = PageHandler::new();
        let status = |method: &str, path: &str, accept: &str| {
            let request = AdminRequest {
                method: method.into(),
                path: path.into(),
                accept: accept.into(),
                ..AdminRequest::default()
            };
            handler.handle(&request).map(|response| response.status)
        };
        assert_eq!(status("GET", "/", "text/html"), Some(200));
        assert_eq!(status("HEAD", "/", "text/html"), Some(200));
        assert_eq!(status("POST", "/", "text/html"), Some(405));
        assert_eq!((status("GET", "/", "*/*"), status("GET", "/x", "text/html")), (None, None));
    }
}
