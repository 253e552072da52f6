//! Why a datagram was dropped, in one word.

use std::fmt;

use nix::errno::Errno;

/// Why a datagram was dropped. The same word is in the metrics and in the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// It would have begun a flow beyond `--max-flows`.
    MaxFlows,
    /// It would have begun a flow of a source beyond `--max-flows-per-source`.
    MaxFlowsPerSource,
    /// It would have begun a flow while the process drains.
    Draining,
    /// No backend may be picked, or the breaker is open.
    NoBackend,
    /// All backends have `--max-connections` flows.
    BackendLimit,
    /// There is no descriptor, port or memory for a socket to the backend.
    NoSocket,
    /// It did not fit into the buffer that it was received into.
    Truncated,
    /// It is longer than what can be sent: UDP's limit, or the path's.
    TooLong,
    /// The send buffer was full.
    BufferFull,
    /// It could not be sent for another reason, such as no route.
    SendFailed,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::MaxFlows,
        Self::MaxFlowsPerSource,
        Self::Draining,
        Self::NoBackend,
        Self::BackendLimit,
        Self::NoSocket,
        Self::Truncated,
        Self::TooLong,
        Self::BufferFull,
        Self::SendFailed,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxFlows => "max_flows",
            Self::MaxFlowsPerSource => "max_flows_per_source",
            Self::Draining => "draining",
            Self::NoBackend => "no_backend",
            Self::BackendLimit => "backend_limit",
            Self::NoSocket => "no_socket",
            Self::Truncated => "truncated",
            Self::TooLong => "too_long",
            Self::BufferFull => "buffer_full",
            Self::SendFailed => "send_failed",
        }
    }

    /// How many of `datagrams`, of which the first could not be sent, are dropped, and why. `None`: the socket has failed,
    /// so another one may take them.
    pub(super) fn of_send(errno: Errno, datagrams: usize) -> Option<(usize, Self)> {
        match errno {
            // Interrupted before anything was sent: try again.
            Errno::EINTR => Some((0, Self::SendFailed)),
            Errno::EMSGSIZE => Some((1, Self::TooLong)),
            // Nor would there be room for the others. To wait for it would delay the flows that have room.
            Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM => Some((datagrams, Self::BufferFull)),
            _ => None,
        }
    }

    /// Its position in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_word_and_index() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            let same_word = |other: &&DropReason| other.as_str() == reason.as_str();
            assert_eq!(DropReason::ALL.iter().filter(same_word).count(), 1, "{reason}");
        }
    }
}
