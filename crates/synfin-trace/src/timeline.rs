//! The input of everything: what both ends traced, and what became of each packet.

use std::collections::BTreeMap;

use synfin_core::{Instant, TraceEvent, TraceRecord, TraceSeq};

use crate::packet::{self, Fate, Packet, PacketId};

/// A host of a timeline, in the order in which they were named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndId(pub usize);

/// What several hosts did in one run, on one clock.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// When the run began.
    pub start: Option<Instant>,
    /// The names of the hosts.
    pub ends: Vec<String>,
    /// What happened in the hosts, by time; within a host in its own order.
    pub entries: Vec<Entry>,
    /// Every packet, by the time at which it left.
    pub packets: Vec<Packet>,
}

/// Something that happened in a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// Where.
    pub end: EndId,
    /// How often the host had restarted by then; flow ids belong to one life.
    pub life: u32,
    /// What.
    pub what: Happening,
}

/// What happened in a host.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Happening {
    /// A record of its engine.
    Record(TraceRecord),
    /// Something that its application saw.
    Note(String),
    /// The host went silent.
    Crashed,
    /// The host forgot everything and started again.
    Restarted,
}

/// A packet's way through the network, as the network knows it.
#[derive(Clone, Debug)]
pub struct Trip {
    /// Who sent it.
    pub from: EndId,
    /// Who was to get it.
    pub to: EndId,
    /// When it left.
    pub sent: Instant,
    /// What became of it.
    pub fate: Fate,
    /// Its link header; empty where there is none.
    pub link_header: Vec<u8>,
    /// The packet, from its IP header on; where the link header says so, another unit.
    pub octets: Vec<u8>,
    /// The record of the sender that tells why.
    pub trace: Option<TraceSeq>,
    /// The packet of which this is a copy that the network made.
    pub copy_of: Option<PacketId>,
    /// Somebody else has sent it in the name of `from`.
    pub forged: bool,
}

/// Collects a [`Timeline`].
#[derive(Clone, Debug, Default)]
pub struct TimelineBuilder {
    timeline: Timeline,
    lives: Vec<u32>,
    /// Where the record of a sent segment stands.
    sent: BTreeMap<(EndId, u32, TraceSeq), usize>,
    pending: Vec<(EndId, u32, TraceSeq, usize)>,
}

impl TimelineBuilder {
    /// An empty timeline of a run that began at `start`.
    pub fn new(start: Instant) -> Self {
        let mut builder = Self::default();
        builder.timeline.start = Some(start);
        builder
    }

    /// Names the next host.
    pub fn end(&mut self, name: impl Into<String>) -> EndId {
        self.timeline.ends.push(name.into());
        self.lives.push(0);
        EndId(self.timeline.ends.len() - 1)
    }

    /// A record of a host's engine.
    pub fn record(&mut self, end: EndId, record: TraceRecord) {
        if matches!(record.event, TraceEvent::Sent { .. }) {
            let key = (end, self.lives[end.0], record.seq);
            self.sent.insert(key, self.timeline.entries.len());
        }
        self.push(end, record.at, Happening::Record(record));
    }

    /// Something that a host's application saw.
    pub fn note(&mut self, end: EndId, at: Instant, text: impl Into<String>) {
        self.push(end, at, Happening::Note(text.into()));
    }

    /// A host went silent.
    pub fn crashed(&mut self, end: EndId, at: Instant) {
        self.push(end, at, Happening::Crashed);
    }

    /// A host forgot everything and started again: its flow ids begin anew.
    pub fn restarted(&mut self, end: EndId, at: Instant) {
        self.push(end, at, Happening::Restarted);
        self.lives[end.0] += 1;
    }

    /// A packet left; its fate may be told later.
    pub fn packet(&mut self, trip: Trip) -> PacketId {
        let id = PacketId(self.timeline.packets.len());
        let life = self.lives[trip.from.0];
        if let Some(seq) = trip.trace {
            self.pending.push((trip.from, life, seq, id.0));
        }
        self.timeline.packets.push(packet::parse(id, life, trip));
        id
    }

    /// What became of a packet.
    pub fn fate(&mut self, id: PacketId, fate: Fate) {
        self.timeline.packets[id.0].fate = fate;
    }

    /// The timeline so far.
    pub fn build(&self) -> Timeline {
        let mut timeline = self.timeline.clone();
        for (end, life, seq, packet) in &self.pending {
            let Some(&at) = self.sent.get(&(*end, *life, *seq)) else {
                continue;
            };
            if let Happening::Record(record) = &self.timeline.entries[at].what {
                timeline.packets[*packet].explain(record);
            }
        }
        timeline.entries.sort_by_key(|entry| entry.at);
        timeline
    }

    fn push(&mut self, end: EndId, at: Instant, what: Happening) {
        let life = self.lives[end.0];
        self.timeline.entries.push(Entry {
            at,
            end,
            life,
            what,
        });
    }
}

impl Timeline {
    /// Seconds since the run began.
    pub fn seconds(&self, at: Instant) -> f64 {
        let start = self.start.unwrap_or(Instant::START);
        at.saturating_duration_since(start).as_nanos() as f64 / 1e9
    }

    /// The name of a host.
    pub fn name(&self, end: EndId) -> &str {
        self.ends.get(end.0).map_or("?", String::as_str)
    }

    /// The record of an entry, if it is one.
    pub(crate) fn record(entry: &Entry) -> Option<&TraceRecord> {
        match &entry.what {
            Happening::Record(record) => Some(record),
            _ => None,
        }
    }
}
