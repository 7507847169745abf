//! What most connections do not have, made when it is first needed: behind one pointer, so that
//! those which lack it pay for no more than that.

use alloc::boxed::Box;
use core::net::Ipv6Addr;

use super::{Cold, Connection};
use crate::tcp::tally::Rare;

/// A chunk of its own, of the smallest size that allocators give.
#[derive(Debug)]
pub(crate) struct Extra {
    /// Unspecified for IPv4.
    remote_v6: Ipv6Addr,
    pub(crate) rare: Option<Box<Rare>>,
}

const _: () = assert!(size_of::<Extra>() <= 24);

impl Default for Extra {
    fn default() -> Self {
        Self {
            remote_v6: Ipv6Addr::UNSPECIFIED,
            rare: None,
        }
    }
}

impl Extra {
    pub(super) fn of(remote_v6: Option<Ipv6Addr>) -> Option<Box<Self>> {
        remote_v6.map(|remote_v6| {
            Box::new(Self {
                remote_v6,
                rare: None,
            })
        })
    }
}

impl Cold {
    pub(crate) fn remote_v6(&self) -> Option<Ipv6Addr> {
        let extra = self.extra.as_ref()?;
        Some(extra.remote_v6).filter(|addr| !addr.is_unspecified())
    }
}

impl Connection {
    /// The remote address is one of IPv6: then the hot line has none.
    pub(crate) fn is_v6(&self) -> bool {
        self.key.remote_v4.is_unspecified()
    }
}
