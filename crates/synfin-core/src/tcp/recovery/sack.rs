//! Losses told by counting what SACK reports above them (RFC 6675 section 4), where RACK is off.

use crate::tcp::connection::{Connection, Context};
use crate::tcp::recovery::phases::lose;
use crate::tcp::recovery::rack::DUP_THRESH;
use crate::trace::LossSign;

/// Marks what `IsLost` tells; the octets that were found. A segment that was sent again is left
/// to the timer. covers: 6675-1, 6675-2, 6675-4
pub(crate) fn detect(c: &mut Connection, cx: &Context) -> u32 {
    let mss = u32::from(c.eff_snd_mss);
    let count = c.active().send.sent.len();
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
