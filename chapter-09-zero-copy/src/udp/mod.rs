//! UDP: datagrams of one client are a flow, which stays with one backend until it is idle.
//!
//! **When to use it**: DNS, syslog, games, QUIC, whatever speaks UDP. There is no connection, so the balancer remembers
//! which backend each client's datagrams go to, and forgets it after a time without any. It does not retransmit: that
//! is left to the application.
//!
//! | module | what it holds |
//! |---|---|
//! | [`flow_table`], [`quota`] | the flows of a worker; how many there may be |
//! | [`receive_batch`], [`send_batch`], `socket_address` | many datagrams by one system call |
//! | `upstream`, `flow` | a flow's backend and the socket to it; a flow |
//! | `worker`, `from_clients`, `from_backend` | the loop of a worker; what it does with datagrams of either side |
//! | `record`, [`flow_end`], [`drop_reason`], [`stats`] | what is known of a flow at its end; what is counted |
//! | [`server`], [`observable_server`], `exposition` | what the workers share; the server with its metrics |
//! | [`args`] | the options |

pub mod args;
pub mod drop_reason;
mod exposition;
mod flow;
pub mod flow_end;
pub mod flow_table;
mod from_backend;
mod from_clients;
pub mod observable_server;
pub mod quota;
pub mod receive_batch;
mod record;
pub mod send_batch;
pub mod server;
mod socket_address;
pub mod stats;
mod upstream;
mod worker;
