//! Who may ask: one user and password, by the Basic scheme (RFC 7617).
//!
//! Basic is a password in clear text under a coat of base64: enough on a network that you trust, and no
//! more. It is demanded with 407 and `Proxy-Authenticate`, not with 401: that would be the origin's to ask,
//! and both may ask at once (RFC 9110 §11.7).

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use subtle::ConstantTimeEq as _;

/// What goes with the 407.
pub const CHALLENGE: (&str, &str) = ("Proxy-Authenticate", "Basic realm=\"forward_proxy\", charset=\"UTF-8\"");

/// A user and a password, kept in the form in which clients send them.
#[derive(Clone)]
pub struct Credentials {
    encoded: String,
}

impl Credentials {
    /// Whether the value of a `Proxy-Authorization` field is these.
    ///
    /// The time this takes does not depend on where a wrong guess first differs: else a client could find
    /// the password one byte after another. It does tell the length.
    pub fn verify_header(&self, value: &[u8]) -> bool {
        const SCHEME: &[u8] = b"Basic ";
        let Some((scheme, token)) = value.split_at_checked(SCHEME.len()) else { return false };
        let token = token.trim_ascii_start();
        scheme.eq_ignore_ascii_case(SCHEME) && bool::from(self.encoded.as_bytes().ct_eq(token))
    }
}

impl FromStr for Credentials {
    type Err = String;

    /// Reads `user:password`; the first colon divides (RFC 7617 §2).
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((user, _)) if !user.is_empty() && !text.contains(char::is_control) => {
                Ok(Self { encoded: BASE64_STANDARD.encode(text) })
            }
            _ => Err("expected user:password, without control characters".into()),
        }
    }
}

/// Shows nothing: what is printed is read by others.
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
