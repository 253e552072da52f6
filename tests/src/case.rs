//! A case, and the macro by which a file of a suite lists its cases.

use std::time::Duration;

use crate::{Context, capabilities};

/// The time limit of a case that sets no other. A case that still runs then has hung, and its programs are killed.
pub(crate) const CASE_DEADLINE: Duration = Duration::from_mins(2);

/// When a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Always.
    Fast,
    /// In the first chapter with the code that it tests, and with `LADDER_FULL=1` in those that inherit it: it takes more
    /// than three seconds.
    Slow,
    /// The same, and no other case of the chapter runs meanwhile: it measures a rate, to a few percent.
    Alone,
    /// With `LADDER_FULL=1` only, because it is long or large.
    Full,
}

/// One black-box test.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The suite, as [`crate::capabilities`] lists it.
    pub suite: &'static str,
    /// The function's name, which is a sentence.
    pub name: &'static str,
    /// When it runs.
    pub tier: Tier,
    /// The first chapter that can pass it.
    pub since: u8,
    /// The time limit, after which it fails.
    pub deadline: Duration,
    /// The test; it panics to fail.
    pub run: fn(&Context),
}

impl Case {
    /// Whether `chapter` runs it with `LADDER_FULL=1` only.
    pub(crate) fn is_long_in(&self, chapter: u8) -> bool {
        match self.tier {
            Tier::Fast => false,
            Tier::Slow | Tier::Alone => capabilities::inherits(chapter, self.suite),
            Tier::Full => true,
        }
    }
}

/// Lists the cases of a file: `cases! { "proxy"; Fast a_sentence, Full another, }` makes `CASES`.
///
/// `"limits" from 5` lists cases for chapters from 5 on; `Full long within ms(600_000)` sets another time limit.
macro_rules! cases {
    ($suite:literal $(from $since:literal)?; $($tier:ident $name:ident $(within $deadline:expr)?),+ $(,)?) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            suite: $suite,
            name: stringify!($name),
            tier: $crate::case::Tier::$tier,
            since: SINCE,
            deadline: $crate::case::cases!(@or $crate::case::CASE_DEADLINE $(, $deadline)?),
            run: $name,
        }),+];
        const SINCE: u8 = $crate::case::cases!(@or 1 $(, $since)?);
    };
    (@or $usual:expr) => { $usual };
    (@or $usual:expr, $said:expr) => { $said };
}
pub(crate) use cases;
