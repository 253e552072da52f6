//! A rate, and how many requests may come at once.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// The largest count of a rate, and the largest burst. Counts are packed into state words, and a period divided by a
/// larger count would be rounded noticeably.
pub const MAX_COUNT: u32 = 1_000_000;

/// The largest count of a rate whose requests are all stored: of one key they take 80 KB.
pub const MAX_LOG_COUNT: u32 = 10_000;

/// The longest time in which a bucket fills: a state's word holds the uptime and that.
const MAX_FILL_TIME: Duration = Duration::from_hours(365 * 24);

/// The period of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

impl Period {
    /// Its length in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }

    /// Its length.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds().into())
    }
}

/// So many requests per period, such as `10/m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    period: Period,
}

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it all")]
pub enum RateError {
    #[error("'{0}' is not a rate such as 100/s, 10/m or 1000/h")]
    Syntax(String),
    #[error("a rate of 0 would refuse everything; the smallest is 1/h")]
    Zero,
    #[error("'{0}' is more than {MAX_COUNT} per period")]
    TooLarge(String),
}

impl Rate {
    /// `count` requests per period; a count above [`MAX_COUNT`] is taken as that.
    pub fn new(count: NonZeroU32, period: Period) -> Self {
        Self { count: NonZeroU32::new(count.get().min(MAX_COUNT)).unwrap_or(NonZeroU32::MIN), period }
    }

    /// How many requests.
    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In which time.
    pub fn period(self) -> Period {
        self.period
    }

    /// One second's worth, at least 1: the burst of a limit that names none.
    pub fn default_burst(self) -> NonZeroU32 {
        NonZeroU32::new(self.count.get() / self.period.seconds()).unwrap_or(NonZeroU32::MIN)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let syntax = || RateError::Syntax(text.escape_debug().to_string());
        let (count, period) = text.split_once('/').ok_or_else(syntax)?;
        let period = match period {
            "s" => Period::Second,
            "m" => Period::Minute,
            "h" => Period::Hour,
            _ => return Err(syntax()),
        };
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(syntax());
        }
        // Digits only: what does not fit into 32 bits is too large.
        let count = count.parse().unwrap_or(u32::MAX);
        if count > MAX_COUNT {
            return Err(RateError::TooLarge(text.into()));
        }
        Ok(Self { count: NonZeroU32::new(count).ok_or(RateError::Zero)?, period })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period {
            Period::Second => 's',
            Period::Minute => 'm',
            Period::Hour => 'h',
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// A rate and a burst: what one key may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What it may use in the long run.
    pub rate: Rate,
    /// What it may use at once, after a pause that is long enough. Windows have none.
    pub burst: NonZeroU32,
}

/// The burst takes longer than a year to refill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a burst of {burst} takes more than a year to refill at {rate}")]
pub struct BurstError {
    burst: NonZeroU32,
    rate: Rate,
}

impl Quota {
    /// A rate with its [default burst](Rate::default_burst).
    pub fn new(rate: Rate) -> Self {
        Self { rate, burst: rate.default_burst() }
    }

    /// The same rate with another burst.
    ///
    /// # Errors
    /// A bucket of this size takes more than a year to fill.
    pub fn with_burst(self, burst: NonZeroU32) -> Result<Self, BurstError> {
        let fill_seconds =
            u64::from(burst.get()) * u64::from(self.rate.period.seconds()) / u64::from(self.rate.count.get());
        if fill_seconds > MAX_FILL_TIME.as_secs() {
            return Err(BurstError { burst, rate: self.rate });
        }
        Ok(Self { burst, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_displays_a_rate() {
        for (text, burst) in
            [("100/s", 100), ("1/s", 1), ("10/m", 1), ("600/m", 10), ("1/h", 1), ("1000000/s", 1_000_000)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!(rate.default_burst().get(), burst, "{text}");
        }
    }

    #[test]
    fn rejects_what_is_no_rate() {
        for text in ["", "10", "/s", "10/", "10/d", "-1/s", "+1/s", "1.5/s", "10/s ", "1\n/s"] {
            assert!(matches!(text.parse::<Rate>(), Err(RateError::Syntax(_))), "{text:?}");
            assert_eq!(text.parse::<Rate>().unwrap_err().to_string().lines().count(), 1);
        }
        assert_eq!("0/s".parse::<Rate>(), Err(RateError::Zero));
        for text in ["1000001/s", "99999999999999999999/h"] {
            assert!(matches!(text.parse::<Rate>(), Err(RateError::TooLarge(_))), "{text:?}");
        }
    }

    #[test]
    fn a_burst_refills_within_a_year() {
        let quota = Quota::new("1/h".parse().unwrap());
        let burst = |count| quota.with_burst(NonZeroU32::new(count).unwrap());
        assert!(burst(8_760).is_ok());
        assert_eq!(burst(8_761).unwrap_err().to_string(), "a burst of 8761 takes more than a year to refill at 1/h");
    }
}
