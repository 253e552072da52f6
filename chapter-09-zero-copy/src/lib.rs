#![doc = include_str!("../README.md")]

pub mod proxy_protocol;
