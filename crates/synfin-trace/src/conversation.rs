//! One pair of ports: its packets, and to each the changes of state that it caused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use synfin_core::{
    Cause, CloseReason, FlowId, FourTuple, Instant, SegmentRecord, State, TimerKind, TraceEvent,
};

use crate::held::{Stretch, Watch};
use crate::mark::{Change, Lifeline, Mark, MarkKind};
use crate::numbers::Origins;
use crate::packet::Packet;
use crate::timeline::{EndId, Entry, Happening, Timeline};
use crate::words;

/// Two ends that talk: the host that was named first stands left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortPair {
    /// The hosts.
    pub ends: [EndId; 2],
    /// Their addresses and ports.
    pub addrs: [SocketAddr; 2],
}

/// A packet of a conversation.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The packet.
    pub packet: &'a Packet,
    /// Its segment.
    pub segment: SegmentRecord,
    /// Which lifeline it leaves.
    pub from: Lifeline,
    /// Changes of the sender's state that it announces.
    pub departure: Vec<Change>,
    /// Changes of the receiver's state that it causes.
    pub arrival: Vec<Change>,
}

/// What happened on one pair of ports.
#[derive(Clone, Debug)]
pub struct Conversation<'a> {
    /// Where it belongs.
    pub timeline: &'a Timeline,
    /// Who talks.
    pub pair: PortPair,
    /// The states in which the ends begin.
    pub initial: [State; 2],
    /// The packets, as they left.
    pub steps: Vec<Step<'a>>,
    /// Everything beside the lifelines that belongs to no packet, by time.
    pub marks: Vec<Mark>,
    pub(crate) origins: [Origins; 2],
}

impl PortPair {
    fn of(packet: &Packet, tuple: &FourTuple) -> Self {
        if packet.from < packet.to {
            Self {
                ends: [packet.from, packet.to],
                addrs: [tuple.local, tuple.remote],
            }
        } else {
            Self {
                ends: [packet.to, packet.from],
                addrs: [tuple.remote, tuple.local],
            }
        }
    }

    fn side(&self, end: EndId) -> Option<Lifeline> {
        Lifeline::BOTH
            .into_iter()
            .find(|side| self.ends[side.index()] == end)
    }

    /// Whether a flow that `end` calls by this tuple is this one.
    fn holds(&self, end: EndId, tuple: &FourTuple) -> bool {
        self.side(end).is_some_and(|side| {
            self.addrs[side.index()] == tuple.local
                && self.addrs[side.other().index()] == tuple.remote
        })
    }
}

impl<'a> Conversation<'a> {
    /// All conversations of a timeline, in the order of their first packets.
    pub fn all(timeline: &'a Timeline) -> Vec<Self> {
        let mut found: Vec<(PortPair, Vec<Step<'a>>)> = Vec::new();
        let mut places: BTreeMap<[SocketAddr; 2], usize> = BTreeMap::new();
        for packet in &timeline.packets {
            let (Some(tuple), Some(segment)) = (packet.tuple, packet.segment) else {
                continue;
            };
            let pair = PortPair::of(packet, &tuple);
            let from = pair.side(packet.from).unwrap_or(Lifeline::Left);
            let place = *places.entry(pair.addrs).or_insert_with(|| {
                found.push((pair, Vec::new()));
                found.len() - 1
            });
            found[place].1.push(Step {
                packet,
                segment,
                from,
                departure: Vec::new(),
                arrival: Vec::new(),
            });
        }
        found
            .into_iter()
            .map(|(pair, steps)| Self::new(timeline, pair, steps))
            .collect()
    }

    fn new(timeline: &'a Timeline, pair: PortPair, steps: Vec<Step<'a>>) -> Self {
        let mut conversation = Self {
            timeline,
            pair,
            initial: [State::Closed; 2],
            steps,
            marks: Vec::new(),
            origins: Default::default(),
        };
        learn_origins(&mut conversation);
        for side in Lifeline::BOTH {
            attach(&mut conversation, side);
        }
        conversation.marks.sort_by_key(|mark| mark.at);
        conversation
    }

    /// `SEG.SEQ`, counted from the sender's SYN.
    pub fn seq(&self, step: &Step<'_>) -> u32 {
        self.origins[step.from.index()].relative(step.segment.seq)
    }

    /// `SEG.ACK`, counted from the SYN of the other end.
    pub fn ack(&self, step: &Step<'_>) -> u32 {
        self.origins[step.from.other().index()].relative(step.segment.ack)
    }

    /// How long a packet usually travels: the median.
    pub(crate) fn usual_flight(&self) -> Duration {
        let mut flights: Vec<Duration> = self
            .steps
            .iter()
            .filter_map(|step| {
                let arrived = step.packet.arrived()?;
                Some(arrived.saturating_duration_since(step.packet.sent))
            })
            .collect();
        flights.sort_unstable();
        let middle = flights.get(flights.len() / 2).copied();
        middle.unwrap_or(Duration::from_millis(1))
    }

    /// Whether packets that left later arrived before this one.
    pub(crate) fn is_overtaken(&self, index: usize) -> bool {
        let step = &self.steps[index];
        let Some(arrived) = step.packet.arrived() else {
            return false;
        };
        let later = self.steps[index + 1..].iter();
        later
            .take_while(|other| other.packet.sent < arrived)
            .any(|other| {
                other.from == step.from && other.packet.arrived().is_some_and(|at| at < arrived)
            })
    }

    /// The state in which an end is at last; `None` if its host is gone.
    pub(crate) fn last_state(&self, side: Lifeline) -> Option<State> {
        let changes = self.changes(side);
        let last = changes.last();
        let gone = self.marks.iter().rev().find(|mark| {
            mark.side == side && matches!(mark.what, MarkKind::Crashed | MarkKind::Restarted)
        });
        match gone {
            Some(mark) if last.is_none_or(|change| change.at <= mark.at) => {
                (mark.what == MarkKind::Restarted).then_some(State::Closed)
            }
            _ => Some(last.map_or(self.initial[side.index()], |change| change.to)),
        }
    }

    /// Every change of state of one end, by time.
    pub fn changes(&self, side: Lifeline) -> Vec<Change> {
        let departures = self.steps.iter().filter(|step| step.from == side);
        let arrivals = self.steps.iter().filter(|step| step.from != side);
        let alone = self.marks.iter().filter(|mark| mark.side == side);
        let mut changes: Vec<Change> = departures
            .flat_map(|step| step.departure.iter().copied())
            .chain(arrivals.flat_map(|step| step.arrival.iter().copied()))
            .chain(alone.filter_map(|mark| match mark.what {
                MarkKind::State(change) => Some(change),
                _ => None,
            }))
            .collect();
        changes.sort_by_key(|change| change.at);
        changes
    }
}

/// Each SYN begins a new count from 0, unless something of the count before is still under way:
/// then the two go on as one, so that a reader can tell their segments apart.
fn learn_origins(conversation: &mut Conversation<'_>) {
    let mut last_arrival = [None::<Instant>; 2];
    // A forged SYN is none of the sender's.
    for step in conversation.steps.iter().filter(|step| !step.packet.forged) {
        let side = step.from.index();
        let sent = step.packet.sent;
        let meets_old = last_arrival[side].is_some_and(|arrival| arrival > sent);
        conversation.origins[side].learn(&step.segment, meets_old);
        last_arrival[side] = last_arrival[side].max(step.packet.arrived());
    }
}

/// Goes through what one end traced and attaches its changes to packets.
struct Attacher {
    side: Lifeline,
    /// Flows of this conversation, by life.
    flows: Vec<(u32, FlowId)>,
    set: Vec<(TimerKind, Instant)>,
    /// The step whose arrival was traced last.
    arrived: Option<usize>,
    taken: Vec<bool>,
    /// Changes that the next segment of the same instant announces.
    announced: Vec<Change>,
    held: Watch,
    first: bool,
}

fn attach(conversation: &mut Conversation<'_>, side: Lifeline) {
    let end = conversation.pair.ends[side.index()];
    let timeline = conversation.timeline;
    let mut attacher = Attacher {
        side,
        flows: Vec::new(),
        set: Vec::new(),
        arrived: None,
        taken: vec![false; conversation.steps.len()],
        announced: Vec::new(),
        held: Watch::default(),
        first: true,
    };
    let mut entries = timeline.entries.iter().filter(|entry| entry.end == end);
    for entry in entries.clone() {
        attacher.entry(conversation, entry);
    }
    attacher.give_up_announced(conversation, None);
    if let Some(last) = entries.next_back() {
        let stretch = attacher.held.end(last.at);
        attacher.held(conversation, stretch);
    }
}

impl Attacher {
    fn entry(&mut self, conversation: &mut Conversation<'_>, entry: &Entry) {
        self.give_up_announced(conversation, Some(entry.at));
        let record = match &entry.what {
            Happening::Record(record) => record,
            Happening::Note(text) => {
                return self.mark(conversation, entry.at, MarkKind::Note(text.clone()));
            }
            Happening::Crashed => {
                let stretch = self.held.end(entry.at);
                self.held(conversation, stretch);
                return self.mark(conversation, entry.at, MarkKind::Crashed);
            }
            Happening::Restarted => return self.mark(conversation, entry.at, MarkKind::Restarted),
        };
        if let TraceEvent::Opened { tuple, .. } = &record.event {
            if conversation.pair.holds(entry.end, tuple) {
                self.flows.push((entry.life, record.flow));
            }
            return;
        }
        if self.flows.contains(&(entry.life, record.flow)) {
            self.event(conversation, record.at, &record.event);
        } else if record.flow == FlowId::NONE {
            if let TraceEvent::Received { segment } = &record.event {
                self.received(conversation, record.at, segment);
            }
        }
    }

    fn held(&self, conversation: &mut Conversation<'_>, stretch: Option<Stretch>) {
        if let Some(Stretch { since, by, lasted }) = stretch {
            self.mark(conversation, since, MarkKind::Held { by, lasted });
        }
    }

    fn event(&mut self, conversation: &mut Conversation<'_>, at: Instant, event: &TraceEvent) {
        let stretch = self.held.event(at, event);
        self.held(conversation, stretch);
        match event {
            TraceEvent::State { from, to, cause } => {
                let change = Change {
                    at,
                    from: *from,
                    to: *to,
                    cause: *cause,
                };
                self.change(conversation, change);
            }
            TraceEvent::Received { segment } => self.received(conversation, at, segment),
            TraceEvent::Sent { segment, .. } => self.sent(conversation, at, segment),
            TraceEvent::TimerSet { timer, .. } => {
                self.start_timer(*timer, at);
            }
            TraceEvent::TimerFired { timer, attempt } => {
                let set = self.set.iter().find(|(other, _)| other == timer);
                let since = set.map_or(at, |(_, since)| *since);
                self.start_timer(*timer, at);
                let ran = at.saturating_duration_since(since);
                if is_worth_a_word(*timer, ran) {
                    let attempt = *attempt;
                    let timer = *timer;
                    let what = MarkKind::Timer {
                        timer,
                        ran,
                        attempt,
                    };
                    self.mark(conversation, at, what);
                }
            }
            TraceEvent::Ecn(event) => {
                if let Some(what) = words::ecn_change(*event) {
                    self.mark(conversation, at, MarkKind::Ecn(what));
                }
            }
            TraceEvent::Recovery(event) => {
                if let Some(what) = words::recovery_finding(*event) {
                    self.mark(conversation, at, MarkKind::Recovery(what));
                }
            }
            TraceEvent::PathMtu(event) => {
                if let Some(what) = words::path_mtu_change(*event) {
                    self.mark(conversation, at, MarkKind::PathMtu(what));
                }
            }
            TraceEvent::TimerCancelled { timer } => self.cancelled(conversation, at, *timer),
            TraceEvent::Closed(reason) if *reason != CloseReason::Graceful => {
                self.mark(conversation, at, MarkKind::Closed(*reason));
            }
            _ => {}
        }
    }

    /// A timer that fires starts again.
    fn start_timer(&mut self, timer: TimerKind, at: Instant) {
        self.set.retain(|(other, _)| *other != timer);
        self.set.push((timer, at));
    }

    fn cancelled(&mut self, conversation: &mut Conversation<'_>, at: Instant, timer: TimerKind) {
        let Some(place) = self.set.iter().position(|(other, _)| *other == timer) else {
            return;
        };
        let (_, since) = self.set.swap_remove(place);
        let ran = at.saturating_duration_since(since);
        if is_worth_a_word(timer, ran) {
            self.mark(conversation, at, MarkKind::Cancelled { timer, ran });
        }
    }

    fn change(&mut self, conversation: &mut Conversation<'_>, change: Change) {
        if std::mem::take(&mut self.first) {
            conversation.initial[self.side.index()] = change.from;
        }
        let step = self.arrived.map(|at| &mut conversation.steps[at]);
        match step {
            Some(step) if by_segment(change.cause) => step.arrival.push(change),
            _ if by_call(change.cause) => self.announced.push(change),
            _ => self.mark(conversation, change.at, MarkKind::State(change)),
        }
    }

    /// The earliest packet that arrived now and looks like this.
    fn received(&mut self, conversation: &Conversation<'_>, at: Instant, segment: &SegmentRecord) {
        let side = self.side;
        let is_it = |step: &Step<'_>| {
            step.from != side
                && step.packet.arrived() == Some(at)
                && step.segment.seq == segment.seq
                && step.segment.ack == segment.ack
                && step.segment.flags == segment.flags
                && step.segment.text_len == segment.text_len
        };
        let taken = &self.taken;
        let find = |free: bool| {
            let mut steps = conversation.steps.iter().enumerate();
            steps
                .find(|(index, step)| (!free || !taken[*index]) && is_it(step))
                .map(|(index, _)| index)
        };
        // A SYN that ends TIME-WAIT is received twice: by the old incarnation and by the new one.
        self.arrived = find(true).or_else(|| find(false));
        if let Some(index) = self.arrived {
            self.taken[index] = true;
        }
    }

    fn sent(&mut self, conversation: &mut Conversation<'_>, at: Instant, segment: &SegmentRecord) {
        if self.announced.is_empty() {
            return;
        }
        let side = self.side;
        let step = conversation.steps.iter_mut().find(|step| {
            step.from == side
                && step.packet.sent == at
                && step.segment.seq == segment.seq
                && step.segment.flags == segment.flags
                && segment.flags.intersects(
                    synfin_core::Flags::FIN
                        .with(synfin_core::Flags::SYN)
                        .with(synfin_core::Flags::RST),
                )
        });
        if let Some(step) = step {
            step.departure.append(&mut self.announced);
        }
    }

    /// What no segment of the same instant announced stands alone.
    fn give_up_announced(&mut self, conversation: &mut Conversation<'_>, now: Option<Instant>) {
        let due = self
            .announced
            .first()
            .is_some_and(|change| now != Some(change.at));
        if due {
            for change in std::mem::take(&mut self.announced) {
                self.mark(conversation, change.at, MarkKind::State(change));
            }
        }
    }

    fn mark(&self, conversation: &mut Conversation<'_>, at: Instant, what: MarkKind) {
        let side = self.side;
        conversation.marks.push(Mark { at, side, what });
    }
}

fn by_segment(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Syn
            | Cause::SynAck
            | Cause::AckOfSyn
            | Cause::Fin
            | Cause::AckOfFin
            | Cause::FinAndAckOfFin
            | Cause::Reset
            | Cause::Unreachable
    )
}

fn by_call(cause: Cause) -> bool {
    matches!(cause, Cause::ActiveOpen | Cause::Close | Cause::Abort)
}

/// The short ones explain nothing that the segment after them does not say itself.
fn is_worth_a_word(timer: TimerKind, ran: Duration) -> bool {
    !matches!(timer, TimerKind::DelayedAck | TimerKind::Pacing) && !ran.is_zero()
}
