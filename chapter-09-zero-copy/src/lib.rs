#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`relay`] | the bytes of two sockets: pipes, one direction, both |
//! | [`session`] | a session from its acceptance to its record |
//! | `tcp_service`, [`server`], `session_stats` | sessions as what a worker serves; what the workers share and count |
//! | `exposition`, `keep_alive` | the metrics; TCP keep-alive |
//! | [`args`], [`program`] | the command line; the program |

pub mod args;
mod exposition;
mod keep_alive;
pub mod program;
pub mod relay;
pub mod server;
pub mod session;
mod session_stats;
mod tcp_service;
