//! Suite `overload`: asked for more than its backends can serve, a balancer that sheds load serves what they can.

pub(super) mod capacity_backend;
pub(super) mod goodput;
pub(super) mod open_loop;
pub(super) mod queue;
