//! How a flow ended, in one word.

use std::fmt;

/// How a flow ended. The same word is in the metrics, in the log and in the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowEnd {
    /// It had no datagram in either direction for `--udp-timeout`.
    Idle,
    /// The same, and its last backend was unreachable: the client has sent nothing since.
    Unreachable,
    /// The process ended, after the drain timeout or a second signal.
    Drained,
}

impl FlowEnd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Idle, Self::Unreachable, Self::Drained];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unreachable => "unreachable",
            Self::Drained => "drained",
        }
    }

    /// Its position in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for FlowEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_index() {
        for (index, end) in FlowEnd::ALL.into_iter().enumerate() {
            assert_eq!(end.index(), index);
        }
    }
}
