//! What the peer reports, as the sender reads it (RFC 3168 section 6.1.2, RFC 9768 section 3.2.2).

use synfin_wire::{Flags, SeqNum};

use super::{Accurate, EcnMarks, Feedback, ace_of, trace};
use crate::tcp::congestion::Phase;
use crate::tcp::connection::{Cold, Connection, Context};
use crate::tcp::recovery::phases;
use crate::tcp::segment::Seg;
use crate::trace::EcnEvent;

/// The sending half before an acknowledgement worked on it.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    una: SeqNum,
    newly_acked: u32,
    ssthresh: u32,
}

/// `None` for a connection without ECN.
pub(crate) fn before_ack(c: &Connection, seg: &Seg) -> Option<Before> {
    speaks(c).then(|| Before {
        una: c.snd.una,
        newly_acked: newly_acked(c, seg.ack),
        ssthresh: c.cold.congestion.ssthresh(),
    })
}

fn speaks(c: &Connection) -> bool {
    matches!(c.cold.ecn.feedback, Feedback::Classic | Feedback::Accurate)
}

/// Segments that `ack` takes off and that no SACK has reported before: those arrived with what
/// this acknowledgement counts. Each is looked at once.
fn newly_acked(c: &Connection, ack: SeqNum) -> u32 {
    let (Some(active), Feedback::Accurate) = (&c.active, c.cold.ecn.feedback) else {
        return 0;
    };
    let taken = active.send.sent.iter();
    let taken = taken.take_while(|segment| segment.seq.before(ack));
    taken.filter(|segment| !segment.sacked).count() as u32
}

/// An acceptable acknowledgement was processed.
pub(crate) fn on_ack(c: &mut Connection, cx: &mut Context, seg: &Seg, before: Before) {
    if seg.handshake {
        return;
    }
    if c.cold.congestion.ssthresh() < before.ssthresh {
        // A loss was answered: that is the reduction of this window of data. covers: 3168-6
        note_reduction(c);
    }
    // What is at the recovery point itself was sent before the window was reduced.
    if c.cold.ecn_recover().is_some_and(|at| c.snd.una.after(at)) {
        c.cold.rare().ecn.recover = None;
    }
    let marked = match c.cold.ecn.feedback {
        Feedback::Classic => classic(c, seg),
        Feedback::Accurate => accurate(c, cx, seg, before),
        _ => None,
    };
    if let Some(octets) = marked {
        cx.counters.ecn_echo_received += 1;
        reduce(c, cx, before, octets);
    }
}

/// The retransmission timer fired: its reduction is that of this window of data. covers: 3168-6
pub(crate) fn on_timeout(c: &mut Connection) {
    let phase = c.active.as_ref().map(|active| active.recovery.phase);
    if speaks(c) && phase == Some(Phase::Loss) && !c.syn_unacked() {
        note_reduction(c);
    }
}

/// Whether an acknowledgement brings news of congestion: the window does not grow by it.
pub(crate) fn reports_marks(c: &Connection, seg: &Seg) -> bool {
    let ecn = &c.cold.ecn;
    match (ecn.feedback, c.cold.accurate()) {
        (Feedback::Classic, _) => classic(c, seg).is_some(),
        (Feedback::Accurate, Some(accurate)) => {
            let sent = &accurate.sent;
            !seg.handshake
                && !sent.first
                && !sent.ignored
                && sent.cep & 7 != u32::from(ace_of(seg.flags))
        }
        _ => false,
    }
}

/// ECE counts only where something of ours could have been marked.
fn classic(c: &Connection, seg: &Seg) -> Option<u32> {
    let echoed = seg.flags.contains(Flags::ECE) && !seg.handshake;
    (echoed && c.cold.ecn.marks.has(EcnMarks::CAPABLE)).then_some(0)
}

/// At most once for a window of data. covers: 3168-6, ATT-51
fn reduce(c: &mut Connection, cx: &mut Context, before: Before, ce_octets: u32) {
    if c.cold.ecn_recover().is_some() {
        return;
    }
    // Half of less than two segments is less than one.
    let smallest = c.cold.congestion.cwnd() < 2 * u32::from(c.eff_snd_mss);
    if smallest {
        hold(c, cx);
    } else {
        // Also what this acknowledgement took off was on its way: one may stand for many.
        let flight_size = before.una.distance_to(c.snd.nxt);
        phases::enter_cwr(c, cx, flight_size.min(c.cold.congestion.cwnd()));
    }
    note_reduction(c);
    if smallest {
        trace(c, cx, EcnEvent::Held);
    } else {
        trace(c, cx, EcnEvent::Reduced { ce_octets });
        if cx.tracer.is_on() {
            c.trace_congestion(cx);
        }
    }
}

/// A window of one segment cannot become smaller: the next one waits for the time of a
/// retransmission. covers: 3168-10, 9438-11
fn hold(c: &mut Connection, cx: &mut Context) {
    let rto_ns = c.cold.rtt.rto_ns(&cx.config.tcp.rto);
    c.active().deadlines.ecn_hold = Some(cx.now.after_nanos(rto_ns));
}

/// Whether new text has to wait for that.
pub(crate) fn holds(c: &Connection) -> bool {
    c.active
        .as_ref()
        .is_some_and(|active| active.deadlines.ecn_hold.is_some())
}

fn note_reduction(c: &mut Connection) {
    c.cold.rare().ecn.recover = Some(c.snd.nxt);
    let ecn = &mut c.cold.ecn;
    let owed = ecn.feedback == Feedback::Classic && ecn.marks.has(EcnMarks::CAPABLE);
    ecn.marks.assign(EcnMarks::CWR_OWED, owed);
}

/// Octets that were newly reported as marked; `None` for no news.
fn accurate(c: &mut Connection, cx: &mut Context, seg: &Seg, before: Before) -> Option<u32> {
    let mss = u32::from(c.eff_snd_mss);
    let acked = before.una.distance_to(c.snd.una);
    let ace = ace_of(seg.flags);
    let sent = &mut c.cold.accurate_mut()?.sent;
    let first = core::mem::replace(&mut sent.first, false);
    if first && ace == 0 {
        // covers: 9768-6, 9768-15
        sent.ignored = true;
        c.cold.ecn.marks.clear(EcnMarks::CAPABLE);
        trace(c, cx, EcnEvent::FeedbackZeroed);
        return None;
    }
    if sent.ignored {
        return None;
    }
    let newer = is_newer(sent.tsval, seg);
    if let (true, Some(timestamps)) = (newer, seg.options.timestamps) {
        sent.tsval = Some(timestamps.val);
    }
    if first
        && acked > 0
        && before.newly_acked <= 1
        && seg.len() == 0
        && seg.options.sack.is_empty()
    {
        if let Some(read) = c.cold.read_third_ack(ace) {
            return read;
        }
    }
    if acked == 0 && !newer {
        return None;
    }
    let accurate = c.cold.accurate_mut()?;
    newly_marked(accurate, seg, before.newly_acked, mss)
}

fn is_newer(last: Option<u32>, seg: &Seg) -> bool {
    let Some(timestamps) = seg.options.timestamps else {
        return false;
    };
    last.is_none_or(|last| (timestamps.val.wrapping_sub(last) as i32) > 0)
}

impl Cold {
    /// The third segment tells how our SYN,ACK arrived, if it is a server that reads it.
    /// covers: 9768-6
    fn read_third_ack(&mut self, ace: u8) -> Option<Option<u32>> {
        let accurate = self.accurate_mut()?;
        if !accurate.sent.server {
            return None;
        }
        accurate.sent.cep = if ace == 0b110 { 6 } else { 5 };
        // The SYN,ACK left Not-ECT: anything else was written by the path.
        if matches!(ace, 0b011 | 0b100 | 0b110) {
            self.ecn.marks.clear(EcnMarks::CAPABLE);
        }
        Some(None)
    }
}

/// The increase of the peer's counters. Where ACE may have gone round, the safest likely case is
/// taken, unless the octets marked say that it did not. covers: 9768-12
fn newly_marked(accurate: &mut Accurate, seg: &Seg, segments: u32, mss: u32) -> Option<u32> {
    let sent = &mut accurate.sent;
    let least = u32::from(ace_of(seg.flags)).wrapping_sub(sent.cep) & 7;
    let octets = seg.options.accecn.and_then(|option| option.eceb());
    let octets = octets.map(|eceb| eceb.wrapping_sub(sent.ceb) & 0x00ff_ffff);
    // Half of the number space forwards; a late segment would show as more.
    let octets = octets.filter(|octets| *octets < 1 << 23);
    let most = if segments > least {
        segments - ((segments - least) & 7)
    } else {
        least
    };
    let packets = match octets {
        Some(octets) if octets < most.saturating_mul(mss) / 2 => least,
        _ => most,
    };
    sent.cep = sent.cep.wrapping_add(packets);
    if let Some(octets) = octets {
        sent.ceb = sent.ceb.wrapping_add(octets);
    }
    let marked = octets.unwrap_or(0).max(packets.saturating_mul(mss));
    (packets > 0 || octets.unwrap_or(0) > 0).then_some(octets.unwrap_or(marked))
}
