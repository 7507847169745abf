//! The addresses and ports that name a connection.

use core::fmt;
use core::net::SocketAddr;

/// A connection's name, seen from one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FourTuple {
    /// Address and port of this end.
    pub local: SocketAddr,
    /// Address and port of the other end.
    pub remote: SocketAddr,
}

impl FourTuple {
    /// The same connection seen from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
        }
    }

    /// Whether the connection runs over IPv6.
    pub const fn is_ipv6(&self) -> bool {
        self.local.is_ipv6()
    }
}

impl fmt::Display for FourTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.local, self.remote)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::FourTuple;
    use std::string::ToString;

    #[test]
    fn prints_both_ends_and_turns_round() {
        let tuple = FourTuple {
            local: "10.0.0.1:80".parse().unwrap(),
            remote: "10.0.0.2:4000".parse().unwrap(),
        };
        assert_eq!(tuple.to_string(), "10.0.0.1:80 -> 10.0.0.2:4000");
        assert_eq!(tuple.reversed().to_string(), "10.0.0.2:4000 -> 10.0.0.1:80");
        assert!(!tuple.is_ipv6());
    }
}
