//! A seeded random generator (`SplitMix64`): a failure can be repeated from its seed.

#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).expect("usize fits")).expect("below n")
    }

    /// True with a probability of one in `n`.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Sizes at which bugs are likely: mostly small, sometimes near a power of two, rarely large.
    pub(crate) fn size(&mut self, max: usize) -> usize {
        let n = match self.below(8) {
            0 => 0,
            1..=3 => self.below(16),
            4 | 5 => self.below(2_000),
            6 => (1 << self.below(17)) + self.below(3) - 1,
            _ => self.below(max + 1),
        };
        n.min(max)
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        // Bytes that look like framing are those that expose a framing bug.
        let pool = b"0123456789abcdef\r\n\r\n0 HTTP/1.1 200 GET : \x00\xff";
        (0..n).map(|_| self.pick(pool)).collect()
    }
}
