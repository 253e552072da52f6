#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`relay`] | the bytes of two sockets: pipes, one direction, both |
//! | [`session`] | a session from its acceptance to its record |
//! | [`session_log`] | the access log of sessions, by chapter 8's writer |
//! | [`server`], `session_stats` | what the workers share and count |
//! | `tcp_worker`, `tcp_service` | what the sessions of a worker share; sessions as what a worker serves |
//! | [`http`] | requests: chapter 8's server, behind proxies that send PROXY headers, and with spliced bodies |
//! | [`observable_server`] | the server with its metrics |
//! | `exposition`, `keep_alive` | the metrics; TCP keep-alive |
//! | [`proxy_protocol`], [`client_hello`] | what stands before or at the start of a session's bytes: the client's address, the TLS server name |
//! | [`udp`] | flows of datagrams |
//! | [`sendfile`], [`file_server`] | a file's bytes to a socket; the static file server that is built on it |
//! | [`mode`], `mode_options` | TCP, UDP or HTTP, and which options are of use in which |
//! | [`args`], [`program`] | the command line; the program |

pub mod args;
pub mod client_hello;
mod exposition;
pub mod file_server;
pub mod http;
mod keep_alive;
pub mod mode;
mod mode_options;
pub mod observable_server;
pub mod program;
pub mod proxy_protocol;
pub mod relay;
pub mod sendfile;
pub mod server;
pub mod session;
pub mod session_log;
mod session_stats;
mod tcp_service;
mod tcp_worker;
pub mod udp;
