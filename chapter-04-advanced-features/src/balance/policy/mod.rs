//! Load-balancing algorithms: each picks one of the backends that are up. [`picker`] is the interface for the request
//! path, [`algorithm`] has the names; [`candidate`], [`counters`], [`hash`], [`weighted_distribution`] are shared
//! parts.
//!
//! | module | picks | use it when |
//! |---|---|---|
//! | [`round_robin`], [`weighted_round_robin`] | in turn (by weight) | backends and requests are alike |
//! | [`least_connections`] | the fewest requests in flight (by weight) | requests differ in cost |
//! | [`random`], [`power_of_two_choices`] | at random; the less loaded of two | many balancers; in doubt |
//! | [`peak_ewma`] | the lower expected latency of two | backend speed varies from minute to minute |
//! | [`source_hash`] | hash modulo weights | as a contrast to the next three |
//! | [`ketama`], [`rendezvous`], [`maglev`] | consistent hash | caches, sessions: a key keeps its backend |
//! | [`bounded_load`] | limits uneven load | with one of these, when some keys are popular |
//!
//! No sockets, clocks, waiting, locks or health status here: a policy sees candidates only.

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
