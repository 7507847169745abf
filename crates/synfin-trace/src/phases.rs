//! One sentence per phase: opening, transfer, closing, end.

use synfin_core::{LossSign, SendReason, State, TraceEvent};

use crate::conversation::Conversation;
use crate::held;
use crate::mark::Lifeline;
use crate::summary::{Outcome, Side, Summary};
use crate::timeline::Timeline;
use crate::words;

/// A sentence for each phase of a conversation.
pub fn phases(conversation: &Conversation<'_>) -> Vec<String> {
    let summary = Summary::of(conversation);
    [
        opening(conversation, &summary),
        transfer(conversation, &summary),
        losses(conversation, &summary),
        held_back(conversation, &summary),
        closing(conversation, &summary),
        Some(end(conversation, &summary)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn opening(conversation: &Conversation<'_>, summary: &Summary) -> Option<String> {
    let opened = summary.opened?;
    let first = conversation.steps.first()?.packet.sent;
    let took = opened.saturating_duration_since(first);
    let both = Lifeline::BOTH.iter().all(|side| {
        let changes = conversation.changes(*side);
        changes.iter().any(|change| change.to == State::SynSent)
    });
    let how = if both { ", by both ends at once" } else { "" };
    Some(format!("Opened in {}{how}.", words::span(took)))
}

fn transfer(conversation: &Conversation<'_>, summary: &Summary) -> Option<String> {
    let [to_left, to_right] = summary.octets;
    if to_left + to_right == 0 {
        return None;
    }
    let [left, right] = conversation
        .pair
        .ends
        .map(|end| conversation.timeline.name(end));
    Some(format!(
        "{} from {left} to {right}, {} back.",
        words::octets(to_right),
        words::octets(to_left)
    ))
}

fn losses(conversation: &Conversation<'_>, summary: &Summary) -> Option<String> {
    if summary.lost + summary.retransmissions == 0 {
        return None;
    }
    let mut signs: Vec<LossSign> = Vec::new();
    for step in &conversation.steps {
        if let Some(SendReason::Retransmission { by, .. }) = step.packet.reason {
            if !signs.contains(&by) {
                signs.push(by);
            }
        }
    }
    let by: Vec<&str> = signs.iter().map(|sign| words::loss_sign(*sign)).collect();
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(" (by {})", by.join(", "))
    };
    let lost = count(summary.lost, "packet lost", "packets lost");
    let again = count(summary.retransmissions, "retransmission", "retransmissions");
    let cut = window_cut(conversation);
    Some(format!("{}, {again}{by}{cut}.", capital(&lost)))
}

/// What held the ends back for so long that it can be seen, the longest first.
fn held_back(conversation: &Conversation<'_>, summary: &Summary) -> Option<String> {
    let usual = conversation.usual_flight();
    let mut parts = Vec::new();
    for (end, limits) in conversation.pair.ends.iter().zip(&summary.limits) {
        let mut shown: Vec<_> = limits
            .iter()
            .filter(|(by, lasted)| held::is_shown(*by, *lasted, usual))
            .collect();
        shown.sort_by_key(|(_, lasted)| std::cmp::Reverse(*lasted));
        let name = conversation.timeline.name(*end);
        for (index, (by, lasted)) in shown.into_iter().enumerate() {
            let (by, lasted) = (words::send_limit(*by), words::span(*lasted));
            parts.push(match index {
                0 => format!("{name} was held back by {by} for {lasted}"),
                _ => format!("by {by} for {lasted}"),
            });
        }
    }
    (!parts.is_empty()).then(|| format!("{}.", capital(&parts.join(", "))))
}

/// What loss recovery did to the congestion window, if it was once only.
fn window_cut(conversation: &Conversation<'_>) -> String {
    let records = conversation
        .timeline
        .entries
        .iter()
        .filter_map(Timeline::record);
    let cuts: Vec<u32> = records
        .filter_map(|record| match record.event {
            TraceEvent::Congestion { ssthresh, .. } if ssthresh != u32::MAX => Some(ssthresh),
            _ => None,
        })
        .collect();
    match cuts.last() {
        Some(ssthresh) => format!("; ssthresh {}", words::octets(u64::from(*ssthresh))),
        None => String::new(),
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

fn closing(conversation: &Conversation<'_>, summary: &Summary) -> Option<String> {
    let who = |side: Side| match side {
        Side::One(end) => conversation.timeline.name(end).to_owned(),
        Side::Both => "both".to_owned(),
    };
    let closed = match summary.closed_first? {
        Side::Both if crossed(conversation) => "Both ends closed at the same time".to_owned(),
        Side::Both => "Both ends closed once each".to_owned(),
        side @ Side::One(_) => format!("{} closed first", capital(&who(side))),
    };
    Some(match summary.time_wait {
        None => format!("{closed}; nobody holds TIME-WAIT."),
        Some(Side::Both) => format!("{closed}, and both hold TIME-WAIT."),
        Some(side) if Some(side) == summary.closed_first => {
            format!("{closed} and holds TIME-WAIT.")
        }
        Some(side) => format!("{closed}; {} holds TIME-WAIT.", who(side)),
    })
}

fn crossed(conversation: &Conversation<'_>) -> bool {
    Lifeline::BOTH.iter().any(|side| {
        let changes = conversation.changes(*side);
        changes.iter().any(|change| change.to == State::Closing)
    })
}

fn end(conversation: &Conversation<'_>, summary: &Summary) -> String {
    let last = Lifeline::BOTH.map(|side| {
        let state = conversation.last_state(side);
        state.map_or("gone", State::as_str)
    });
    let [left, right] = conversation
        .pair
        .ends
        .map(|end| conversation.timeline.name(end));
    match summary.outcome {
        Outcome::Closed => "In the end both ends are CLOSED.".to_owned(),
        outcome => format!(
            "{}: in the end {left} is {}, {right} {}.",
            capital(&outcome.words(conversation)),
            last[0],
            last[1]
        ),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
