//! Which group of backends a request belongs to, and what ties a client to one of them.
//!
//! This is what layer 7 can see and layer 4 cannot: the host, the path, the cookies. A group is a name for some
//! backends; a rule says which requests are for it; [`Routes`] finds the rule of a request by one pass over them.
//!
//! | module | the idea |
//! |---|---|
//! | [`path`] | one spelling for a path, so that a rule cannot be walked around |
//! | [`request_info`] | what may be asked of a request |
//! | [`pattern`] | hosts and paths of rules, and which of two is the closer match |
//! | [`condition`] | method, header, query, cookie |
//! | [`rule`] | conditions and a group, as people write them |
//! | [`table`] | all rules, in order of precedence, checked against the groups |
//! | [`group_spec`] | backends under a name, as people write them |
//! | [`sticky_cookie`] | a cookie that brings a client back to its backend |
//! | [`stick_table`] | a memory that does the same for clients without cookies |
//! | [`hash_key`] | what the hashing algorithms of [`policy`](crate::balance::policy) hash |
//!
//! Nothing here waits, reads a clock or allocates for a request that is spelled plainly.

pub mod condition;
mod cookie;
pub mod group_spec;
pub mod hash_key;
pub mod path;
pub mod pattern;
pub mod request_info;
pub mod rule;
pub mod stick_table;
pub mod sticky_cookie;
pub mod table;

pub use group_spec::GroupSpec;
pub use hash_key::HashKey;
pub use path::PathError;
pub use request_info::RequestInfo;
pub use rule::RouteRule;
pub use stick_table::StickTable;
pub use sticky_cookie::{StickyCookie, StickySecret, StickyValue};
pub use table::RouteTable;
