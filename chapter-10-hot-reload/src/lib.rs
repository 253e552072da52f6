#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the configuration file: parsed, checked, shown |
//! | [`settings`] | a valid configuration as values |
//! | [`explain`] | what a configuration does with a request, and why |
//! | [`args`] | the command line of `hot_reload_lb` |

pub mod args;
pub mod config;
pub mod explain;
pub mod settings;
