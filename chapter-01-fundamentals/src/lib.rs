#![doc = include_str!("../README.md")]

pub mod client;
pub mod connect;
pub mod listener;
pub mod poll;
pub mod resolve;
pub mod serve;
pub mod socket;
mod sys;
pub mod tcp_echo;
pub mod udp_echo;
