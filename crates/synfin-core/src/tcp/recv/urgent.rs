//! Urgent text that arrives (RFC 9293 section 3.8.5, which includes RFC 6093): where it ends is
//! remembered and told; the octets themselves stay in the stream and are read in their order.
//!
//! Invariant: `RCV.UP` stands beyond what was read, and before the peer's FIN.

use synfin_wire::{Flags, SeqNum};

use crate::tcp::connection::{Connection, Events, Marks};
use crate::tcp::segment::Seg;

/// The sixth check of SEGMENT ARRIVES: the pointer moves forward only, and an event tells it.
/// covers: EV-11, 6093-1, 6093-3, 6093-4, 9293-MUST-32, ST-710, 9293-U5, ATT-37
pub(crate) fn on_arrival(c: &mut Connection, seg: &Seg) {
    let nobody_reads = c.is_orphan() || c.marks.has(Marks::READ_SHUTDOWN);
    if !seg.flags.contains(Flags::URG) || !c.state.can_receive_text() || nobody_reads {
        return;
    }
    let up = seg.seq + u32::from(seg.urgent);
    if up.at_or_before(c.rcv.nxt) {
        return;
    }
    let recv = &mut c.active().recv;
    if recv.up.is_none_or(|old| up.after(old)) {
        recv.up = Some(up);
        c.raise(Events::URGENT);
    }
}

/// Text was read, perhaps up to the mark. covers: 9293-MUST-33
pub(crate) fn on_read(c: &mut Connection) {
    if remaining(c).is_none() {
        if let Some(active) = &mut c.active {
            active.recv.up = None;
        }
    }
}

/// No more text follows what has come: a mark beyond it has no meaning, one within it keeps it.
pub(crate) fn on_last_text(c: &mut Connection) {
    let end = text_end(c);
    if let Some(active) = &mut c.active {
        active.recv.up = active
            .recv
            .up
            .map(|up| if up.after(end) { end } else { up });
    }
    on_read(c);
}

/// Octets from the next one to be read to the end of the urgent text, if there are any.
/// covers: 9293-MUST-33
pub(crate) fn remaining(c: &Connection) -> Option<u32> {
    let active = c.active.as_ref()?;
    let up = active.recv.up?;
    let next = text_end(c) - active.recv.queue.len() as u32;
    up.after(next).then(|| next.distance_to(up))
}

/// The sequence number after the last octet that came in order.
fn text_end(c: &Connection) -> SeqNum {
    c.rcv.nxt - u32::from(c.marks.has(Marks::PEER_FIN))
}
