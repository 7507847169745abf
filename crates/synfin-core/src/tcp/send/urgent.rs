//! Urgent text that leaves (RFC 9293 section 3.8.5): every segment that begins before its end
//! says where that is.

use synfin_wire::Flags;
use synfin_wire::tcp::Header;

use crate::tcp::connection::Connection;

/// What is queued is urgent up to here: `SND.UP`. covers: 9293-MUST-30
pub(crate) fn mark(c: &mut Connection) {
    let up = c.text_end();
    c.active().urgent = Some(up);
}

/// Puts the pointer into a header that leaves. It names the octet after the urgent text, or, when
/// that is too far away, the farthest one it can. covers: 9293-MUST-31, 9293-MUST-62, 6093-1
pub(crate) fn put(c: &mut Connection, header: &mut Header) {
    let una = c.snd.una;
    let Some(active) = &mut c.active else { return };
    let Some(up) = active.urgent else { return };
    if up.at_or_before(una) {
        active.urgent = None;
        return;
    }
    let control = Flags::SYN | Flags::RST;
    if !up.after(header.seq) || header.flags.intersects(control) {
        return;
    }
    let distance = header.seq.distance_to(up);
    header.flags |= Flags::URG;
    header.urgent = distance.min(u16::MAX.into()) as u16;
}
