//! TIME-WAIT: small records in the order of their entry (RFC 9293 section 3.6.1, RFC 1337, RFC
//! 6191).

use alloc::collections::VecDeque;
use core::net::Ipv6Addr;

use synfin_wire::{Flags, SeqNum};

use crate::config::StackConfig;
use crate::driver::DeviceId;
use crate::event::ConnId;
use crate::slab::{Slab, SlotId};
use crate::tcp::connection::Key;
use crate::tcp::segment::Seg;
use crate::time::{Instant, Tick};
use crate::trace::FlowId;

/// What is left of a connection that we closed first.
#[derive(Debug)]
pub(crate) struct TimeWaitRecord {
    pub(crate) key: Key,
    pub(crate) remote_v6: Option<Ipv6Addr>,
    pub(crate) snd_nxt: SeqNum,
    pub(crate) rcv_nxt: SeqNum,
    /// The peer's last timestamp, if timestamps were in use.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) ts_offset: u32,
    pub(crate) deadline: Instant,
    pub(crate) flow: FlowId,
    pub(crate) device: DeviceId,
    pub(crate) wnd_field: u16,
    /// What its acknowledgements report of the network.
    pub(crate) ecn_flags: Flags,
    /// When an old segment was last answered.
    pub(crate) answered: Option<Tick>,
    /// The handle that still waits to be given back.
    pub(crate) owner: Option<ConnId>,
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

/// All records, oldest first.
#[derive(Debug)]
pub(crate) struct TimeWaitQueue {
    pub(crate) records: Slab<TimeWaitRecord>,
    /// Places with the deadline they were made for. A record that was restarted has a newer place
    /// further back; one that is gone has none.
    order: VecDeque<(SlotId, Instant)>,
}

impl TimeWaitQueue {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            records: Slab::with_limit(limit),
            order: VecDeque::new(),
        }
    }

    /// Adds a record at the end of the queue; `None` when the limit is reached.
    pub(crate) fn insert(&mut self, record: TimeWaitRecord) -> Option<SlotId> {
        let deadline = record.deadline;
        let id = self.records.insert(record).ok()?;
        self.order.push_back((id, deadline));
        Some(id)
    }

    /// Puts a restarted record at the end; its old place is skipped when its turn comes.
    pub(crate) fn restart(&mut self, id: SlotId, deadline: Instant) {
        let Some(record) = self.records.get_mut(id) else {
            return;
        };
        // At most one place per instant: repeated FINs do not make the queue grow.
        if record.deadline != deadline {
            record.deadline = deadline;
            self.order.push_back((id, deadline));
            self.drop_stale();
        }
    }

    /// The deadline of the oldest record. Stale places are cleared whenever the queue changes.
    pub(crate) fn peek(&self) -> Option<Instant> {
        self.order.front().map(|(_, deadline)| *deadline)
    }

    /// The oldest record if its time has come.
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<SlotId> {
        self.drop_stale();
        if self.peek()? > now {
            return None;
        }
        self.pop_oldest()
    }

    /// The oldest record, to make room.
    pub(crate) fn pop_oldest(&mut self) -> Option<SlotId> {
        self.drop_stale();
        self.order.pop_front().map(|(id, _)| id)
    }

    /// Clears places at the front whose record is gone or was restarted, and gives memory back.
    pub(crate) fn drop_stale(&mut self) {
        while let Some((id, deadline)) = self.order.front() {
            if self
                .records
                .get(*id)
                .is_some_and(|record| record.deadline == *deadline)
            {
                break;
            }
            self.order.pop_front();
        }
        if self.order.is_empty() {
            self.order = VecDeque::new();
        } else if self.order.capacity() > 1024 && self.order.len() < self.order.capacity() / 8 {
            self.order.shrink_to(self.order.capacity() / 2);
        }
    }
}
