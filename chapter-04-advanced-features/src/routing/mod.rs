//! Content routing, by host, path, headers and cookies, and session affinity.
//!
//! | module | what lives there |
//! |---|---|
//! | [`path`] | path normalization, so that a rule cannot be bypassed |
//! | [`request_info`] | the parts of a request that rules match |
//! | [`pattern`], [`condition`] | what a rule matches: hosts and paths; method, header, query, cookie |
//! | [`rule`], [`table`], `rule_index` | a rule and its syntax; all rules and their precedence; how one is found |
//! | [`group_spec`] | the syntax of `--group` |
//! | [`sticky_cookie`], [`stick_table`] | affinity by a signed cookie; by client address |
//! | [`hash_key`], [`client_network`], `cookie` | the part of a request that is hashed; an IPv6 client; cookies |
//!
//! Nothing here knows a backend's health or load, waits, reads a clock, or allocates for a request whose target is
//! already normalized; [`balance`](crate::balance) picks the backend.

mod client_network;
pub mod condition;
mod cookie;
pub mod group_spec;
pub mod hash_key;
pub mod path;
pub mod pattern;
pub mod request_info;
pub mod rule;
mod rule_index;
pub mod stick_table;
pub mod sticky_cookie;
pub mod table;

pub use client_network::client_network;
pub use group_spec::GroupSpec;
pub use hash_key::HashKey;
pub use path::PathError;
pub use request_info::{RequestId, RequestInfo};
pub use rule::RouteRule;
pub use stick_table::StickTable;
pub use sticky_cookie::{StickyCookie, StickySecret, StickyValue};
pub use table::{RouteName, RouteTable};
