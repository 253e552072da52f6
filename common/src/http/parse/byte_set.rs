//! Sets of bytes, for the grammars of names, targets and authorities: one table lookup per byte.

/// A set of bytes.
#[derive(Clone, Copy)]
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    /// ASCII letters and digits: ALPHA and DIGIT of the RFCs.
    pub(crate) const ALPHANUMERIC: Self =
        Self([false; 256]).with_range(b'a', b'z').with_range(b'A', b'Z').with_range(b'0', b'9');
    /// The visible ASCII characters: VCHAR of the RFCs.
    pub(crate) const VISIBLE: Self = Self([false; 256]).with_range(b'!', b'~');

    /// This set and the bytes from `first` to `last`.
    const fn with_range(mut self, first: u8, last: u8) -> Self {
        let mut byte = first;
        while byte <= last {
            self.0[byte as usize] = true;
            byte += 1;
        }
        self
    }

    /// This set and `more`.
    pub(crate) const fn with(self, more: &[u8]) -> Self {
        self.set(more, true)
    }

    /// This set without `less`.
    pub(crate) const fn without(self, less: &[u8]) -> Self {
        self.set(less, false)
    }

    const fn set(mut self, bytes: &[u8], is_member: bool) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0[bytes[at] as usize] = is_member;
            at += 1;
        }
        self
    }

    /// Whether `byte` is in the set.
    pub(crate) const fn contains(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }

    /// Whether all of `bytes` are in the set.
    pub(crate) fn contains_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.contains(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_contains_exactly_the_named_bytes() {
        let set = ByteSet::ALPHANUMERIC.with(b"-_").without(b"x0");
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() && !matches!(byte, b'x' | b'0') || matches!(byte, b'-' | b'_');
            assert_eq!(set.contains(byte), expected, "{byte:#x}");
            assert_eq!(ByteSet::VISIBLE.contains(byte), byte.is_ascii_graphic(), "{byte:#x}");
        }
        assert!(set.contains_all(b"A-z_9") && !set.contains_all(b"A-x"));
    }
}
