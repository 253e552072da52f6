//! The vectors that TLS messages consist of (RFC 8446 §3.4): a length of one or two bytes, then the content.

use std::ops::Range;

/// The unread part of a vector, by its place in the message: what is found can be kept as a range.
pub(super) struct Vector<'a> {
    message: &'a [u8],
    unread: Range<usize>,
}

impl<'a> Vector<'a> {
    /// The whole of `message`.
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { message, unread: 0..message.len() }
    }

    /// The next `length` bytes; `None` if there are fewer.
    pub(super) fn take(&mut self, length: usize) -> Option<Self> {
        let taken = self.unread.start..self.unread.start.checked_add(length).filter(|end| *end <= self.unread.end)?;
        self.unread.start = taken.end;
        Some(Self { message: self.message, unread: taken })
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken.bytes()[0])
    }

    /// The next two bytes.
    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    /// The next vector with a length of one byte.
    pub(super) fn vector8(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// The next vector with a length of two bytes.
    pub(super) fn vector16(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// The next vector with a length of two bytes, if nothing follows it.
    pub(super) fn only_vector16(mut self) -> Option<Self> {
        self.vector16().filter(|_| self.is_empty())
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        &self.message[self.unread.clone()]
    }

    /// The place in the message.
    pub(super) fn range(&self) -> Range<usize> {
        self.unread.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.unread.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }
}
