//! A change that an operator asks for.

use std::fmt;

use super::escape::printable;

/// What is to be done to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It gets no new clients.
    Drain,
    /// The end of that.
    Enable,
}

impl ChangeKind {
    /// What the admin interface calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Enable => "enable",
        }
    }
}

/// A backend, as the admin interface finds it. These are the names themselves, not fit for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendPath {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
}

/// A change, which prints as the question about it: `drain 127.0.0.1:9001 of group default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is to be done.
    pub kind: ChangeKind,
    /// To which backend.
    pub backend: BackendPath,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BackendPath { group, name } = &self.backend;
        write!(f, "{} {} of group {}", self.kind.word(), printable(name), printable(group))
    }
}
