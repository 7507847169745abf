//! What is written on an arrow.

use synfin_core::{AckReason, Flags, LossSign, SendReason};

use crate::conversation::{Conversation, Step};
use crate::words;

/// The words of a segment, at most `room` characters: what matters most comes first, and what
/// does not fit is left out.
pub(crate) fn label(conversation: &Conversation<'_>, index: usize, room: usize) -> String {
    let step = &conversation.steps[index];
    let mut must = remark(conversation, index);
    let mut first = head(conversation, step, true);
    let needs = |first: &str, must: &Option<String>| {
        first.len() + must.as_ref().map_or(0, |must| must.len() + 1)
    };
    if needs(&first, &must) > room {
        first = head(conversation, step, false);
    }
    if needs(&first, &must) > room {
        must = None;
    }
    let mut parts = vec![first];
    if shows_ack(conversation, index) {
        parts.push(format!("ack={}", conversation.ack(step)));
    }
    if step.segment.window == 0 && !step.segment.flags.contains(Flags::RST) {
        parts.push("win=0".to_owned());
    } else if step.packet.reason == Some(SendReason::Ack(AckReason::WindowUpdate))
        || takes_window_back(conversation, index)
    {
        parts.push(format!("win={}", step.segment.window));
    }
    for block in step.segment.sack.iter() {
        let origin = &conversation.origins[step.from.other().index()];
        let (left, right) = (origin.relative(block.left), origin.relative(block.right));
        parts.push(format!("SACK {left}:{right}"));
    }
    parts.extend(syn_options(step));
    fit(parts, must, room)
}

/// The head alone.
pub(crate) fn short_label(conversation: &Conversation<'_>, index: usize) -> String {
    head(conversation, &conversation.steps[index], true)
}

/// Flags and numbers.
fn head(conversation: &Conversation<'_>, step: &Step<'_>, with_len: bool) -> String {
    let segment = &step.segment;
    let seq = conversation.seq(step);
    let flags = words::flags(segment.flags);
    if segment.text_len > 0 {
        let start = seq.wrapping_add(segment.flags.contains(Flags::SYN).into());
        let end = start.wrapping_add(segment.text_len);
        let mut range = format!("{start}:{end}");
        if with_len {
            range += &format!(" ({})", segment.text_len);
        }
        return if segment.flags == Flags::ACK {
            range
        } else {
            format!("{flags} {range}")
        };
    }
    let control = Flags::SYN.with(Flags::FIN).with(Flags::RST);
    if segment.flags.intersects(control) {
        format!("{flags} seq={seq}")
    } else {
        flags
    }
}

/// An acknowledgement number is shown when it is new, or when nothing else is there to show.
fn shows_ack(conversation: &Conversation<'_>, index: usize) -> bool {
    let step = &conversation.steps[index];
    if !step.segment.flags.contains(Flags::ACK) {
        return false;
    }
    let before = conversation.steps[..index]
        .iter()
        .rev()
        .find(|other| other.from == step.from && other.segment.flags.contains(Flags::ACK));
    step.segment.text_len == 0 || before.is_none_or(|other| other.segment.ack != step.segment.ack)
}

/// The window ends before that of the segment before, and not by the rounding of its scale.
pub(crate) fn takes_window_back(conversation: &Conversation<'_>, index: usize) -> bool {
    const ROUNDING: u32 = 256;
    let step = &conversation.steps[index];
    let promises = |step: &Step<'_>| {
        let flags = step.segment.flags;
        flags.contains(Flags::ACK) && !flags.intersects(Flags::SYN.with(Flags::RST))
    };
    let before = conversation.steps[..index].iter().rev();
    let before = before
        .filter(|other| other.from == step.from)
        .find(|other| promises(other));
    let edge = |step: &Step<'_>| step.segment.ack + step.segment.window;
    promises(step) && before.is_some_and(|before| (edge(step) + ROUNDING).before(edge(before)))
}

fn syn_options(step: &Step<'_>) -> Vec<String> {
    let segment = &step.segment;
    if !segment.flags.contains(Flags::SYN) {
        return Vec::new();
    }
    let mut parts = Vec::new();
    parts.extend(segment.cookie_len.map(|len| match len {
        0 => "cookie?".to_owned(),
        _ => "cookie".to_owned(),
    }));
    parts.extend(segment.mss.map(|mss| format!("mss={mss}")));
    parts.extend(segment.sack_permitted.then(|| "sackOK".to_owned()));
    parts.extend(segment.window_scale.map(|shift| format!("ws={shift}")));
    parts.extend(segment.timestamps.map(|_| "TS".to_owned()));
    parts
}

/// What must not be left out.
fn remark(conversation: &Conversation<'_>, index: usize) -> Option<String> {
    let step = &conversation.steps[index];
    if conversation.is_overtaken(index) {
        return Some("late".to_owned());
    }
    if step.packet.forged {
        return Some("forged".to_owned());
    }
    if step.packet.copy_of.is_some() {
        return Some("duplicated".to_owned());
    }
    match step.packet.reason? {
        SendReason::Retransmission { by, .. } => Some(format!("again, {}", sign(by))),
        SendReason::ZeroWindowProbe => Some("window probe".to_owned()),
        SendReason::PathMtuProbe => Some("MTU probe".to_owned()),
        SendReason::KeepAliveProbe => Some("keep-alive probe".to_owned()),
        SendReason::Ack(AckReason::Challenge) => Some("challenge".to_owned()),
        SendReason::SynCookie => Some("SYN cookie".to_owned()),
        _ => None,
    }
}

/// How a loss was found, short.
fn sign(by: LossSign) -> &'static str {
    match by {
        LossSign::FastRetransmit => "3 dup ACKs",
        LossSign::TailLossProbe => "TLP",
        LossSign::SackHole => "hole",
        LossSign::SackRescue => "rescue",
        LossSign::PathMtuProbe => "MTU probe",
        other => words::loss_sign(other),
    }
}

fn fit(parts: Vec<String>, must: Option<String>, room: usize) -> String {
    let reserved = must.as_ref().map_or(0, |must| must.len() + 1);
    let mut text = String::new();
    for part in parts {
        let with = text.len() + usize::from(!text.is_empty()) + part.len();
        if with + reserved > room && !text.is_empty() {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text += &part;
    }
    if let Some(must) = must {
        text.push(' ');
        text += &must;
    }
    text.truncate(room);
    text
}
