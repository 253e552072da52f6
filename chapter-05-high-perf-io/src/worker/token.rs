//! What the kernel gives back with an event: which socket of which connection.

use mio::Token;

use super::slab::Key;

/// One of a connection's sockets: [`CLIENT`], or one of its connections to backends by its number.
pub(crate) type Number = u16;

/// The client's socket.
pub(crate) const CLIENT: Number = 0;

/// A place that no connection has: what is not a connection is told apart by its number.
const NO_PLACE: u32 = u32::MAX;

/// The loop's own sources of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Clients wait to be accepted.
    Listener,
    /// Another loop, or a queue, has something for this one.
    Mail,
    /// The process drains.
    Drain,
    /// The process stops now.
    Stop,
    /// A socket of a connection.
    Connection(Key, Number),
}

impl Source {
    // Place, generation and number side by side in one word.
    pub(crate) fn token(self) -> Token {
        const { assert!(usize::BITS == 64, "a token holds 64 bits") };
        let (key, number) = match self {
            Self::Connection(key, number) => (key, number),
            own => (Key { place: NO_PLACE, generation: 0 }, own.number()),
        };
        Token(key.place as usize | usize::from(key.generation) << 32 | usize::from(number) << 48)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the word is taken apart into its parts")]
    pub(crate) fn of(Token(word): Token) -> Self {
        let (place, generation, number) = (word as u32, (word >> 32) as u16, (word >> 48) as u16);
        if place != NO_PLACE {
            return Self::Connection(Key { place, generation }, number);
        }
        match number {
            0 => Self::Listener,
            1 => Self::Mail,
            2 => Self::Drain,
            _ => Self::Stop,
        }
    }

    fn number(self) -> Number {
        match self {
            Self::Listener | Self::Connection(..) => 0,
            Self::Mail => 1,
            Self::Drain => 2,
            Self::Stop => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_was_made_of() {
        let key = Key { place: NO_PLACE - 1, generation: u16::MAX };
        let sources = [Source::Listener, Source::Mail, Source::Drain, Source::Stop];
        for source in sources.into_iter().chain([CLIENT, 1, u16::MAX].map(|number| Source::Connection(key, number))) {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
