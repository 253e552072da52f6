//! What the kernel gives back with an event: which socket of which connection.

use mio::Token;

use super::slab::Key;

/// One of a connection's sockets: [`CLIENT`], or one of its connections to backends by its number.
pub(crate) type SocketId = u16;

/// The client's socket.
pub(crate) const CLIENT_SOCKET: SocketId = 0;

/// A place that no connection has: what is not a connection is told apart by its number.
const NO_CONNECTION: u32 = u32::MAX;

/// The loop's own sources of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventSource {
    /// Clients wait to be accepted.
    Listener,
    /// Another loop, or a queue, has something for this one.
    Commands,
    /// The process drains.
    DrainRequested,
    /// The process stops now.
    StopRequested,
    /// A socket of a connection.
    Connection(Key, SocketId),
}

impl EventSource {
    // Place, generation and number side by side in one word.
    pub(crate) fn token(self) -> Token {
        const { assert!(usize::BITS == 64, "a token holds 64 bits") };
        let (key, number) = match self {
            Self::Connection(key, number) => (key, number),
            own => (Key { index: NO_CONNECTION, generation: 0 }, own.reserved_id()),
        };
        Token(key.index as usize | usize::from(key.generation) << 32 | usize::from(number) << 48)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the word is taken apart into its parts")]
    pub(crate) fn from_token(Token(word): Token) -> Self {
        let (index, generation, number) = (word as u32, (word >> 32) as u16, (word >> 48) as u16);
        if index != NO_CONNECTION {
            return Self::Connection(Key { index, generation }, number);
        }
        match number {
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
        for source in
            sources.into_iter().chain([CLIENT_SOCKET, 1, u16::MAX].map(|number| EventSource::Connection(key, number)))
        {
            assert_eq!(EventSource::from_token(source.token()), source);
        }
    }
}
