//! An arrived segment as the TCP layer sees it: the header by value, the text in its frame.

use synfin_wire::tcp::{Options, Segment};
use synfin_wire::{Flags, SeqNum};

use crate::buffer::Chunk;
use crate::tcp::connection::Shift;
use crate::tcp::ecn::IpEcn;
use crate::trace::SegmentRecord;

/// The variables of RFC 9293 section 3.3.1 for the current segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seg {
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: Flags,
    /// The window field as it came, not scaled.
    pub(crate) wnd: u16,
    pub(crate) urgent: u16,
    pub(crate) text_len: u32,
    pub(crate) options: Options,
    /// The ECN field of the packet.
    pub(crate) ecn: IpEcn,
    /// It came with SYN, trimmed or not: its ECN flags are not those of later segments.
    pub(crate) handshake: bool,
}

impl Seg {
    #[inline]
    pub(crate) fn of(segment: &Segment<'_>, ecn: IpEcn) -> Self {
        Self {
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            wnd: segment.wnd,
            urgent: segment.urgent,
            text_len: segment.text.len() as u32,
            options: segment.options,
            ecn,
            handshake: segment.syn(),
        }
    }

    pub(crate) fn syn(&self) -> bool {
        self.flags.contains(Flags::SYN)
    }

    pub(crate) fn fin(&self) -> bool {
        self.flags.contains(Flags::FIN)
    }

    pub(crate) fn rst(&self) -> bool {
        self.flags.contains(Flags::RST)
    }

    pub(crate) fn has_ack(&self) -> bool {
        self.flags.contains(Flags::ACK)
    }

    /// `SEG.LEN`: text, and one each for SYN and FIN.
    pub(crate) fn len(&self) -> u32 {
        self.text_len + u32::from(self.syn()) + u32::from(self.fin())
    }

    /// The sequence number after the last one the segment occupies.
    pub(crate) fn end(&self) -> SeqNum {
        self.seq + self.len()
    }

    /// For the trace. Windows of segments with SYN are never scaled (7323-3).
    pub(crate) fn record(&self, shift: Shift) -> SegmentRecord {
        let shift = if self.syn() { Shift::NONE } else { shift };
        SegmentRecord {
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            text_len: self.text_len,
            wnd: self.wnd,
            window: shift.widen(self.wnd),
            mss: self.options.mss,
            window_scale: self.options.window_scale,
            sack_permitted: self.options.sack_permitted,
            timestamps: self.options.timestamps,
            cookie_len: self
                .options
                .fast_open
                .map(|cookie| cookie.as_slice().len() as u8),
            sack: self.options.sack,
            ecn: self.ecn,
        }
    }
}

/// A segment together with its text.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) seg: Seg,
    /// The frame, cut down to the text; `None` once the text was taken or when there was none.
    pub(crate) text: Option<Chunk>,
    /// Type of service or traffic class of its packet.
    pub(crate) tos: u8,
}

impl Arrival {
    /// Cuts `n` octets of sequence space from the left: the SYN first, then text.
    pub(crate) fn trim_left(&mut self, mut n: u32) {
        self.seg.seq += n;
        // The pointer counts from the segment's first number.
        self.seg.urgent = u32::from(self.seg.urgent).saturating_sub(n) as u16;
        if n > 0 && self.seg.syn() {
            self.seg.flags = self.seg.flags.without(Flags::SYN);
            n -= 1;
        }
        let n = n.min(self.seg.text_len);
        self.seg.text_len -= n;
        if let Some(text) = &mut self.text {
            text.trim_front(n as usize);
        }
    }

    /// Cuts `n` octets of sequence space from the right: the FIN first, then text.
    pub(crate) fn trim_right(&mut self, mut n: u32) {
        if n > 0 && self.seg.fin() {
            self.seg.flags = self.seg.flags.without(Flags::FIN);
            n -= 1;
        }
        let n = n.min(self.seg.text_len);
        self.seg.text_len -= n;
        if let Some(text) = &mut self.text {
            text.truncate(self.seg.text_len as usize);
        }
    }
}
