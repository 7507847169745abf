//! TUN and TAP: a network interface of the kernel whose other end is this process.
//!
//! What the options and errors are; the work is done in `linux`. A TUN device carries whole IP
//! packets, a TAP device Ethernet frames, one per read and write. Other systems compile, and tell
//! at run time that they have none.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
pub(crate) mod sys;
#[cfg(not(target_os = "linux"))]
mod unsupported;

use std::net::IpAddr;
use std::{error, fmt, io};

use synfin_core::wire::MacAddress;

#[cfg(target_os = "linux")]
pub use self::linux::Tun;
#[cfg(not(target_os = "linux"))]
pub use self::unsupported::Tun;

/// The longest name of an interface in octets (Linux: `IFNAMSIZ` without the final zero).
const NAME_LEN_MAX: usize = 15;

/// What interface to make, and how the kernel's end of it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunOptions {
    /// Its name. `%d` in it stands for the lowest free number: `synfin%d`.
    pub name: String,
    /// The largest packet in octets.
    pub mtu: u32,
    /// The hardware address of our end of a TAP device, which carries Ethernet frames; `None` is a
    /// TUN device. The kernel's end has another one, which it chooses.
    pub station: Option<MacAddress>,
    /// The interface stays when the process ends.
    pub persist: bool,
    /// How many packets the kernel queues towards us. It should be at least the largest window
    /// divided by the MTU, or the kernel drops what the window allowed.
    pub tx_queue_len: u32,
    /// Addresses of the kernel's end, with the length of the prefix that is on the link.
    pub addresses: Vec<(IpAddr, u8)>,
}

impl TunOptions {
    /// The defaults: MTU 1500, gone with the process, a queue of 10,000 packets, no address.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mtu: 1500,
            station: None,
            persist: false,
            tx_queue_len: 10_000,
            addresses: Vec::new(),
        }
    }

    /// The defaults for a TAP device with this hardware address of our end.
    pub fn tap(name: impl Into<String>, station: MacAddress) -> Self {
        Self {
            station: Some(station),
            ..Self::new(name)
        }
    }

    /// The same with one more address of the kernel's end.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr, prefix_len: u8) -> Self {
        self.addresses.push((address, prefix_len));
        self
    }
}

impl Default for TunOptions {
    fn default() -> Self {
        Self::new("synfin0")
    }
}

/// What passed through a [`Tun`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunCounts {
    /// Packets read from the kernel.
    pub received: u64,
    /// Packets that the kernel took.
    pub sent: u64,
    /// Packets that the kernel refused, because the interface is down or memory is short.
    pub refused: u64,
}

/// Why there is no TUN device. The text tells the user what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum TunError {
    /// The user may not make or configure this interface.
    NoPrivilege {
        /// The interface.
        name: String,
    },
    /// The system has no `/dev/net/tun`.
    NoDevice,
    /// There is no interface of this name to be opened.
    NotFound {
        /// The interface.
        name: String,
    },
    /// Another process holds the interface.
    Busy {
        /// The interface.
        name: String,
    },
    /// The interface exists and is not a device of the kind wanted, TUN or TAP.
    NotTun {
        /// The interface.
        name: String,
    },
    /// The name is longer than 15 octets.
    NameTooLong {
        /// The name.
        name: String,
    },
    /// The name is empty, or has a slash, a blank or a zero in it.
    NameInvalid {
        /// The name.
        name: String,
    },
    /// This system has no TUN device that synfin knows.
    Unsupported,
    /// A system call failed.
    Io {
        /// What it was to do.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for TunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrivilege { name } => write!(
                f,
                "no privilege for the TUN device {name}: it needs CAP_NET_ADMIN. Run as root, or \
                 once `sudo setcap cap_net_admin+ep PROGRAM`, or make the device beforehand: \
                 `sudo ip tuntap add dev {name} mode tun user $USER` (`mode tap` for Ethernet), \
                 then `sudo ip addr add ADDRESS/LENGTH dev {name}` for each address and \
                 `sudo ip link set dev {name} up`"
            ),
            Self::NoDevice => f.write_str(
                "/dev/net/tun is missing: load the module (`sudo modprobe tun`), or in a \
                 container give it the device (`--device /dev/net/tun`)",
            ),
            Self::NotFound { name } => write!(f, "there is no network interface {name}"),
            Self::Busy { name } => write!(
                f,
                "the TUN device {name} is in use by another process: stop it, or choose another \
                 name"
            ),
            Self::NotTun { name } => write!(
                f,
                "{name} is a network interface of another kind than the TUN or TAP wanted: choose \
                 another name"
            ),
            Self::NameTooLong { name } => {
                write!(
                    f,
                    "the interface name {name} is longer than {NAME_LEN_MAX} octets"
                )
            }
            Self::NameInvalid { name } => write!(f, "{name:?} cannot name a network interface"),
            Self::Unsupported => f.write_str("TUN devices are supported on Linux only"),
            Self::Io { action, source } => write!(f, "cannot {action}: {source}"),
        }
    }
}

impl error::Error for TunError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Checks a name as the kernel would, so that the error can say what is wrong with it.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn check_name(name: &str) -> Result<(), TunError> {
    if name.len() > NAME_LEN_MAX {
        return Err(TunError::NameTooLong {
            name: name.to_owned(),
        });
    }
    let odd = |c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace();
    if name.is_empty() || name == "." || name == ".." || name.contains(odd) {
        return Err(TunError::NameInvalid {
            name: name.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{TunError, check_name};

    #[test]
    fn names_are_judged_before_the_kernel_sees_them() {
        assert!(check_name("synfin%d").is_ok());
        assert!(check_name("fifteen-octets-").is_ok());
        assert!(matches!(
            check_name("sixteen-octets--"),
            Err(TunError::NameTooLong { .. })
        ));
        for name in ["", ".", "..", "a/b", "a b", "a:1", "a\0"] {
            assert!(
                matches!(check_name(name), Err(TunError::NameInvalid { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = TunError::NoPrivilege {
            name: "synfin0".to_owned(),
        }
        .to_string();
        for words in [
            "CAP_NET_ADMIN",
            "root",
            "setcap",
            "ip tuntap add dev synfin0 mode tun user",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(TunError::NoDevice.to_string().contains("modprobe tun"));
    }
}
