//! What a correct response looks like, and the check of a body as it is streamed: nothing is buffered.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The bundled backends answer `/bytes/{n}` and `/chunked/{n}` with byte `i` being `i % 251`. 251 is a prime, so a
/// block that is lost or repeated at any power of two shows.
const PATTERN_PERIOD: usize = 251;

/// Bytes compared at once.
const PATTERN_BYTES: usize = 16 * 1024;

/// Longer by one period: the bytes expected at any offset of a body are one slice of it.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(PATTERN_BYTES + PATTERN_PERIOD));

/// The expectations of one run; by default: any 2xx, complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Expectation {
    /// Empty means any 2xx.
    pub(crate) statuses: Vec<u16>,
    pub(crate) body_len: Option<u64>,
    pub(crate) body_sha256: Option<[u8; 32]>,
    /// The body must be the backends' pattern.
    pub(crate) pattern: bool,
}

impl Expectation {
    /// The expectations that the path implies: `/bytes/{n}` and `/chunked/{n}` name their body.
    pub(crate) fn of_path(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        let body_len = ["/bytes/", "/chunked/"].iter().find_map(|prefix| path.strip_prefix(prefix)?.parse().ok());
        Self { body_len, pattern: body_len.is_some(), ..Self::default() }
    }

    pub(crate) fn accepts(&self, status: u16) -> bool {
        if self.statuses.is_empty() { status / 100 == 2 } else { self.statuses.contains(&status) }
    }
}

/// Checks one body after another.
pub(crate) struct BodyCheck {
    expect: Expectation,
    seen: u64,
    as_pattern: bool,
    hash: Sha256,
}

impl BodyCheck {
    pub(crate) fn new(expect: Expectation) -> Self {
        Self { expect, seen: 0, as_pattern: true, hash: Sha256::new() }
    }

    /// Resets the state for the next body.
    pub(crate) fn begin(&mut self) {
        self.seen = 0;
        self.as_pattern = true;
        if self.expect.body_sha256.is_some() {
            self.hash = Sha256::new();
        }
    }

    pub(crate) fn piece(&mut self, bytes: &[u8]) {
        if self.expect.body_sha256.is_some() {
            self.hash.update(bytes);
        }
        if !self.expect.pattern {
            self.seen += bytes.len() as u64;
            return;
        }
        for part in bytes.chunks(PATTERN_BYTES) {
            let phase = phase(self.seen);
            self.as_pattern &= PATTERN[phase..phase + part.len()] == *part;
            self.seen += part.len() as u64;
        }
    }

    /// Judges a complete response. A wrong status is one failure: its body is an error page's.
    pub(crate) fn finish(&mut self, status: u16, to_head: bool) -> Result<(), Failure> {
        if !self.expect.accepts(status) {
            return Err(Failure::Status(status));
        }
        if to_head {
            return Ok(());
        }
        if self.expect.body_len.is_some_and(|length| length != self.seen) {
            return Err(Failure::WrongBody("length"));
        }
        if !self.as_pattern {
            return Err(Failure::WrongBody("byte i is not i % 251"));
        }
        match self.expect.body_sha256 {
            Some(digest) if self.hash.finalize_reset()[..] != digest => Err(Failure::WrongBody("SHA-256")),
            _ => Ok(()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder of 251")]
fn phase(offset: u64) -> usize {
    (offset % PATTERN_PERIOD as u64) as usize
}

/// Byte `i` is `i % 251`; also what `--body-size` sends.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One body in pieces of `size` bytes against `expect`.
    fn check(expect: &Expectation, status: u16, body: &[u8], size: usize) -> Result<(), Failure> {
        let mut check = BodyCheck::new(expect.clone());
        check.begin();
        body.chunks(size).for_each(|piece| check.piece(piece));
        check.finish(status, false)
    }

    #[test]
    fn pattern_is_checked_at_every_offset() {
        let expect = Expectation::of_path("/chunked/1000?x=1");
        let whole = pattern(1000);
        for size in [1, 7, 250, 251, 252, 1000] {
            assert_eq!(check(&expect, 200, &whole, size), Ok(()), "pieces of {size}");
            for at in [0, 250, 251, 999] {
                let mut bad = whole.clone();
                bad[at] ^= 1;
                let wrong = Err(Failure::WrongBody("byte i is not i % 251"));
                assert_eq!(check(&expect, 200, &bad, size), wrong, "byte {at}, pieces of {size}");
            }
        }
        assert_eq!(check(&expect, 200, &whole[..999], 64), Err(Failure::WrongBody("length")));
    }

    #[test]
    fn pattern_goes_on_beyond_what_is_compared_in_one_go() {
        let length = 3 * PATTERN_BYTES + 5;
        let expect = Expectation::of_path(&format!("/bytes/{length}"));
        assert_eq!(check(&expect, 200, &pattern(length), length), Ok(()));
    }

    #[test]
    fn other_paths_expect_any_body_and_any_2xx() {
        let expect = Expectation::of_path("/bytes/x");
        assert_eq!(expect, Expectation::default());
        assert_eq!(check(&expect, 201, b"anything", 3), Ok(()));
        assert_eq!(check(&expect, 302, b"", 3), Err(Failure::Status(302)));
    }

    #[test]
    fn expected_status_and_digest_are_checked() {
        let expect = Expectation {
            statuses: vec![503],
            body_sha256: Some(Sha256::digest(b"busy").into()),
            ..Expectation::default()
        };
        assert_eq!(check(&expect, 503, b"busy", 1), Ok(()));
        assert_eq!(check(&expect, 503, b"busY", 1), Err(Failure::WrongBody("SHA-256")));
        assert_eq!(check(&expect, 200, b"busy", 1), Err(Failure::Status(200)));
    }
}
