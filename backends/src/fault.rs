//! Faults that can be injected into a backend and cleared at run time.

use std::fmt;
use std::io;
use std::time::Duration;

/// What is wrong with a backend. `/_fault/*` itself is answered under every fault but [`Fault::Down`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// No fault.
    #[default]
    None,
    /// The listening socket is closed, so that connects are refused, and all connections are closed.
    Down,
    /// Every response is delayed by this much.
    Slow(Duration),
    /// Requests are read and never answered; their connections close when the next fault is set.
    Hang,
    /// A request is answered by a RST.
    Reset,
    /// A request is answered by a FIN, without a byte.
    Close,
    /// A request is answered by 500.
    Error,
}

/// The names that `POST /_fault/{name}` accepts.
pub(crate) const FAULT_NAMES: &str = "down, up, slow, hang, reset, close, error";

impl Fault {
    pub(crate) fn from_name(name: &str, slow: Duration) -> Option<Self> {
        Some(match name {
            "up" => Self::None,
            "down" => Self::Down,
            "slow" => Self::Slow(slow),
            "hang" => Self::Hang,
            "reset" => Self::Reset,
            "close" => Self::Close,
            "error" => Self::Error,
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    /// The name that `POST /_fault/{name}` accepts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "up",
            Self::Down => "down",
            Self::Slow(_) => "slow",
            Self::Hang => "hang",
            Self::Reset => "reset",
            Self::Close => "close",
            Self::Error => "error",
        })
    }
}

/// A command for the acceptor, which alone changes a backend's fault.
pub(crate) struct Command {
    pub(crate) fault: Fault,
    /// When to clear the fault automatically.
    pub(crate) recover_after: Option<Duration>,
    /// Called once the fault is in effect: the listening socket closed, or open again.
    pub(crate) done: Box<dyn FnOnce(io::Result<()>) + Send>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("fault", &self.fault).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_to_their_fault() {
        for name in FAULT_NAMES.split(", ") {
            assert_eq!(Fault::from_name(name, Duration::from_secs(2)).unwrap().to_string(), name);
        }
        assert_eq!(Fault::from_name("sideways", Duration::from_secs(2)), None);
    }
}
