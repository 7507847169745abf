//! What is kept of a run for those who want to see it.

use synfin_core::Instant;
use synfin_trace::{EndId, Fate, PacketId, Timeline, TimelineBuilder, Trip};

use crate::host::HostId;
use crate::link::LinkId;
use crate::sim::{Arrival, START, Sim, TRACE_CAPACITY};

impl Sim {
    /// Keeps every packet and every trace record from now on, for [`timeline`](Self::timeline).
    /// To be called before anything happens.
    pub fn record(&mut self) {
        self.recorder = Some(TimelineBuilder::new(START));
        for index in 0..self.hosts.len() {
            self.register(HostId(index));
        }
    }

    /// What happened so far; empty unless [`record`](Self::record) was called.
    pub fn timeline(&self) -> Timeline {
        let recorder = self.recorder.as_ref();
        recorder.map_or_else(Timeline::default, TimelineBuilder::build)
    }

    /// Adds the words of a host's application to the record.
    pub fn note(&mut self, host: HostId, at: Instant, text: impl Into<String>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(EndId(host.0), at, text);
        }
    }

    pub(super) fn register(&mut self, host: HostId) {
        if let Some(recorder) = &mut self.recorder {
            recorder.end(self.hosts[host.0].name.clone());
            self.trace_if_recorded(host);
        }
    }

    pub(super) fn trace_if_recorded(&mut self, host: HostId) {
        if self.recorder.is_some() {
            if let Some(engine) = &mut self.hosts[host.0].engine {
                engine.stack.set_trace_capacity(TRACE_CAPACITY);
            }
        }
    }

    pub(super) fn record_traces(&mut self, host: usize) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        if let Some(engine) = &mut self.hosts[host].engine {
            while let Some(record) = engine.stack.poll_trace() {
                recorder.record(EndId(host), record);
            }
        }
    }

    pub(super) fn record_packet(&mut self, trip: impl FnOnce(Instant) -> Trip) -> Option<PacketId> {
        let now = self.now;
        self.recorder
            .as_mut()
            .map(|recorder| recorder.packet(trip(now)))
    }

    /// The same of a packet on a link, unless that is left out.
    pub(super) fn record_packet_on(
        &mut self,
        link: usize,
        trip: impl FnOnce(Instant) -> Trip,
    ) -> Option<PacketId> {
        if self.links[link].left_out {
            return None;
        }
        self.record_packet(trip)
    }

    /// Keeps no packet of this link: a crowd that nobody wants to see one by one.
    pub fn leave_out(&mut self, link: LinkId) {
        self.links[link.0].left_out = true;
    }

    pub(super) fn record_fate(&mut self, packet: Option<PacketId>, fate: Fate) {
        if let (Some(recorder), Some(packet)) = (&mut self.recorder, packet) {
            recorder.fate(packet, fate);
        }
    }

    pub(super) fn note_arrival(&mut self, arrival: &Arrival) {
        let fate = if self.hosts[arrival.host].crashed {
            Fate::Lost("gone")
        } else if arrival.corrupted {
            Fate::Lost("corrupted")
        } else {
            Fate::Arrived(self.now)
        };
        self.record_fate(arrival.packet, fate);
    }

    pub(super) fn note_crash(&mut self, host: HostId) {
        self.record_traces(host.0);
        let now = self.now;
        if let Some(recorder) = &mut self.recorder {
            recorder.crashed(EndId(host.0), now);
        }
    }

    pub(super) fn note_restart(&mut self, host: HostId) {
        self.record_traces(host.0);
        let now = self.now;
        if let Some(recorder) = &mut self.recorder {
            recorder.restarted(EndId(host.0), now);
        }
    }
}
