//! What the tests against a kernel's TCP need.
//!
//! Each test runs in a process, a network namespace and a process namespace of its own
//! ([`harness`]): nothing leaves them, and the kernel removes whatever is left when the test
//! ends, however it ends. Synfin stands on a TUN device in the namespace, either in a thread of
//! the test ([`host`]) or as the `synfin serve` command ([`serve`]); the other side is the kernel
//! with sockets of the standard library and programs such as curl and nginx ([`kernel`]). What
//! passed is judged by tshark ([`capture`]).
//!
//! Linux only; elsewhere the crate is empty.
#![cfg(target_os = "linux")]

pub mod capture;
pub mod harness;
pub mod host;
pub mod kernel;
pub mod pair;
pub mod pattern;
pub mod serve;
pub mod socket;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which internet protocol a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The kernel's end of the link.
    pub const fn kernel(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1)),
        }
    }

    /// Synfin's end of the link.
    pub const fn synfin(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2)),
        }
    }

    /// How many bits of the addresses name the link.
    pub const fn prefix_len(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}
