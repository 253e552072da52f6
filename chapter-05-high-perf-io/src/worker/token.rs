//! The token that the kernel returns with an event: which socket of which connection.

use mio::Token;

use super::slab::Key;

/// One of a connection's sockets: [`CLIENT_SOCKET`], or one of its connections to backends.
pub(crate) type SocketId = u16;

/// The client's socket.
pub(crate) const CLIENT_SOCKET: SocketId = 0;

/// An index that no connection has. The event sources that are not connections use it, and differ in their socket id.
const NO_CONNECTION: u32 = u32::MAX;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventSource {
    /// Connections wait to be accepted.
    Listener,
    /// Another thread has pushed a command.
    Commands,
    /// The process begins to drain.
    DrainRequested,
    /// The process stops now.
    StopRequested,
    /// A socket of a connection.
    Connection(Key, SocketId),
}

impl EventSource {
    // Index, generation and socket id side by side in one word.
    pub(crate) fn token(self) -> Token {
        const { assert!(usize::BITS == 64, "a token holds 64 bits") };
        let (key, socket_id) = match self {
            Self::Connection(key, socket_id) => (key, socket_id),
            own => (Key { index: NO_CONNECTION, generation: 0 }, own.reserved_id()),
        };
        Token(key.index as usize | usize::from(key.generation) << 32 | usize::from(socket_id) << 48)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the word is split into its parts")]
    pub(crate) fn from_token(Token(word): Token) -> Self {
        let (index, generation, socket_id) = (word as u32, (word >> 32) as u16, (word >> 48) as u16);
        if index != NO_CONNECTION {
            return Self::Connection(Key { index, generation }, socket_id);
        }
        match socket_id {
            0 => Self::Listener,
            1 => Self::Commands,
            2 => Self::DrainRequested,
            _ => Self::StopRequested,
        }
    }

    fn reserved_id(self) -> SocketId {
        match self {
            Self::Listener | Self::Connection(..) => 0,
            Self::Commands => 1,
            Self::DrainRequested => 2,
            Self::StopRequested => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_round_trips() {
        let key = Key { index: NO_CONNECTION - 1, generation: u16::MAX };
        let sources =
            [EventSource::Listener, EventSource::Commands, EventSource::DrainRequested, EventSource::StopRequested];
        for source in sources
            .into_iter()
            .chain([CLIENT_SOCKET, 1, u16::MAX].map(|socket_id| EventSource::Connection(key, socket_id)))
        {
            assert_eq!(EventSource::from_token(source.token()), source);
        }
    }
}
