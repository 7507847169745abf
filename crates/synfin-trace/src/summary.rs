//! What a conversation amounts to: who closed first, who holds TIME-WAIT, what was lost.

use std::fmt;
use std::time::Duration;

use synfin_core::{CloseReason, Flags, Instant, SendLimit, SeqNum, State};

use crate::conversation::Conversation;
use crate::held;
use crate::mark::{Lifeline, MarkKind};
use crate::timeline::EndId;

/// One end, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One.
    One(EndId),
    /// Both at the same time.
    Both,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Both ends closed, and both are CLOSED.
    Closed,
    /// An end is not CLOSED yet.
    Open,
    /// The SYN was answered by RST.
    Refused,
    /// An end reset it.
    ResetBy(EndId),
    /// An end gave up, for this reason.
    GaveUp(EndId, CloseReason),
}

/// A conversation in figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Who sent the first FIN.
    pub closed_first: Option<Side>,
    /// Who went through TIME-WAIT.
    pub time_wait: Option<Side>,
    /// Octets of text that arrived for the first time and were not refused by a RST, by receiver:
    /// left, right.
    pub octets: [u64; 2],
    /// Segments that were sent.
    pub segments: u64,
    /// Segments that were sent again.
    pub retransmissions: u64,
    /// Packets that the network lost.
    pub lost: u64,
    /// What held each end back from sending, and for how long in all: left, right.
    pub limits: [Vec<(SendLimit, Duration)>; 2],
    /// When both ends were ESTABLISHED for the first time.
    pub opened: Option<Instant>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Summary {
    /// The figures of a conversation.
    pub fn of(conversation: &Conversation<'_>) -> Self {
        let count = |wanted: &dyn Fn(&crate::Packet) -> bool| {
            let steps = conversation.steps.iter();
            steps.filter(|step| wanted(step.packet)).count() as u64
        };
        Self {
            closed_first: closed_first(conversation),
            time_wait: which(conversation, |side| {
                reached(conversation, side, State::TimeWait)
            }),
            octets: [
                octets(conversation, Lifeline::Left),
                octets(conversation, Lifeline::Right),
            ],
            segments: count(&|packet| packet.copy_of.is_none()),
            retransmissions: count(&|packet| {
                packet.is_retransmission() && packet.copy_of.is_none()
            }),
            lost: count(&|packet| packet.lost().is_some()),
            limits: Lifeline::BOTH.map(|side| held::totals(conversation, side)),
            opened: opened(conversation),
            outcome: outcome(conversation),
        }
    }
}

fn reached(conversation: &Conversation<'_>, side: Lifeline, state: State) -> Option<Instant> {
    let changes = conversation.changes(side);
    changes
        .iter()
        .find(|change| change.to == state)
        .map(|change| change.at)
}

fn opened(conversation: &Conversation<'_>) -> Option<Instant> {
    let left = reached(conversation, Lifeline::Left, State::Established)?;
    let right = reached(conversation, Lifeline::Right, State::Established)?;
    Some(left.max(right))
}

fn which(
    conversation: &Conversation<'_>,
    at: impl Fn(Lifeline) -> Option<Instant>,
) -> Option<Side> {
    let [left, right] = conversation.pair.ends;
    match (at(Lifeline::Left), at(Lifeline::Right)) {
        (Some(_), Some(_)) => Some(Side::Both),
        (Some(_), None) => Some(Side::One(left)),
        (None, Some(_)) => Some(Side::One(right)),
        (None, None) => None,
    }
}

/// Whose FIN left while the peer's had not arrived; both if they crossed.
fn closed_first(conversation: &Conversation<'_>) -> Option<Side> {
    which(conversation, |side| {
        reached(conversation, side, State::FinWait1)
    })
}

fn octets(conversation: &Conversation<'_>, receiver: Lifeline) -> u64 {
    let arrived = conversation
        .steps
        .iter()
        .filter(|step| step.from != receiver && step.packet.arrived().is_some());
    // Text that the receiver answered with RST at once was not taken.
    let resets: Vec<Instant> = conversation
        .steps
        .iter()
        .filter(|step| step.from == receiver && step.segment.flags.contains(Flags::RST))
        .map(|step| step.packet.sent)
        .collect();
    // One conversation may hold several connections: a SYN begins a new count.
    let (mut total, mut ranges) = (0u64, Vec::new());
    let mut iss = None;
    for step in arrived {
        let segment = &step.segment;
        let mut start = segment.seq;
        if segment.flags.contains(Flags::SYN) {
            start += 1;
            if iss.replace(segment.seq) != Some(segment.seq) {
                ranges.clear();
            }
        }
        if segment.text_len > 0 && step.packet.arrived().is_some_and(|at| resets.contains(&at)) {
            continue;
        }
        if iss.is_some() && segment.text_len > 0 {
            let new = add_range(&mut ranges, (start, start + segment.text_len));
            total += u64::from(new);
        }
    }
    total
}

/// Adds a range to ranges that neither overlap nor touch, and tells how many octets are new.
fn add_range(ranges: &mut Vec<(SeqNum, SeqNum)>, (start, end): (SeqNum, SeqNum)) -> u32 {
    let mut new = start.distance_to(end);
    let (mut left, mut right) = (start, end);
    ranges.retain(|&(from, to)| {
        if to.before(start) || from.after(end) {
            return true;
        }
        let (first, last) = (from.max(start), to.min(end));
        if last.after(first) {
            new -= first.distance_to(last);
        }
        (left, right) = (left.min(from), right.max(to));
        false
    });
    ranges.push((left, right));
    new
}

fn outcome(conversation: &Conversation<'_>) -> Outcome {
    let gave_up = conversation.marks.iter().find_map(|mark| match mark.what {
        MarkKind::Closed(reason) if is_own_decision(reason) => Some(Outcome::GaveUp(
            conversation.pair.ends[mark.side.index()],
            reason,
        )),
        _ => None,
    });
    if let Some(outcome) = gave_up {
        return outcome;
    }
    let last_reset = conversation
        .steps
        .iter()
        .rev()
        .find(|step| step.segment.flags.contains(Flags::RST) && !step.arrival.is_empty());
    let last_fin = conversation
        .steps
        .iter()
        .rev()
        .find(|step| step.segment.flags.contains(Flags::FIN) && !step.arrival.is_empty());
    if let Some(reset) = last_reset {
        if last_fin.is_none_or(|fin| fin.packet.sent <= reset.packet.sent) {
            let refused = reset
                .arrival
                .iter()
                .any(|change| change.from == State::SynSent);
            return if refused {
                Outcome::Refused
            } else {
                Outcome::ResetBy(reset.packet.from)
            };
        }
    }
    let is_over = |side| {
        matches!(
            conversation.last_state(side),
            Some(State::Closed | State::Listen)
        )
    };
    if is_over(Lifeline::Left) && is_over(Lifeline::Right) {
        Outcome::Closed
    } else {
        Outcome::Open
    }
}

pub(crate) fn is_own_decision(reason: CloseReason) -> bool {
    !matches!(
        reason,
        CloseReason::Graceful
            | CloseReason::ResetByPeer
            | CloseReason::Aborted
            | CloseReason::Refused
    )
}

impl Outcome {
    /// In words, with the names of a conversation's hosts.
    pub fn words(self, conversation: &Conversation<'_>) -> String {
        let name = |end| conversation.timeline.name(end);
        match self {
            Self::Closed => "closed".to_owned(),
            Self::Open => "not closed by both ends".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::ResetBy(end) => format!("reset by {}", name(end)),
            Self::GaveUp(end, reason) => format!("{} gave up: {reason}", name(end)),
        }
    }
}

impl Side {
    /// The name of the host, or `both`.
    pub fn words<'a>(self, conversation: &Conversation<'a>) -> &'a str {
        match self {
            Self::One(end) => conversation.timeline.name(end),
            Self::Both => "both",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Refused => "refused",
            Self::ResetBy(_) => "reset",
            Self::GaveUp(..) => "gave up",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octet_counts_once_in_any_order() {
        let at = |count| SeqNum::new(u32::MAX) + count;
        let mut ranges = Vec::new();
        let mut add = |from, to| add_range(&mut ranges, (at(from), at(to)));
        assert_eq!(add(0, 10), 10);
        assert_eq!(add(20, 30), 10, "above a gap");
        assert_eq!(add(0, 10), 0, "again");
        assert_eq!(add(5, 25), 10, "fills the gap");
        assert_eq!(add(0, 31), 1);
        assert_eq!(ranges, [(at(0), at(31))]);
    }
}
