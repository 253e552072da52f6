//! What the tests of the machine share: wires in memory, a reader that is not ours, chance that repeats.
#![allow(dead_code, reason = "every test binary compiles all of it and uses a part")]

pub(crate) mod chance;
pub(crate) mod drive;
pub(crate) mod strict;
pub(crate) mod wire;
