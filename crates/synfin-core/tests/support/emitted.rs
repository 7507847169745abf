//! What the stack emits, and the time in which it does.

use core::time::Duration;

use synfin_core::Flags;
use synfin_core::wire::SeqNum;

use super::notation::Marks;
use super::octet;
use super::peer::{MTU, Peer};
use super::wire::{Emitted, Packet, read};

impl Peer {
    /// Everything that the stack wants to send now.
    pub(crate) fn drain(&mut self) -> Vec<Emitted> {
        let mut all = Vec::new();
        while let Some(frame) = self.stack.poll_transmit(self.now, self.device) {
            self.last_packet.resize(frame.len(), 0);
            frame.copy_into(&mut self.last_packet);
            match read(self.now, &frame, MTU) {
                Packet::Tcp(segment) => all.push(segment),
                Packet::Icmp(_, kind, code) => self.icmp.push((kind, code)),
            }
            assert!(all.len() < 10_000, "the stack never stops sending");
        }
        for segment in &all {
            self.note(segment);
        }
        self.look();
        all
    }

    pub(crate) fn replies(&mut self) -> String {
        let all = self.drain();
        self.text(&all)
    }

    fn note(&mut self, segment: &Emitted) {
        assert_eq!(
            segment.src.ip(),
            self.local.ip(),
            "9293-MUST-45: its own address"
        );
        if segment.dst != self.remote || segment.src != self.local {
            return;
        }
        if segment.has(Flags::SYN) {
            let new = self.iss != Some(segment.seq);
            if new {
                self.iss = Some(segment.seq);
                self.marks = Marks::default();
            }
            self.stack_shift = segment.options.window_scale.unwrap_or(0);
        }
        if segment.has(Flags::RST) {
            return;
        }
        if let Some(timestamps) = segment.options.timestamps {
            self.last_ts = timestamps.val;
        }
        let atomic = segment.fragment_id.is_none();
        assert!(atomic || self.may_fragment, "7323-24: DF is set");
        let (seq, ack) = self.relative(segment);
        self.marks.n = self.marks.n.max(seq + i64::from(segment.len()));
        if segment.has(Flags::ACK) {
            let syn = segment.has(Flags::SYN);
            let scaled = self.setup.scale.is_some() && !syn;
            let shift = if scaled { self.stack_shift } else { 0 };
            self.marks.r = self.marks.r.max(ack);
            self.marks.e = self.marks.e.max(ack + (i64::from(segment.wnd) << shift));
        }
        let start = seq + i64::from(segment.has(Flags::SYN));
        if segment.text.len() == 1 && start < self.marks.u {
            // A keep-alive probe: the octet means nothing.
            return;
        }
        for (at, got) in segment.text.iter().enumerate() {
            assert_eq!(
                *got,
                octet(start + at as i64),
                "text at seq={}",
                start + at as i64
            );
        }
    }

    /// `SEG.SEQ` and `SEG.ACK` from the initial numbers.
    pub(crate) fn relative(&self, segment: &Emitted) -> (i64, i64) {
        let iss = self.iss.map_or(0, SeqNum::raw);
        let seq = segment.seq.raw().wrapping_sub(iss) as i32;
        let ack = segment.ack.raw().wrapping_sub(self.setup.irs) as i32;
        (seq.into(), ack.into())
    }

    /// Segments as scripts write them; PSH is left out.
    pub(crate) fn text(&self, segments: &[Emitted]) -> String {
        let words: Vec<String> = segments.iter().map(|segment| self.word(segment)).collect();
        words.join(" ")
    }

    fn word(&self, segment: &Emitted) -> String {
        let names = [
            (Flags::SYN, "SYN"),
            (Flags::FIN, "FIN"),
            (Flags::RST, "RST"),
            (Flags::URG, "URG"),
        ];
        let set = names.iter().filter(|(flag, _)| segment.has(*flag));
        let names: Vec<&str> = set.map(|(_, name)| *name).collect();
        let (seq, ack) = self.relative(segment);
        // A RST in answer to a segment without ACK has the number 0, not one of a connection.
        let zero = segment.seq.raw() == 0 && segment.has(Flags::RST | Flags::ACK);
        let seq = if zero { 0 } else { seq };
        let mut word = format!("{{{}", names.join("+"));
        let tail = if segment.has(Flags::ACK) {
            format!(". seq={seq} ack={ack}")
        } else {
            format!(" seq={seq}")
        };
        word.push_str(&tail);
        if !segment.text.is_empty() {
            word.push_str(&format!(" len={}", segment.text.len()));
        }
        word.push('}');
        word
    }

    // Time.

    /// Lets time pass and tells what left meanwhile.
    pub(crate) fn wait(&mut self, duration: Duration) -> Vec<Emitted> {
        let end = self.now + duration;
        let mut all = self.drain();
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            all.extend(self.drain());
        }
        self.now = end;
        self.stack.handle_timeout(end);
        all.extend(self.drain());
        all
    }

    /// The same as text.
    pub(crate) fn after(&mut self, duration: Duration) -> String {
        let all = self.wait(duration);
        self.text(&all)
    }

    /// Lets time pass until the stack sends something.
    pub(crate) fn next(&mut self, within: Duration) -> Option<Vec<Emitted>> {
        let end = self.now + within;
        loop {
            let sent = self.drain();
            if !sent.is_empty() {
                return Some(sent);
            }
            let at = self.stack.poll_timeout().filter(|at| *at <= end)?;
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
        }
    }

    pub(super) fn look(&mut self) {
        if self.setup.checks {
            self.stack.check();
        }
        while let Some(event) = self.stack.poll_event() {
            self.events.push(event);
        }
    }
}
