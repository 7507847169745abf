//! The hot line: what every segment touches.

use core::net::Ipv4Addr;

use synfin_wire::SeqNum;

use crate::ip::address::AddrId;

/// A window shift (RFC 7323 section 2), 0 to 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shift(u8);

impl Shift {
    pub(crate) const NONE: Self = Self(0);

    /// covers: 7323-5 (a larger shift is treated as 14)
    pub(crate) const fn new(shift: u8) -> Self {
        Self(if shift > 14 { 14 } else { shift })
    }

    pub(crate) const fn get(self) -> u8 {
        self.0
    }

    /// covers: 7323-4, 9293-MUST-1, 9293-REC-1
    pub(crate) const fn widen(self, field: u16) -> u32 {
        (field as u32) << self.0
    }
}

/// `SND.*` of RFC 9293 section 3.3.1. `snd.nxt` is the highest number sent: retransmission does
/// not move it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendVariables {
    pub(crate) una: SeqNum,
    pub(crate) nxt: SeqNum,
    pub(crate) wnd: u32,
    pub(crate) wl1: SeqNum,
    pub(crate) wl2: SeqNum,
}

/// `RCV.*` of RFC 9293 section 3.3.1, the window as its right edge, which never moves left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecvVariables {
    pub(crate) nxt: SeqNum,
    pub(crate) edge: SeqNum,
    pub(crate) last_ack_sent: SeqNum,
    pub(crate) ts_recent: u32,
}

impl RecvVariables {
    /// `RCV.WND`.
    pub(crate) fn wnd(&self) -> u32 {
        if self.edge.after(self.nxt) {
            self.nxt.distance_to(self.edge)
        } else {
            0
        }
    }
}

/// The compact form of a four-tuple: the local address by its index. The remote IPv6 address
/// stands in the cold part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) remote_v4: Ipv4Addr,
    pub(crate) local: AddrId,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
}

/// Both window shifts in one octet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shifts(u8);

impl Shifts {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn new(snd: Shift, rcv: Shift) -> Self {
        Self(snd.get() << 4 | rcv.get())
    }

    pub(crate) fn snd(self) -> Shift {
        Shift(self.0 >> 4)
    }

    pub(crate) fn rcv(self) -> Shift {
        Shift(self.0 & 15)
    }
}
