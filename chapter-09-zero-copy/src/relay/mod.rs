//! Relays the bytes of two connected sockets, by `splice(2)` or by copying.
//!
//! | module | what it holds |
//! |---|---|
//! | [`pipe`] | a pipe, through which bytes go from socket to socket without a copy in user space |
//! | [`pipe_pool`] | the pipes that a worker keeps |
//! | [`copy_buffer`] | bytes in user space that wait to be sent |
//! | [`mover`] | what the relays of a worker share: pipes, scratch memory, counters |
//! | [`direction`] | what relays one direction, so that a reader's own can take the place of the chapter's |
//! | [`half`] | one direction: from the first byte to the FIN |
//! | `failure_watch` | a reset of a socket that nobody reads from |
//! | [`duplex`] | both directions, until both have ended, one is reset, or nothing moves for too long |

pub mod copy_buffer;
pub mod direction;
pub mod duplex;
mod failure_watch;
pub mod half;
pub mod mover;
pub mod pipe;
pub mod pipe_pool;
