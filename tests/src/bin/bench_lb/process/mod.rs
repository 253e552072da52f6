//! Programs as processes: started on chosen cores, watched through `/proc`, and always ended.

mod child;
mod tree;
mod usage;

pub(crate) use child::{Child, Space};
pub(crate) use tree::tree;
pub(crate) use usage::{CpuTime, Memory, kib};
