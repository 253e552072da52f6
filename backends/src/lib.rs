#![doc = include_str!("../README.md")]

mod acceptor;
mod backend;
mod body;
mod bundle;
mod connection;
mod counters;
mod echo;
mod fault;
mod fault_api;
mod fleet;
mod invitation;
mod own_thread;
mod port;
mod query;
mod refusal;
mod routes;
mod state;
mod tcp_echo;
mod wire;

pub use backend::{Backend, BackendConfig};
pub use body::{pattern, pattern_byte};
pub use bundle::{Bundle, start_bundled};
pub use counters::Counts;
pub use fault::Fault;
pub use tcp_echo::TcpEcho;
