//! Losses told by counting what SACK reports above them (RFC 6675 section 4), where RACK is off.

use crate::tcp::congestion::Phase;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recovery::phases::lose;
use crate::tcp::recovery::rack::DUP_THRESH;
use crate::trace::LossSign;

/// Marks what `IsLost` tells; the octets that were found. A segment that was sent again is left
/// to the timer. covers: 6675-1, 6675-2, 6675-4
pub(crate) fn detect(c: &mut Connection, cx: &Context) -> u32 {
    let mss = u32::from(c.eff_snd_mss);
    let count = c.active().send.sent.len();
    c.active().send.steps += count as u32;
    let (mut octets, mut ranges, mut within, mut found) = (0, 0, false, 0);
    for place in (0..count).rev() {
        let segment = c.active().send.sent[place];
        if segment.sacked {
            octets += segment.len;
            ranges += u32::from(!within);
            within = true;
            continue;
        }
        within = false;
        let lost = ranges >= DUP_THRESH || octets > (DUP_THRESH - 1) * mss;
        if lost && segment.is_in_flight() && segment.copies == 1 {
            found += lose(c, cx, place, LossSign::Sack);
        }
    }
    found
}

/// Rules 3 and 4 of `NextSeg`: the place of a hole below what is reported that was not sent again
/// yet; else that of the last segment, once a recovery, which the second value tells.
/// covers: 6675-3, 6675-10
pub(crate) fn unsure(c: &Connection, cx: &Context) -> Option<(usize, bool)> {
    let active = c.active.as_ref()?;
    let recovers = active.recovery.phase == Phase::Recovery;
    if cx.config.tcp.recovery.rack || !recovers || !c.marks.has(Marks::SACK) {
        return None;
    }
    let sent = &active.send.sent;
    let hole = |place: &usize| sent[*place].is_in_flight() && sent[*place].copies == 1;
    let reported = sent.iter().rposition(|segment| segment.sacked).unwrap_or(0);
    if let Some(place) = (0..reported).find(hole) {
        return Some((place, false));
    }
    let last = sent.len().checked_sub(1)?;
    (!active.recovery.rescued && hole(&last)).then_some((last, true))
}
