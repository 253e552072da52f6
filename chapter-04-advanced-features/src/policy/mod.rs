//! How one of many backends is picked.
//!
//! | module | the idea | reach for it when |
//! |---|---|---|
//! | [`round_robin`] | turns | backends and requests are alike |
//! | [`weighted`] | turns by weight, evenly mixed | backends differ by a known factor |
//! | [`least`] | fewest requests in flight, for its weight if you like | requests differ |
//! | [`random`] | chance | many balancers, nothing shared |
//! | [`two_choices`] | the less loaded of two | in doubt |
//! | [`peak_ewma`] | the sooner answer of two | backends differ in speed, from minute to minute |
//! | [`source_hash`] | hash modulo weights | as the contrast to the next three |
//! | [`ring`], [`rendezvous`], [`maglev`] | consistent hashes | caches, sessions: a key keeps its backend |
//! | [`bounded`] | a limit on unevenness | with one of these, when some keys are in great demand |
//!
//! [`picker`] is what the request path asks; [`algorithm`] is what people write. Nothing here waits, reads a clock
//! or locks: the threads of chapter 4, the loops of chapter 5 and the runtimes of chapter 6 drive it unchanged.

pub mod algorithm;
pub mod bounded;
pub mod candidate;
pub mod hash;
pub mod least;
pub mod maglev;
pub mod peak_ewma;
pub mod picker;
pub mod random;
pub mod rendezvous;
pub mod ring;
pub mod round_robin;
pub mod shares;
pub mod source_hash;
pub mod turns;
pub mod two_choices;
pub mod weighted;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use candidate::{Candidate, Member};
pub use peak_ewma::PeakEwma;
pub use picker::Picker;
pub use turns::Turns;
