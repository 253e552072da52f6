//! What a program of this chapter balances.

use std::{fmt, str::FromStr};

/// What is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Connections: the bytes are not looked at.
    #[default]
    Tcp,
    /// HTTP/1.1 requests, as in chapter 8.
    Http,
    /// Datagrams: those of one client go to one backend.
    Udp,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Http, Self::Udp];
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "http" => Ok(Self::Http),
            "udp" => Ok(Self::Udp),
            _ => Err("expected tcp, udp or http"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Udp => "udp",
        })
    }
}
