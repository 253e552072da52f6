//! Why a request failed. Any response but a 200 of exactly the requested length is a failure.

/// The kinds are counted separately: "3 errors" would not say where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connect failed.
    Connect,
    /// A status other than 200.
    Status,
    /// Not the requested length, or bytes after the end.
    Length,
    /// Not an HTTP/1.1 response.
    Malformed,
    /// The connection was closed or reset before the end of the response.
    Closed,
    /// No complete response when the round and its grace period were over.
    Unanswered,
}

impl Failure {
    /// In the order of their discriminants.
    pub(crate) const ALL: [Self; 6] =
        [Self::Connect, Self::Status, Self::Length, Self::Malformed, Self::Closed, Self::Unanswered];

    /// The name in reports.
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
