//! Why a request failed. Whatever is not a 200 of exactly the length asked for has failed.

/// The kinds are counted apart: "3 errors" tells nobody where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection.
    Connect,
    /// Another status than 200.
    Status,
    /// Not the length that was asked for, or bytes after the end.
    Length,
    /// Not a response of HTTP/1.1.
    Malformed,
    /// The connection ended, or broke, before the response did.
    Closed,
    /// No whole response when the round was over and its grace had passed.
    Unanswered,
}

impl Failure {
    /// In the order of their numbers.
    pub(crate) const ALL: [Self; 6] =
        [Self::Connect, Self::Status, Self::Length, Self::Malformed, Self::Closed, Self::Unanswered];

    /// In reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Status => "status",
            Self::Length => "length",
            Self::Malformed => "malformed",
            Self::Closed => "closed",
            Self::Unanswered => "unanswered",
        }
    }
}
