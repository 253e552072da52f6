#![doc = include_str!("../README.md")]

pub mod client;
pub mod connect;
pub mod datagram;
pub mod echo;
pub mod listener;
pub mod resolve;
pub mod serve;
pub mod socket;
mod sys;
pub mod wait;
