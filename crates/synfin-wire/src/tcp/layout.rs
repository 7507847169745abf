//! In which order options are written, and which stay behind when 40 octets are not enough.
//!
//! The order is the one that hosts on the Internet expect to see: `mss, sackOK, TS, nop, wscale`
//! in a SYN, `nop, nop, TS, nop, nop, SACK` later. covers: 9293-MUST-68, 9293-MUST-69

use super::MAX_OPTIONS_LEN;
use super::options::{AccEcnOrder, Options, TIMESTAMPS_ALONE_LEN, kind};
use crate::writer::Writer;

/// Octets that the options take in the header, a multiple of four. Of options that need more than
/// 40, what [`Header::emit`](super::Header::emit) leaves out is not counted.
#[inline]
pub fn options_len(options: &Options) -> usize {
    match (options.is_usual(), options.timestamps) {
        (true, None) => 0,
        (true, Some(_)) => TIMESTAMPS_ALONE_LEN,
        (false, _) => fitted_len(options),
    }
}

fn fitted_len(options: &Options) -> usize {
    let len = padded_len(options);
    if len <= MAX_OPTIONS_LEN {
        len
    } else {
        padded_len(&fitted(options))
    }
}

/// Writes the options and the padding into so many octets as [`options_len`] says.
pub(super) fn emit(options: &Options, to: &mut [u8]) {
    let len = to.len();
    let mut writer = Writer::new(to);
    if padded_len(options) <= MAX_OPTIONS_LEN {
        emit_fitted(options, &mut writer);
    } else {
        emit_fitted(&fitted(options), &mut writer);
    }
    debug_assert_eq!(writer.len(), len, "they have the length that was announced");
}

/// SACK blocks go first, but two of them are worth more than the counters of ECN; those follow,
/// then what the connection can do without. covers: 9768-13, 2018-5
fn fitted(options: &Options) -> Options {
    let mut options = *options;
    while padded_len(&options) > MAX_OPTIONS_LEN && leave_one_out(&mut options) {}
    options
}

/// False when nothing is left that may be left out; the rest takes at most 40 octets.
fn leave_one_out(options: &mut Options) -> bool {
    if options.sack.len() > 2 {
        options.sack.truncate(options.sack.len() - 1);
    } else if let Some(counters) = &mut options.accecn {
        if !counters.pop() || counters.counters().is_empty() {
            options.accecn = None;
        }
    } else if options.user_timeout.is_some() {
        options.user_timeout = None;
    } else if options.fast_open.is_some() {
        options.fast_open = None;
    } else {
        return false;
    }
    true
}

fn padded_len(options: &Options) -> usize {
    let mut len = 0;
    if options.mss.is_some() {
        len += 4;
    }
    if options.timestamps.is_some() {
        len += 12;
    } else if options.sack_permitted {
        len += 4;
    }
    if options.window_scale.is_some() {
        len += 4;
    }
    if !options.sack.is_empty() {
        len += 4 + 8 * options.sack.len();
    }
    if let Some(cookie) = &options.fast_open {
        len += 2 + cookie.as_slice().len();
    }
    if options.user_timeout.is_some() {
        len += 4;
    }
    if let Some(option) = &options.accecn {
        len += 2 + 3 * option.counters().len();
    }
    len.next_multiple_of(4)
}

fn emit_fitted(options: &Options, writer: &mut Writer<'_>) {
    let start = writer.len();
    emit_of_handshake(options, writer);
    if !options.sack.is_empty() {
        // At most four blocks: 34 octets.
        let len = 2 + 8 * options.sack.len() as u8;
        writer.put(&[kind::NOP, kind::NOP, kind::SACK, len]);
        for block in &options.sack {
            writer.put_u32(block.left.raw());
            writer.put_u32(block.right.raw());
        }
    }
    emit_rare(options, writer);
    while (writer.len() - start) % 4 != 0 {
        writer.put_u8(kind::END);
    }
}

/// Two octets that align the timestamps are free for "SACK permitted".
fn emit_of_handshake(options: &Options, writer: &mut Writer<'_>) {
    if let Some(mss) = options.mss {
        writer.put(&[kind::MSS, 4]);
        writer.put_u16(mss);
    }
    let filler = match (options.sack_permitted, options.timestamps.is_some()) {
        (true, true) => &[kind::SACK_PERMITTED, 2][..],
        (true, false) => &[kind::NOP, kind::NOP, kind::SACK_PERMITTED, 2],
        (false, true) => &[kind::NOP, kind::NOP],
        (false, false) => &[],
    };
    writer.put(filler);
    if let Some(timestamps) = options.timestamps {
        writer.put(&[kind::TIMESTAMPS, 10]);
        writer.put_u32(timestamps.val);
        writer.put_u32(timestamps.ecr);
    }
    if let Some(shift) = options.window_scale {
        writer.put(&[kind::NOP, kind::WINDOW_SCALE, 3, shift]);
    }
}

fn emit_rare(options: &Options, writer: &mut Writer<'_>) {
    if let Some(cookie) = &options.fast_open {
        // At most 16 octets.
        writer.put(&[kind::FAST_OPEN, 2 + cookie.as_slice().len() as u8]);
        writer.put(cookie.as_slice());
    }
    if let Some(timeout) = options.user_timeout {
        writer.put(&[kind::USER_TIMEOUT, 4]);
        writer.put_u16(timeout.raw());
    }
    if let Some(option) = &options.accecn {
        let kind = match option.order() {
            AccEcnOrder::Zero => kind::ACCECN_0,
            AccEcnOrder::One => kind::ACCECN_1,
        };
        // At most three counters.
        writer.put(&[kind, 2 + 3 * option.counters().len() as u8]);
        for counter in option.counters() {
            writer.put(&counter.to_be_bytes()[1..]);
        }
    }
}

#[cfg(test)]
mod tests;
