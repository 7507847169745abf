//! A record as it stands in memory: nothing that can be known otherwise.
//!
//! The deadline is a distance from that of the block, the timestamp offset follows from the
//! addresses, the device from the route, the name in traces and the handle that is still held
//! stand beside the records, for those that have one.

use core::mem::size_of;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_wire::{Flags, SeqNum};

use super::TimeWaitRecord;
use crate::demux::FlowKey;
use crate::ip::address::AddrId;
use crate::tcp::connection::Key;
use crate::time::{Instant, Tick};

/// A record of a peer whose address has `N` octets. Octets in pairs, so that nothing is lost
/// between fields.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(2))]
pub(super) struct Packed<const N: usize> {
    remote: [u8; N],
    local: u16,
    local_port: u16,
    remote_port: u16,
    snd_nxt: u32,
    rcv_nxt: u32,
    ts_recent: u32,
    wnd_field: u16,
    answered: u16,
    marks: u8,
    after_us: [u8; 3],
}

// covers: ST-1010 (with the entry of the flow table: at most 40 and 64 octets)
const _: () = assert!(size_of::<Packed<4>>() == 30);
const _: () = assert!(size_of::<Packed<16>>() == 42);

/// There are timestamps.
const TIMESTAMPS: u8 = 1;
/// The record is not over.
const LIVE: u8 = 2;
/// An old segment was answered lately.
const ANSWERED: u8 = 4;
/// Where the three ECN flags of a header begin, here and there.
const ECN_AT: u32 = 3;
const ECN_IN_HEADER: u32 = 6;

/// How far a record's deadline may be from that of the first in its block: 16.7 s.
pub(super) const AFTER_MAX_US: u64 = (1 << 24) - 1;

/// Milliseconds in a unit of `answered`, which goes round in 262 s. Where 2 MSL are longer, an old
/// segment may go without its answer then; the next one gets it.
const ANSWERED_UNIT_MS: u32 = 4;

impl<const N: usize> Packed<N> {
    /// A live record that has no place yet.
    pub(super) fn new(record: &TimeWaitRecord, remote: [u8; N]) -> Self {
        let timestamps = if record.ts_recent.is_some() {
            TIMESTAMPS
        } else {
            0
        };
        let ecn = (record.ecn_flags.bits() >> ECN_IN_HEADER) as u8 & 7;
        Self {
            remote,
            local: record.key.local.0,
            local_port: record.key.local_port,
            remote_port: record.key.remote_port,
            snd_nxt: record.snd_nxt.raw(),
            rcv_nxt: record.rcv_nxt.raw(),
            ts_recent: record.ts_recent.unwrap_or(0),
            wnd_field: record.wnd_field,
            answered: 0,
            marks: LIVE | timestamps | ecn << ECN_AT,
            after_us: [0; 3],
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.marks & LIVE != 0
    }

    pub(super) fn end(&mut self) {
        self.marks &= !LIVE;
    }

    pub(super) fn after_us(&self) -> u64 {
        let [a, b, c] = self.after_us;
        u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0])
    }

    pub(super) fn set_after_us(&mut self, after_us: u64) {
        let [a, b, c, ..] = after_us.min(AFTER_MAX_US).to_le_bytes();
        self.after_us = [a, b, c];
    }

    /// Rounded up, so that the pause between two answers is never shorter than it shall be.
    pub(super) fn set_answered(&mut self, at: Tick) {
        self.answered = at.raw().div_ceil(ANSWERED_UNIT_MS) as u16;
        self.marks |= ANSWERED;
    }

    /// Whether an old segment was answered less than so many milliseconds ago.
    pub(super) fn was_answered(&self, now: Tick, interval_ms: u32) -> bool {
        let pause = interval_ms.div_ceil(ANSWERED_UNIT_MS);
        let begun = (now.raw() / ANSWERED_UNIT_MS + 1) as u16;
        let age = u32::from(begun.wrapping_sub(self.answered));
        self.marks & ANSWERED != 0 && age <= pause
    }

    pub(super) fn key(&self) -> FlowKey {
        let (remote_v4, remote_v6) = match self.remote_ip() {
            IpAddr::V4(addr) => (addr, None),
            IpAddr::V6(addr) => (Ipv4Addr::UNSPECIFIED, Some(addr)),
        };
        let key = Key {
            remote_v4,
            local: AddrId(self.local),
            local_port: self.local_port,
            remote_port: self.remote_port,
        };
        FlowKey { key, remote_v6 }
    }

    fn remote_ip(&self) -> IpAddr {
        let (mut octets, remote) = ([0; 16], self.remote);
        octets[..N].copy_from_slice(&remote);
        match N {
            4 => {
                let [a, b, c, d, ..] = octets;
                Ipv4Addr::new(a, b, c, d).into()
            }
            _ => Ipv6Addr::from(octets).into(),
        }
    }

    /// The record as the protocol sees it.
    pub(super) fn record(&self, deadline: Instant) -> TimeWaitRecord {
        let FlowKey { key, remote_v6 } = self.key();
        let ecn = u16::from(self.marks >> ECN_AT) & 7;
        TimeWaitRecord {
            key,
            remote_v6,
            snd_nxt: SeqNum::new(self.snd_nxt),
            rcv_nxt: SeqNum::new(self.rcv_nxt),
            ts_recent: (self.marks & TIMESTAMPS != 0).then_some(self.ts_recent),
            deadline,
            wnd_field: self.wnd_field,
            ecn_flags: Flags::from_bits(ecn << ECN_IN_HEADER),
        }
    }
}
