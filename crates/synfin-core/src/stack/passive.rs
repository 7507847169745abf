//! What is not a connection yet, or no more: SYNs at listeners, half-open entries, TIME-WAIT.

use core::net::SocketAddr;

use synfin_wire::{Flags, FourTuple};

use crate::config::AcceptOverflow;
use crate::counters::DropReason;
use crate::demux::{FlowKey, Place};
use crate::driver::DeviceId;
use crate::event::{CloseReason, Event, IncomingId, ListenerId};
use crate::ip::icmp::{IcmpError, IcmpKind};
use crate::replies::{Reply, SegmentReply};
use crate::slab::SlotId;
use crate::stack::syn_queue::{Admission, Target};
use crate::stack::{EventSource, Stack};
use crate::state::{Cause, State};
use crate::tcp::connection::{ColdMarks, Connection, Events, Marks};
use crate::tcp::destination;
use crate::tcp::ecn;
use crate::tcp::half_open::{HalfOpen, Offer, Phase, Verdict, first_window};
use crate::tcp::recv::window as recv_window;
use crate::tcp::reset::{self, ChallengeLimiter};
use crate::tcp::segment::{Arrival, Seg};
use crate::tcp::segment_arrives::{Origin, segment_arrives};
use crate::tcp::time_wait::{self, TimeWaitRecord};
use crate::time::Tick;
use crate::trace::{AckReason, ResetReason, Role, SendReason, TimerKind, TraceEvent};

impl Stack {
    /// The listener for a local address: the most specific wins. covers: EV-1
    pub(super) fn find_listener(&self, local: &SocketAddr) -> Option<ListenerId> {
        let addresses = &self.tables.addresses;
        let own = addresses.own_id(local.ip());
        let addr = own.or_else(|| addresses.lookup(local.ip()));
        let own = own.is_some();
        let port = Some(local.port());
        let candidates = [(port, addr), (port, None), (None, addr), (None, None)];
        candidates.into_iter().find_map(|key| {
            let id = self.listener_index.get(&key)?;
            let listener = self.listeners.get(id.0)?;
            (own || listener.options.foreign).then_some(id)
        })
    }

    /// A segment for a listener (RFC 9293 section 3.10.7.2).
    /// covers: EV-15, ST-101 to ST-105, ST-108, ST-109, RG-4, RG-5, RG-6
    pub(super) fn deliver_to_listener(
        &mut self,
        id: ListenerId,
        origin: Origin,
        arrival: &mut Arrival,
        ttl: u8,
    ) {
        let seg = &arrival.seg;
        if seg.rst() {
            self.cx.counters.count_drop(DropReason::ResetNoConnection);
        } else if seg.has_ack() {
            self.deliver_ack_to_listener(id, origin, arrival);
        } else if !seg.syn() {
            self.cx.counters.count_drop(DropReason::NothingForListener);
        } else {
            match self.admit_syn(id, origin, seg, Target::Listener) {
                Ok(Admission::Cookie) => self.answer_with_cookie(id, origin, seg),
                Ok(Admission::Entry) => {
                    self.open_half(id, origin, seg, ttl, None);
                    self.open_fast(id, origin, arrival);
                }
                Err(reason) => {
                    self.cx.counters.listen_drops += 1;
                    self.cx.counters.count_drop(reason);
                }
            }
        }
    }

    fn deliver_ack_to_listener(&mut self, id: ListenerId, origin: Origin, arrival: &mut Arrival) {
        if !self.take_cookie(id, origin, arrival) {
            let (seg, flow) = (&arrival.seg, crate::trace::FlowId::NONE);
            reset::answer(&mut self.cx, origin, seg, flow, ResetReason::NoConnection);
        }
    }

    /// Makes a half-open entry for a SYN. `prior` is the TIME-WAIT record it takes over.
    fn open_half(
        &mut self,
        id: ListenerId,
        origin: Origin,
        seg: &Seg,
        ttl: u8,
        prior: Option<SlotId>,
    ) {
        let tuple = origin.tuple;
        let Some(local) = self.tables.addresses.intern(tuple.local.ip()) else {
            self.cx.counters.count_drop(DropReason::ConnectionLimit);
            return;
        };
        let Some(entry) = self.half_open_entry(id, FlowKey::of(&tuple, local), origin, seg) else {
            self.tables.addresses.release(local);
            self.cx.counters.count_drop(DropReason::NoRoute);
            return;
        };
        let deferred = entry.phase == Phase::Undecided;
        let flow = entry.flow;
        let entry = HalfOpen {
            prior,
            syn_ttl: ttl,
            ..entry
        };
        let Ok(slot) = self.tables.half_open.insert(entry) else {
            self.tables.addresses.release(local);
            self.cx.counters.count_drop(DropReason::SynQueueFull);
            return;
        };
        self.enter_syn_queue(id, slot);
        self.totals.enter(State::SynReceived);
        self.cx.counters.passive_opens += 1;
        if let Some(prior) = prior {
            self.remove_flow(&tuple, Place::TimeWait(prior.index));
        }
        self.insert_flow(&tuple, Place::HalfOpen(slot.index));
        self.trace_syn(flow, tuple, seg);
        if deferred {
            self.file_half_open(slot);
            let event = Event::Incoming {
                listener: id,
                id: IncomingId(slot),
            };
            self.events.push_back(EventSource::Ready(event));
        } else {
            self.mark_half_open_ready(slot.index);
        }
    }

    pub(super) fn half_open_entry(
        &mut self,
        id: ListenerId,
        key: FlowKey,
        origin: Origin,
        seg: &Seg,
    ) -> Option<HalfOpen> {
        let tuple = origin.tuple;
        let (device, device_mtu) = self.path_to(tuple.remote.ip())?;
        let options = self.listeners.get(id.0)?.options;
        let socket = options.socket.unwrap_or(self.cx.config.socket);
        let own_mss = self.own_mss(device, tuple.is_ipv6(), &socket);
        let now = self.cx.now;
        let patience = &self.cx.config.tcp.patience;
        let (phase, deadline) = if options.deferred {
            (Phase::Undecided, now + patience.incoming)
        } else {
            (Phase::Answered, now)
        };
        Some(HalfOpen {
            key: key.key,
            remote_v6: key.remote_v6,
            listener: id,
            irs: seg.seq,
            // covers: BUG-2 (one ISS for all copies)
            iss: self.cx.secrets.isn(&tuple, now),
            flow: self.cx.tracer.new_flow(),
            device,
            peer_mss: seg.options.mss.unwrap_or(0),
            own_mss,
            device_mtu,
            rcv_wnd: first_window(&socket, &self.cx.config),
            shift: recv_window::shift_for(&socket, &self.cx.config),
            syn_wnd: seg.wnd,
            offer: Offer::of(seg, &self.cx.config.tcp),
            ts_recent: seg.options.timestamps.map_or(0, |t| t.val),
            ts_offset: self
                .cx
                .secrets
                .timestamp_offset(tuple.local.ip(), tuple.remote.ip()),
            deadline,
            sent_at: now,
            challenge: ChallengeLimiter::new(self.cx.config.tcp.challenge.burst, Tick::of(now)),
            copies: 0,
            timeouts: 0,
            timer_fired: false,
            phase,
            ready: false,
            filed: false,
            challenged: false,
            prior: None,
            syn_ttl: 0,
            offers_cookie: false,
        })
    }

    fn trace_syn(&mut self, flow: crate::trace::FlowId, tuple: FourTuple, seg: &Seg) {
        if !self.cx.tracer.is_on() {
            return;
        }
        let segment = seg.record(crate::tcp::connection::Shift::NONE);
        let (from, to, cause) = (State::Listen, State::SynReceived, Cause::Syn);
        self.cx.trace(
            flow,
            TraceEvent::Opened {
                tuple,
                role: Role::Passive,
            },
        );
        self.cx.trace(flow, TraceEvent::Received { segment });
        self.cx.trace(flow, TraceEvent::State { from, to, cause });
    }

    pub(super) fn mark_half_open_ready(&mut self, index: u32) {
        let Some(entry) = self.tables.half_open.get_at_mut(index) else {
            return;
        };
        if !core::mem::replace(&mut entry.ready, true) {
            let device = entry.device;
            self.mark_ready(device, Place::HalfOpen(index));
        }
    }

    /// A segment for a half-open connection.
    pub(super) fn deliver_to_half_open(
        &mut self,
        index: u32,
        origin: Origin,
        mut arrival: Arrival,
    ) {
        let Some(id) = self.tables.half_open.id_at(index) else {
            return;
        };
        let Some(entry) = self.tables.half_open.get_mut(id) else {
            return;
        };
        let flow = entry.flow;
        let verdict = entry.judge(&arrival.seg);
        if self.cx.tracer.is_on() && verdict != Verdict::Establish {
            let segment = arrival.seg.record(crate::tcp::connection::Shift::NONE);
            self.cx.trace(flow, TraceEvent::Received { segment });
        }
        if !self.same_ecn(id, &arrival.seg) {
            // covers: 9768-11
            self.cx.drop(flow, DropReason::ChallengedSyn);
            let reason = ResetReason::MixedEcn;
            reset::answer(&mut self.cx, origin, &arrival.seg, flow, reason);
            self.remove_half_open(id, Cause::Abort);
            self.free_text(&mut arrival);
            return;
        }
        match verdict {
            Verdict::Stay(reason) => self.cx.drop(flow, reason),
            Verdict::Repeat => {
                self.cx.drop(flow, DropReason::OldDuplicate);
                self.mark_half_open_ready(index);
            }
            Verdict::Challenge(reason) => {
                self.cx.drop(flow, reason);
                self.challenge_half_open(index);
            }
            Verdict::Reset => self.refuse_ack_of_half_open(id, origin, &mut arrival),
            Verdict::Remove => self.remove_half_open(id, Cause::Reset),
            Verdict::Establish => self.complete_handshake(id, origin, &mut arrival),
        }
        self.free_text(&mut arrival);
    }

    /// RST, unless an earlier SYN of the same client was answered by a cookie, and the cookie was
    /// quicker than the entry.
    fn refuse_ack_of_half_open(&mut self, id: SlotId, origin: Origin, arrival: &mut Arrival) {
        let Some(entry) = self.tables.half_open.get(id) else {
            return;
        };
        let (listener, flow) = (entry.listener, entry.flow);
        // Where TIME-WAIT was taken over, the numbers must lie beyond the old ones.
        let may_be = entry.prior.is_none();
        if may_be && self.recall(listener, origin, &arrival.seg).is_some() {
            self.remove_half_open(id, Cause::Evicted);
            self.take_cookie(listener, origin, arrival);
            return;
        }
        self.cx.drop(flow, DropReason::BadAck);
        let reason = ResetReason::BadAck;
        reset::answer(&mut self.cx, origin, &arrival.seg, flow, reason);
    }

    /// Whether a repeated SYN asks for the same kind of ECN, or for none any more.
    fn same_ecn(&mut self, id: SlotId, seg: &Seg) -> bool {
        let mode = self.cx.config.tcp.ecn;
        let Some(entry) = self.tables.half_open.get_mut(id) else {
            return true;
        };
        let repeated = seg.syn() && !seg.has_ack() && !seg.rst() && seg.seq == entry.irs;
        !repeated || entry.offer.ecn.on_repeated_syn(seg, mode)
    }

    fn challenge_half_open(&mut self, index: u32) {
        let Some(entry) = self.tables.half_open.get_at_mut(index) else {
            return;
        };
        if entry.challenge.take(&mut self.cx) {
            entry.challenged = true;
            self.mark_half_open_ready(index);
        } else {
            self.cx.counters.challenge_acks_skipped += 1;
        }
    }

    /// The third segment: the entry becomes a connection. covers: 4987-10, ST-301, ST-302
    fn complete_handshake(&mut self, id: SlotId, origin: Origin, arrival: &mut Arrival) {
        let Some(entry) = self.tables.half_open.get(id) else {
            return;
        };
        let (listener, flow) = (entry.listener, entry.flow);
        if self.accept_queue_is_full(listener) {
            self.on_accept_overflow(flow, origin, &arrival.seg);
            if self.cx.config.tcp.flood.accept_overflow == AcceptOverflow::Reset {
                self.remove_half_open(id, Cause::Abort);
            }
            return;
        }
        let Some(conn) = self.promote(id, Some(listener)) else {
            self.cx.drop(flow, DropReason::ConnectionLimit);
            return;
        };
        self.establish_child((listener, conn), State::SynReceived, origin, arrival);
    }

    /// The third segment works on the connection that was made for it: of an entry, or, `from`
    /// LISTEN, of itself.
    pub(super) fn establish_child(
        &mut self,
        (listener, conn): (ListenerId, SlotId),
        from: State,
        origin: Origin,
        arrival: &mut Arrival,
    ) {
        let c = self.tables.conns.get_mut(conn).expect("just made");
        let flow = c.cold.flow;
        if self.cx.tracer.is_on() {
            let segment = arrival.seg.record(c.shifts.snd());
            self.cx.trace(flow, TraceEvent::Received { segment });
            if from == State::Listen {
                let (to, cause) = (State::SynReceived, Cause::Syn);
                self.cx.trace(flow, TraceEvent::State { from, to, cause });
            }
        }
        c.cold.count_received(arrival.seg.text_len);
        ecn::negotiation::report(c, &mut self.cx);
        segment_arrives(c, &mut self.cx, origin, arrival);
        self.enqueue_for_accept(listener, conn);
        self.settle(conn);
    }

    /// Turns a half-open entry into a connection in SYN-RECEIVED. With a listener the connection
    /// waits to be accepted; without, the application has it already.
    pub(super) fn promote(&mut self, id: SlotId, listener: Option<ListenerId>) -> Option<SlotId> {
        let entry = self.tables.half_open.get(id)?;
        let key = FlowKey {
            key: entry.key,
            remote_v6: entry.remote_v6,
        };
        let tuple = self.tables.tuple_of(&key);
        let options = self.listeners.get(entry.listener.0)?.options.socket;
        let mut c = Connection::passive(entry, &mut self.cx, options);
        destination::on_open(&mut c, &mut self.cx);
        c.cold
            .marks
            .assign(ColdMarks::UNACCEPTED, listener.is_some());
        if entry.copies > 0 {
            c.snd.nxt = entry.iss + 1;
            c.begin_work(&mut self.cx);
            c.active()
                .send
                .on_syn_ack_sent(entry.iss, entry.sent_at, entry.copies);
        }
        let conn = self.tables.conns.insert(c).ok()?;
        let entry = self.tables.half_open.remove(id).expect("looked up above");
        self.forget_half_open(&entry);
        if let Some(prior) = entry.prior {
            // The new incarnation is real: the old one is over.
            if self.tables.time_wait.get(prior).is_some() {
                self.cx.counters.time_wait_recycled += 1;
                self.end_time_wait_record(prior, Cause::Reopened);
            }
        }
        let (from, to) = (Place::HalfOpen(id.index), Place::Conn(conn.index));
        self.move_flow(&tuple, from, to);
        self.totals.enter(State::SynReceived);
        Some(conn)
    }

    /// Counts an entry off; its flow and its address are the caller's business.
    fn forget_half_open(&mut self, entry: &HalfOpen) {
        self.totals.leave(State::SynReceived);
        if let Some(listener) = self.listeners.get_mut(entry.listener.0) {
            listener.leave_syn_queue();
        }
    }

    /// Removes an entry for good: the peer withdrew, or it took too long.
    /// covers: ST-306, ST-310, BUG-12, BUG-13
    pub(super) fn remove_half_open(&mut self, id: SlotId, cause: Cause) {
        let Some(entry) = self.tables.half_open.get(id) else {
            return;
        };
        let key = FlowKey {
            key: entry.key,
            remote_v6: entry.remote_v6,
        };
        let tuple = self.tables.tuple_of(&key);
        let entry = self.tables.half_open.remove(id).expect("looked up above");
        self.forget_half_open(&entry);
        self.cx.counters.attempt_fails += 1;
        self.remove_flow_of(&tuple, Place::HalfOpen(id.index));
        if self.cx.tracer.is_on() {
            let (from, to) = (State::SynReceived, State::Closed);
            self.cx
                .trace(entry.flow, TraceEvent::State { from, to, cause });
        }
        let prior = entry
            .prior
            .filter(|prior| self.tables.time_wait.get(*prior).is_some());
        if let Some(prior) = prior {
            // The SYN was an old duplicate: TIME-WAIT goes on. covers: ST-1007, 9293-MAY-2
            self.insert_flow(&tuple, Place::TimeWait(prior.index));
        }
        self.tables.addresses.release(entry.key.local);
        if entry.phase == Phase::Undecided {
            let event = Event::IncomingGone(IncomingId(id));
            self.events.push_back(EventSource::Ready(event));
        }
    }

    /// The flow is removed by its place alone, whatever its key says by now.
    pub(super) fn remove_flow_of(&mut self, tuple: &FourTuple, place: Place) {
        let removed = self.remove_flow(tuple, place);
        debug_assert!(removed, "{tuple} was not in the flow table");
    }

    /// One entry in the wheel, however often the deadline moves: it lies no farther ahead than an
    /// answer may take, so it comes before the deadline of whatever happens next.
    pub(super) fn file_half_open(&mut self, id: SlotId) {
        let Some(entry) = self.tables.half_open.get_mut(id) else {
            return;
        };
        if !core::mem::replace(&mut entry.filed, true) {
            let soonest = self.cx.now + entry.patience(&self.cx);
            let at = entry.deadline.min(soonest);
            self.timers.file_half_open(at, self.cx.now, id);
        }
    }

    /// The SYN,ACK was not answered, or the application has not decided.
    pub(super) fn on_half_open_timer(&mut self, id: SlotId) {
        let Some(entry) = self.tables.half_open.get_mut(id) else {
            return;
        };
        entry.filed = false;
        if entry.deadline > self.cx.now {
            self.file_half_open(id);
            return;
        }
        if entry.phase == Phase::Undecided {
            self.remove_half_open(id, Cause::Expired);
            return;
        }
        entry.timeouts += 1;
        entry.timer_fired = true;
        let listener = entry.listener;
        let (flow, timeouts) = (entry.flow, entry.timeouts);
        if timeouts > self.syn_ack_retries(listener) {
            self.remove_half_open(id, Cause::Expired);
            return;
        }
        let attempt = u32::from(timeouts);
        let timer = crate::trace::TimerKind::Retransmit;
        self.cx.counters.timeouts += 1;
        if self.cx.tracer.is_on() {
            self.cx
                .trace(flow, TraceEvent::TimerFired { timer, attempt });
        }
        self.mark_half_open_ready(id.index);
    }

    /// covers: ST-315
    pub(super) fn on_icmp_for_half_open(&mut self, index: u32, error: &IcmpError) {
        let Some(id) = self.tables.half_open.id_at(index) else {
            return;
        };
        let Some(entry) = self.tables.half_open.get(id) else {
            return;
        };
        if error.seq != entry.iss || entry.copies == 0 {
            self.cx.counters.count_drop(DropReason::IcmpNoMatch);
            return;
        }
        match error.kind {
            IcmpKind::Hard(_) | IcmpKind::Administrative(_) => {
                self.remove_half_open(id, Cause::Unreachable);
            }
            IcmpKind::Soft(_) | IcmpKind::PacketTooBig { .. } => {}
        }
    }

    /// A segment for a connection in TIME-WAIT.
    pub(super) fn deliver_to_time_wait(
        &mut self,
        index: u32,
        origin: Origin,
        arrival: &mut Arrival,
        ttl: u8,
    ) {
        let Some(id) = self.tables.time_wait.id_at(index) else {
            return;
        };
        let Some(record) = self.tables.time_wait.get(id) else {
            return;
        };
        let flow = self.tables.time_wait.flow(id);
        let verdict = record.judge(&arrival.seg, &self.cx.config);
        if self.cx.tracer.is_on() {
            let segment = arrival.seg.record(crate::tcp::connection::Shift::NONE);
            self.cx.trace(flow, TraceEvent::Received { segment });
        }
        match verdict {
            time_wait::Verdict::Ignore(reason) => self.cx.drop(flow, reason),
            time_wait::Verdict::Close => self.end_time_wait(id, Cause::Reset),
            time_wait::Verdict::Answer => {
                self.cx.drop(flow, DropReason::OldDuplicate);
                self.answer_old_segment(id, origin);
            }
            time_wait::Verdict::Restart => self.restart_time_wait(id, origin),
            time_wait::Verdict::Reopen => self.reopen(id, origin, &arrival.seg, ttl),
        }
    }

    /// 2 MSL begin anew: the record goes to the end of the queue.
    fn restart_time_wait(&mut self, id: SlotId, origin: Origin) {
        let deadline = self.cx.now + self.cx.config.tcp.patience.time_wait;
        let new = self.tables.time_wait.restart(id, deadline).unwrap_or(id);
        if new != id {
            let (from, to) = (Place::TimeWait(id.index), Place::TimeWait(new.index));
            self.move_flow(&origin.tuple, from, to);
        }
        self.trace_time_wait_timer(new);
        self.acknowledge_in_time_wait(new, origin);
        if self.tables.time_wait.is_crowded() {
            self.evict_time_wait();
        }
    }

    /// Says until when a record stands.
    pub(super) fn trace_time_wait_timer(&mut self, id: SlotId) {
        if !self.cx.tracer.is_on() {
            return;
        }
        if let Some(TimeWaitRecord { deadline, .. }) = self.tables.time_wait.get(id) {
            let flow = self.tables.time_wait.flow(id);
            let timer = TimerKind::TimeWait;
            self.cx
                .trace(flow, TraceEvent::TimerSet { timer, deadline });
        }
    }

    /// The oldest record makes room. covers: ST-1009, ATT-11
    pub(super) fn evict_time_wait(&mut self) {
        if let Some(oldest) = self.tables.time_wait.oldest() {
            self.cx.counters.time_wait_overflow += 1;
            self.end_time_wait(oldest, Cause::Evicted);
        }
    }

    /// At most two a second: neither end's ACKs shall call forth the other's for ever.
    /// covers: 1337-3, ST-1002
    fn answer_old_segment(&mut self, id: SlotId, origin: Origin) {
        let now = Tick::of(self.cx.now);
        let interval = self.cx.config.tcp.challenge.interval.as_millis() as u32;
        if self.tables.time_wait.was_answered(id, now, interval) {
            self.cx.counters.challenge_acks_skipped += 1;
            return;
        }
        self.tables.time_wait.set_answered(id, now);
        self.acknowledge_in_time_wait(id, origin);
    }

    fn acknowledge_in_time_wait(&mut self, id: SlotId, origin: Origin) {
        self.reply_from_time_wait(id, origin.tuple, AckReason::TimeWait, None);
    }

    /// The device and the timestamp offset of a record are known, or found as they were for the
    /// connection: neither needs room in it.
    pub(super) fn reply_from_time_wait(
        &mut self,
        id: SlotId,
        tuple: FourTuple,
        why: AckReason,
        known: Option<(DeviceId, u32)>,
    ) {
        let (local, remote) = (tuple.local.ip(), tuple.remote.ip());
        let Some(record) = self.tables.time_wait.get(id) else {
            return;
        };
        let flow = self.tables.time_wait.flow(id);
        let found = || {
            let (device, _) = self.path_to(remote)?;
            Some((device, self.cx.secrets.timestamp_offset(local, remote)))
        };
        let Some((device, ts_offset)) = known.or_else(found) else {
            self.cx.drop(flow, DropReason::NoRoute);
            return;
        };
        let timestamps = record.ts_recent.map(|ecr| synfin_wire::Timestamps {
            val: crate::tcp::recv::timestamps::clock(ts_offset, self.cx.now),
            ecr,
        });
        let reply = SegmentReply {
            tuple,
            seq: record.snd_nxt,
            ack: record.rcv_nxt,
            flags: Flags::ACK | record.ecn_flags,
            wnd: record.wnd_field,
            timestamps,
            flow,
            reason: SendReason::Ack(why),
        };
        self.cx.reply(device, Reply::Segment(reply));
    }

    /// covers: ST-1007, 6191-8, 6191-9
    fn reopen(&mut self, id: SlotId, origin: Origin, seg: &Seg, ttl: u8) {
        let flow = self.tables.time_wait.flow(id);
        let Some(listener) = self.find_listener(&origin.tuple.local) else {
            self.cx.drop(flow, DropReason::SynInTimeWait);
            return;
        };
        if let Err(reason) = self.admit_syn(listener, origin, seg, Target::TimeWait) {
            self.cx.counters.listen_drops += 1;
            self.cx.drop(flow, reason);
            return;
        }
        self.open_half(listener, origin, seg, ttl, Some(id));
        let Some(Place::HalfOpen(index)) = self.find_flow(&origin.tuple) else {
            return;
        };
        let Some(record) = self.tables.time_wait.get(id) else {
            return;
        };
        if let Some(entry) = self.tables.half_open.get_at_mut(index) {
            entry.iss = record.iss_after(entry.iss);
        }
    }

    /// Ends a TIME-WAIT record that stands in the flow table.
    pub(super) fn end_time_wait(&mut self, id: SlotId, cause: Cause) {
        let place = Place::TimeWait(id.index);
        if let Some(tuple) = self.tables.tuple(place) {
            // A half-open entry may have taken its place for the time being.
            self.remove_flow(&tuple, place);
            self.end_time_wait_record(id, cause);
        }
    }

    fn end_time_wait_record(&mut self, id: SlotId, cause: Cause) {
        let Some(record) = self.tables.time_wait.get(id) else {
            return;
        };
        let flow = self.tables.time_wait.flow(id);
        let owner = self.tables.time_wait.remove(id);
        self.totals.leave(State::TimeWait);
        self.tables.addresses.release(record.key.local);
        if self.cx.tracer.is_on() {
            if cause == Cause::TwoMsl {
                let (timer, attempt) = (TimerKind::TimeWait, 1);
                let event = TraceEvent::TimerFired { timer, attempt };
                self.cx.trace(flow, event);
            }
            let (from, to) = (State::TimeWait, State::Closed);
            self.cx.trace(flow, TraceEvent::State { from, to, cause });
        }
        let owner = owner.and_then(|owner| self.tables.conns.get_mut(owner.0));
        if let Some(c) = owner {
            c.state = State::Closed;
        }
    }

    /// Live connections in an accept queue against its limit; the places of those that were reset
    /// meanwhile are cleared when they are in the way.
    pub(super) fn accept_queue_is_full(&mut self, id: ListenerId) -> bool {
        let Some(listener) = self.listeners.get_mut(id.0) else {
            return true;
        };
        if listener.is_full() {
            let conns = &self.tables.conns;
            listener
                .accept_queue
                .retain(|conn| conns.get(conn.0).is_some());
        }
        listener.is_full()
    }

    pub(super) fn enqueue_for_accept(&mut self, id: ListenerId, conn: SlotId) {
        let Some(listener) = self.listeners.get_mut(id.0) else {
            return;
        };
        listener.accept_queue.push_back(crate::event::ConnId(conn));
        if listener.want_accept && !core::mem::replace(&mut listener.event_queued, true) {
            self.events.push_back(EventSource::Listener(id.0));
        }
    }

    /// A connection nobody had accepted is gone, or its listener is: RST, and no event.
    /// covers: RG-14, AB-42, ST-106
    pub(super) fn reset_unaccepted(&mut self, conn: SlotId, reason: ResetReason) {
        let Some(c) = self.tables.conns.get_mut(conn) else {
            return;
        };
        if c.is_orphan() {
            return; // it is just being settled
        }
        c.marks.set(Marks::ORPHAN);
        self.orphans.count += 1;
        c.cold.events = Events::NONE;
        if !c.marks.has(Marks::OFF_WIRE) {
            reset::reset_connection(c, reason);
            c.leave_wire(&mut self.cx, Some(Cause::Abort), CloseReason::Aborted);
        }
        self.settle(conn);
    }
}
