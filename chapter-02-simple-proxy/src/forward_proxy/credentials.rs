//! Proxy authentication: one user and password, with the Basic scheme (RFC 7617).
//!
//! Basic sends the password in clear text, only base64-encoded: use it on a network that you trust. The challenge
//! is 407 with `Proxy-Authenticate`, not 401: 401 belongs to the origin server, and both may challenge the same
//! request (RFC 9110 §11.7).

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use common::http::LocalReply;
use subtle::ConstantTimeEq as _;

/// The challenge: the reply to a client that has not authenticated itself.
pub const PROXY_AUTH_REQUIRED: LocalReply = LocalReply::new(407, "proxy_auth_required")
    .with_fields(&[("Proxy-Authenticate", "Basic realm=\"forward_proxy\", charset=\"UTF-8\"")]);

/// A user and a password, stored base64-encoded, as clients send them.
#[derive(Clone)]
pub struct Credentials {
    encoded: String,
}

impl Credentials {
    /// Whether the value of a `Proxy-Authorization` header matches.
    ///
    /// The comparison takes constant time, wherever the first wrong byte is: otherwise a client could find the
    /// password byte by byte. It does reveal the length.
    pub fn verify_header(&self, value: &[u8]) -> bool {
        const SCHEME: &[u8] = b"Basic ";
        let Some((scheme, presented)) = value.split_at_checked(SCHEME.len()) else { return false };
        let presented = presented.trim_ascii_start();
        scheme.eq_ignore_ascii_case(SCHEME) && bool::from(self.encoded.as_bytes().ct_eq(presented))
    }
}

impl FromStr for Credentials {
    type Err = String;

    /// Parses `user:password`; the first colon separates them (RFC 7617 §2).
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((user, _)) if !user.is_empty() && !text.contains(char::is_control) => {
                Ok(Self { encoded: BASE64_STANDARD.encode(text) })
            }
            _ => Err("expected user:password, without control characters".into()),
        }
    }
}

/// Hides the credentials: debug output may end up in logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_matching_credentials() {
        // The example of RFC 7617 §2.
        let credentials: Credentials = "Aladdin:open sesame".parse().unwrap();
        for right in ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "bASIC  QWxhZGRpbjpvcGVuIHNlc2FtZQ=="] {
            assert!(credentials.verify_header(right.as_bytes()), "{right}");
        }
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZg==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x",
            "BasicXQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ] {
            assert!(!credentials.verify_header(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn requires_user_and_colon_and_hides_debug_output() {
        for wrong in ["", "user", ":password", "a\n:b"] {
            assert!(wrong.parse::<Credentials>().is_err(), "{wrong:?}");
        }
        let shown = format!("{:?}", "user:se:cret".parse::<Credentials>().unwrap());
        assert_eq!(shown, "Credentials(..)");
    }
}
