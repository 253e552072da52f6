//! A session: one client's connection, and the connection to a backend that its bytes go to.
//!
//! | module | what it holds |
//! |---|---|
//! | `steps` | choose, connect, relay, record |
//! | [`end`] | how it ended, in one word |
//! | [`record`] | what is known of it then |
//! | [`prelude`], `read_prelude` | what is read before a backend can be chosen |
//! | `wait` | what it waits for before it has a backend: its prelude, a slot, a connect |

pub mod end;
pub mod prelude;
pub(crate) mod read_prelude;
pub mod record;
mod steps;
mod wait;

pub(crate) use steps::serve;
