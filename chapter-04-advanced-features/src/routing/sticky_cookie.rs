//! Session affinity by a cookie that ties a client to its backend.
//!
//! WHEN TO USE IT: for a program that keeps sessions in its own memory. It works against balancing (a busy client stays
//! on its backend) and loses the session with the backend; shared session storage has neither problem. Consistent
//! hashing ([`HashKey`](super::HashKey)) is the alternative without a cookie.
//!
//! The value is a keyed hash (HMAC-SHA-256, RFC 2104, truncated to 128 bits) of the cookie's name and the backend's, so
//! it reveals nothing about the backends, cannot be forged, and is the same after a restart and in all balancers with
//! the same secret. It is computed once per backend: a request costs a search for the cookie and one comparison of 32
//! bytes per backend, in constant time, so that timing reveals nothing about a guess. HAProxy's `cookie … insert` sends
//! the backend's name in plain text; Envoy's hash policy sends a random number and hashes it again.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::cookie::{is_token, parse_cookies};

/// The minimum length of a secret: 128 bits.
const MIN_SECRET_BYTES: usize = 16;
const HEX_DIGITS: usize = 32;

/// The HMAC key. A client that knows it can choose its backend, no more.
#[derive(Clone)]
pub struct StickySecret(Hmac<Sha256>);

/// A secret of fewer than 16 bytes, which can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sticky secret has {0} bytes, at least {MIN_SECRET_BYTES} are required; generate one with: head -c 32 /dev/urandom | base64"
)]
pub struct SecretTooShort(usize);

impl StickySecret {
    /// A secret from the contents of a file. Surrounding whitespace is ignored: editors add it.
    pub fn new(contents: &[u8]) -> Result<Self, SecretTooShort> {
        let key = contents.trim_ascii();
        if key.len() < MIN_SECRET_BYTES {
            return Err(SecretTooShort(key.len()));
        }
        Ok(Self::from_key(key))
    }

    /// A random secret. It ends with this process, and so does the affinity of all clients.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self::from_key(&key))
    }

    fn from_key(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC accepts keys of any length"))
    }
}

impl fmt::Debug for StickySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The value of the cookie: 32 hex digits. Small enough to copy out of the request head.
#[derive(Clone, Copy, Debug)]
pub struct StickyValue([u8; HEX_DIGITS]);

impl StickyValue {
    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // hex digits are ASCII
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        value.try_into().ok().map(Self).filter(|value| value.0.iter().all(is_digit))
    }
}

/// Compares in constant time.
impl PartialEq for StickyValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for StickyValue {}

/// The affinity cookie of one group.
#[derive(Clone, Debug)]
pub struct StickyCookie {
    name: String,
    secret: StickySecret,
}

/// The text is not a valid cookie name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid cookie name '{0}': only letters, digits and !#$%&'*+-.^_`|~ are allowed")]
pub struct CookieNameError(String);

impl StickyCookie {
    /// Affinity by a session cookie of this name, which a browser deletes when it exits.
    pub fn new(name: &str, secret: StickySecret) -> Result<Self, CookieNameError> {
        if !is_token(name) {
            return Err(CookieNameError(name.escape_debug().to_string()));
        }
        Ok(Self { name: name.into(), secret })
    }

    /// The cookie for another group: the group's name is appended to the cookie's. Otherwise a client of two groups
    /// would lose its affinity in one whenever the other sets the cookie.
    #[must_use]
    pub fn for_group(&self, group: &str) -> Self {
        Self { name: format!("{}-{group}", self.name), secret: self.secret.clone() }
    }

    // ANCHOR: value
    /// The value for a backend, by its configured name (`host:port`). Compute it once and keep it.
    pub fn value_for(&self, backend: &str) -> StickyValue {
        let mut mac = self.secret.0.clone();
        // Neither name contains a NUL, so no two pairs give the same text.
        for part in [self.name.as_bytes(), b"\0", backend.as_bytes()] {
            mac.update(part);
        }
        let hash = mac.finalize().into_bytes();
        let mut digits = [0; HEX_DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        StickyValue(digits)
    }
    // ANCHOR_END: value

    /// Reads the value from a client's `Cookie` headers. The first cookie of this name counts, even if its value is
    /// invalid: browsers send the one with the longest path first (RFC 6265 §5.4).
    pub fn read_value<'a>(&self, headers: impl IntoIterator<Item = &'a [u8]>) -> Option<StickyValue> {
        let mut values = parse_cookies(headers).filter(|(name, _)| *name == self.name.as_bytes());
        StickyValue::parse(values.next()?.1)
    }

    /// The `Set-Cookie` value that ties a client to a backend. `HttpOnly`: no script needs it. `SameSite=Lax`: a link
    /// from another site sends the cookie, a form on another site does not.
    pub fn set_cookie(&self, value: StickyValue) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Lax", self.name, value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sticky() -> StickyCookie {
        StickyCookie::new("lb", StickySecret::new(b"0123456789abcdef\n").unwrap()).unwrap()
    }

    /// If this fails, every client loses its affinity at the next upgrade.
    #[test]
    fn the_value_is_pinned() {
        // printf 'lb\000127.0.0.1:9001' | openssl dgst -sha256 -hmac 0123456789abcdef, the first half
        assert_eq!(sticky().value_for("127.0.0.1:9001").as_str(), "83813260e277cefa9585b0498197497f");
    }

    #[test]
    fn values_differ_by_backend_secret_and_group() {
        let other = StickyCookie::new("lb", StickySecret::random().unwrap()).unwrap();
        let values = [
            sticky().value_for("a:1"),
            sticky().value_for("a:2"),
            sticky().for_group("api").value_for("a:1"),
            other.value_for("a:1"),
            StickyCookie::new("lb", StickySecret::random().unwrap()).unwrap().value_for("a:1"),
        ];
        for (i, value) in values.iter().enumerate() {
            assert!(!values[..i].contains(value), "{i}");
        }
        assert_eq!(sticky().value_for("a:1"), sticky().value_for("a:1"));
    }

    #[test]
    fn reads_the_first_valid_cookie_of_the_name() {
        let sticky = sticky();
        let values = ["a:1", "a:2", "a:3"].map(|backend| sticky.value_for(backend));
        let [one, two, _] = values.each_ref().map(StickyValue::as_str);
        for (headers, expected) in [
            (vec![format!("lb={one}")], Some(0)),
            (vec![format!("a=b; lb={two} ;c=d")], Some(1)),
            (vec!["a=b".to_owned(), format!("x=y;lb={two}")], Some(1)),
            (vec![format!("lb={one}; lb={two}")], Some(0)),
            (vec![format!("lb=nonsense; lb={two}")], None),
            (vec![format!("LB={one}")], None),
            (vec![format!("xlb={one}")], None),
            (vec![format!("lb={}", one.to_uppercase())], None),
            (vec![format!("lb={one}0")], None),
            (vec![format!("lb={}", &one[1..])], None),
            (vec!["lb=".to_owned(), "lb".to_owned()], None),
            (vec![format!("lb={}", sticky.value_for("gone:1").as_str())], None),
            (vec![], None),
        ] {
            let cookie_value = sticky.read_value(headers.iter().map(String::as_bytes));
            let index = cookie_value.and_then(|value| values.iter().position(|known| *known == value));
            assert_eq!(index, expected, "{headers:?}");
        }
        assert!(sticky.read_value([b"lb=\xff\xff".as_slice()]).is_none());
    }

    #[test]
    fn the_cookie_is_set_with_its_attributes() {
        let value = sticky().value_for("a:1");
        let plain = format!("lb={}; Path=/; HttpOnly; SameSite=Lax", value.as_str());
        assert_eq!(sticky().set_cookie(value), plain);
        assert_eq!(sticky().for_group("api").name, "lb-api");
    }

    #[test]
    fn rejects_short_secrets_and_invalid_names() {
        assert_eq!(StickySecret::new(b" 0123456789abcde\n\n").err(), Some(SecretTooShort(15)));
        for name in ["", "a b", "a=b", "a;b", "é", "a\r\nb"] {
            let line = StickyCookie::new(name, StickySecret::random().unwrap()).unwrap_err().to_string();
            assert_eq!(line.lines().count(), 1);
        }
        assert_eq!(format!("{:?}", StickySecret::random().unwrap()), "Secret", "no secret in a log");
    }
}
