//! Which requests get a line: one of so many, and every one that went wrong.
//!
//! WHEN TO USE IT: when the log of all requests costs more than it tells. What went well is alike; what did not is what
//! you look for.

use std::{cell::Cell, num::NonZeroU32, str::FromStr};

/// One request of so many: `1/100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRate(NonZeroU32);

/// One worker's place in the sample.
#[derive(Debug, Default)]
pub struct Sampler(Cell<u32>);

impl SampleRate {
    /// Every request.
    pub const ALL: Self = Self(NonZeroU32::MIN);
}

impl Default for SampleRate {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromStr for SampleRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let every = text.strip_prefix("1/").and_then(|every| every.parse().ok());
        every.map(Self).ok_or_else(|| "expected 1/N, such as 1/100 for one request of a hundred".to_owned())
    }
}

impl Sampler {
    /// Whether the next request that went well gets a line: the first does, and then every `rate`th.
    pub fn take(&self, rate: SampleRate) -> bool {
        let skipped = self.0.get();
        let taken = skipped == 0;
        self.0.set(if skipped + 1 >= rate.0.get() { 0 } else { skipped + 1 });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_so_many_is_taken() {
        for every in [1, 2, 100] {
            let (rate, sampler) = (format!("1/{every}").parse().unwrap(), Sampler::default());
            let taken = (0..1_000).filter(|_| sampler.take(rate)).count();
            assert_eq!(taken, 1_000 / every);
        }
        assert!(Sampler::default().take("1/4294967295".parse().unwrap()));
    }

    #[test]
    fn other_rates_are_refused() {
        for text in ["", "1", "1/0", "2/3", "1/", "1/x", "0.01", "1/4294967296", "1%"] {
            assert!(text.parse::<SampleRate>().is_err(), "{text}");
        }
    }
}
