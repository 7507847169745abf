//! TIME-WAIT: small records in the order of their entry (RFC 9293 section 3.6.1, RFC 1337, RFC
//! 6191).

mod packed;
mod queue;
mod ring;

use core::net::Ipv6Addr;

use synfin_wire::{Flags, SeqNum};

pub(crate) use queue::{Family, TimeWaitQueue};

use crate::config::StackConfig;
use crate::tcp::connection::Key;
use crate::tcp::segment::Seg;
use crate::time::Instant;

/// What is left of a connection that we closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeWaitRecord {
    pub(crate) key: Key,
    pub(crate) remote_v6: Option<Ipv6Addr>,
    pub(crate) snd_nxt: SeqNum,
    pub(crate) rcv_nxt: SeqNum,
    /// The peer's last timestamp, if timestamps were in use.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) deadline: Instant,
    pub(crate) wnd_field: u16,
    /// What its acknowledgements report of the network.
    pub(crate) ecn_flags: Flags,
}

/// What a segment does in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The FIN was repeated: our ACK goes out again and 2 MSL begin anew.
    Restart,
    /// Something old: our ACK goes out, within its limit.
    Answer,
    /// Nothing happens.
    Ignore(crate::counters::DropReason),
    /// A RST that counts (only where RFC 1337 is not followed).
    Close,
    /// A newer SYN may take the four-tuple.
    Reopen,
}

impl TimeWaitRecord {
    /// covers: ST-1001 to ST-1007, 1337-1, RP-7, DEC-4, DEC-13, RG-9
    pub(crate) fn judge(&self, seg: &Seg, config: &StackConfig) -> Verdict {
        use crate::counters::DropReason as D;
        if seg.rst() {
            let counts = !config.tcp.ignore_rst_in_time_wait && seg.seq == self.rcv_nxt;
            return if counts {
                Verdict::Close
            } else {
                Verdict::Ignore(D::ResetInTimeWait)
            };
        }
        if seg.syn() {
            return if !seg.has_ack() && self.may_reopen(seg) {
                Verdict::Reopen
            } else {
                Verdict::Ignore(D::SynInTimeWait)
            };
        }
        if !seg.has_ack() {
            return Verdict::Ignore(D::NoAck);
        }
        if self.ts_recent.is_some() && seg.options.timestamps.is_none() {
            return Verdict::Ignore(D::MissingTimestamp);
        }
        if seg.fin() && seg.end() == self.rcv_nxt {
            return Verdict::Restart;
        }
        let acceptable = seg.ack.at_or_before(self.snd_nxt);
        let expected = seg.len() == 0 && seg.seq == self.rcv_nxt && acceptable;
        if expected && !self.is_old(seg) {
            return Verdict::Ignore(D::OldInTimeWait);
        }
        Verdict::Answer
    }

    fn is_old(&self, seg: &Seg) -> bool {
        match (self.ts_recent, seg.options.timestamps) {
            (Some(recent), Some(now)) => (now.val.wrapping_sub(recent) as i32) < 0,
            _ => false,
        }
    }

    /// RFC 6191 section 2. covers: 6191-1 to 6191-7, AB-11, 9293-SHLD-4
    fn may_reopen(&self, seg: &Seg) -> bool {
        let newer_seq = seg.seq.after(self.rcv_nxt - 1);
        match (self.ts_recent, seg.options.timestamps) {
            (Some(recent), Some(new)) if new.val != recent => {
                (new.val.wrapping_sub(recent) as i32) > 0
            }
            (None, Some(_)) => true,
            _ => newer_seq,
        }
    }

    /// The numbers of a new incarnation begin beyond the old one's. covers: 6191-8, 9293-MAY-2
    pub(crate) fn iss_after(&self, iss: SeqNum) -> SeqNum {
        if iss.after(self.snd_nxt) {
            iss
        } else {
            self.snd_nxt + ISS_STEP
        }
    }
}

/// How far beyond the old numbers a new incarnation starts when the clock would not get there.
const ISS_STEP: u32 = 65_535 + 2;
