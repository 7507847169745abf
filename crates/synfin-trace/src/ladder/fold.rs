//! Runs of plain text and ACKs become one row.

use std::time::Duration;

use synfin_core::{Flags, Instant, SendReason};

use crate::conversation::{Conversation, Step};
use crate::ladder::label::takes_window_back;
use crate::ladder::layout::{Body, Row};
use crate::mark::Lifeline;
use crate::words;

/// Shorter runs stay as they are.
const SHORTEST: usize = 9;
/// Rows that stay at the beginning and at the end of a run.
const KEPT: usize = 2;

/// A run of plain packets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Run {
    /// Segments with text.
    pub(crate) segments: u64,
    /// Their octets.
    pub(crate) octets: u64,
    /// Bare acknowledgements.
    pub(crate) acks: u64,
    /// Which packets they are.
    pub(crate) members: Vec<usize>,
    from: Option<Instant>,
    to: Option<Instant>,
}

impl Run {
    /// From the first departure to the last arrival.
    pub(crate) fn lasted(&self) -> Duration {
        match (self.from, self.to) {
            (Some(from), Some(to)) => to.saturating_duration_since(from),
            _ => Duration::ZERO,
        }
    }

    /// The part of it that one end sent.
    pub(crate) fn sent_by(&self, conversation: &Conversation<'_>, side: Lifeline) -> Self {
        let mut part = Self::default();
        for index in &self.members {
            let step = &conversation.steps[*index];
            if step.from == side {
                part.add(*index, step);
            }
        }
        part
    }

    /// What it amounts to; `segments` is the word for segments.
    pub(crate) fn words(&self, segments: &str) -> String {
        let mut parts = Vec::new();
        if self.segments > 0 {
            let octets = words::octets(self.octets);
            parts.push(format!("{} {segments}, {octets}", self.segments));
        }
        if self.acks > 0 {
            let plural = if self.acks == 1 { "" } else { "s" };
            parts.push(format!("{} ACK{plural}", self.acks));
        }
        parts.push(words::span(self.lasted()));
        parts.join(", ")
    }

    fn add(&mut self, index: usize, step: &Step<'_>) {
        self.members.push(index);
        if step.segment.text_len > 0 {
            self.segments += 1;
            self.octets += u64::from(step.segment.text_len);
        } else {
            self.acks += 1;
        }
        self.from.get_or_insert(step.packet.sent);
        self.to = self.to.max(step.packet.arrived());
    }
}

/// Folds what is long and plain.
pub(crate) fn fold(conversation: &Conversation<'_>, rows: Vec<Row>) -> Vec<Row> {
    let mut folded = Vec::new();
    let mut run: Vec<Row> = Vec::new();
    for row in rows {
        if is_held(&row) || is_plain(conversation, &row) {
            run.push(row);
        } else {
            end_run(conversation, &mut run, &mut folded);
            folded.push(row);
        }
    }
    end_run(conversation, &mut run, &mut folded);
    folded
}

fn end_run(conversation: &Conversation<'_>, run: &mut Vec<Row>, folded: &mut Vec<Row>) {
    let packets = run.iter().filter(|row| !is_held(row)).count();
    if packets < SHORTEST {
        folded.append(run);
        return;
    }
    let (held, mut packets): (Vec<Row>, Vec<Row>) = run.drain(..).partition(is_held);
    let run = &mut packets;
    let tail = run.split_off(run.len() - KEPT);
    let middle = run.split_off(KEPT);
    folded.append(run);
    folded.extend(held);
    let mut sum = Run::default();
    for row in &middle {
        if let Body::Whole(index) = row.body {
            sum.add(index, &conversation.steps[index]);
        }
    }
    folded.push(Row {
        margins: [None; 2],
        body: Body::Folded(sum),
    });
    folded.extend(tail);
}

fn is_held(row: &Row) -> bool {
    matches!(row.body, Body::Held(..))
}

/// Of these, CWR alone tells that a window was reduced (RFC 3168).
const ECN: Flags = Flags::CWR.with(Flags::ECE).with(Flags::AE);

/// Nothing in the row is worth a look of its own.
fn is_plain(conversation: &Conversation<'_>, row: &Row) -> bool {
    let Body::Whole(index) = row.body else {
        return false;
    };
    let step = &conversation.steps[index];
    let control = Flags::SYN
        .with(Flags::FIN)
        .with(Flags::RST)
        .with(Flags::URG)
        .with(Flags::PSH);
    let ecn = step.segment.flags.bits() & ECN.bits();
    let usual = matches!(
        step.packet.reason,
        None | Some(SendReason::Text | SendReason::Ack(_))
    );
    let changes = row.margins.iter().flatten();
    usual
        && !conversation.is_overtaken(index)
        && step.packet.copy_of.is_none()
        && !step.packet.forged
        && !step.segment.flags.intersects(control)
        && ecn != Flags::CWR.bits()
        && step.segment.sack.is_empty()
        && step.segment.window > 0
        && !takes_window_back(conversation, index)
        && changes.filter(|margin| margin.state.is_some()).count() == 0
}
