//! The kinds of diagnostics.

use std::fmt;

/// Whether a configuration can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and is surely not what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! codes {
    ($($severity:ident $code:ident $text:literal $doc:literal;)+) => {
        /// The kind of a diagnostic: stable words for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $doc] $code,)+ }

        impl Code {
            /// All of them, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)+ }
            }

            /// What it means: a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$code => $doc,)+ }
            }

            /// Whether it makes a configuration invalid.
            pub fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    Error Syntax "syntax" "The text is not JSON with comments and trailing commas.";
    Error UnknownKey "unknown-key" "The schema has no such key here.";
    Error DuplicateKey "duplicate-key" "A key or a name occurs twice.";
    Error MissingKey "missing-key" "A key without a default is absent.";
    Error Type "type" "The value is of another type than the key's.";
    Error Unit "unit" "A duration, size or rate has no unit, or an unknown one.";
    Error Range "range" "The value is outside of what the key allows.";
    Error Format "format" "A string does not have the form that the key needs.";
    Error Conflict "conflict" "Two keys, or a key and its place, exclude each other.";
    Error DanglingName "dangling-name" "The name of a group, limit or listener that does not exist.";
    Error UnreachableRoute "unreachable-route" "An earlier route asks for the same, so this one never gets a request.";
    Error AddressTwice "address-twice" "Two listeners have the same address.";
    Error WeightsZero "weights-zero" "All weights are 0, so nothing can be picked.";
    Error MissingFile "missing-file" "A file that the configuration names does not exist.";
    Error UnreadableFile "unreadable-file" "A file cannot be read, or is not a regular file.";
    Error Include "include" "An included file or directory cannot be used.";
    Error Secret "secret" "A secret is written into the file, or is too short.";
    Error Encoding "encoding" "The file is not UTF-8.";
    Error TooLarge "too-large" "The file is larger than 16 MiB, or has too many of something.";
    Error TooDeep "too-deep" "Arrays and objects nest deeper than 64 levels.";
    Warning CheckTimeout "check-timeout" "A health check may take longer than the interval between two of them.";
    Warning TrustEveryone "trust-everyone" "Every client is believed to be a trusted proxy.";
    Warning DrainZero "drain-zero" "A drain of 0 s cuts off every request in flight.";
    Warning Unresolvable "unresolvable" "A backend's name does not resolve now.";
    Warning NoRoute "no-route" "There is an http listener and no route: every request gets 404.";
    Warning BackendIsListener "backend-is-listener" "A backend has the address of a listener: a loop.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
