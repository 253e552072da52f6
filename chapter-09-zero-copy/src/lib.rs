#![doc = include_str!("../README.md")]

pub mod client_hello;
pub mod proxy_protocol;
