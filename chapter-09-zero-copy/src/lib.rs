#![doc = include_str!("../README.md")]

pub mod file_server;
pub mod sendfile;
