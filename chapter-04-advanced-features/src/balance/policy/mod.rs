//! How one of many backends is picked.
//!
//! | module | the idea | reach for it when |
//! |---|---|---|
//! | [`round_robin`] | turns | backends and requests are alike |
//! | [`weighted_round_robin`] | turns by weight, evenly mixed | backends differ by a known factor |
//! | [`least_connections`] | fewest requests in flight, for its weight if you like | requests differ |
//! | [`random`] | chance | many balancers, nothing shared |
//! | [`power_of_two_choices`] | the less loaded of two | in doubt |
//! | [`peak_ewma`] | the sooner answer of two | backends differ in speed, from minute to minute |
//! | [`source_hash`] | hash modulo weights | as the contrast to the next three |
//! | [`ketama`], [`rendezvous`], [`maglev`] | consistent hashes | caches, sessions: a key keeps its backend |
//! | [`bounded_load`] | a limit on unevenness | with one of these, when some keys are in great demand |
//!
//! [`picker`] is what the request path asks; [`algorithm`] is what people write. Nothing here waits, reads a clock
//! or locks: the threads of chapter 4, the loops of chapter 5 and the runtimes of chapter 6 drive it unchanged.

pub mod algorithm;
pub mod bounded_load;
pub mod candidate;
pub mod counters;
pub mod hash;
pub mod ketama;
pub mod least_connections;
pub mod maglev;
pub mod peak_ewma;
pub mod picker;
pub mod power_of_two_choices;
pub mod random;
pub mod rendezvous;
pub mod round_robin;
pub mod source_hash;
pub mod weighted_distribution;
pub mod weighted_round_robin;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use candidate::{Candidate, HashedCandidate};
pub use counters::PickCounters;
pub use peak_ewma::PeakEwma;
pub use picker::Picker;
