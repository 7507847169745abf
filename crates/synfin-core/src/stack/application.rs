//! The application's side: passive OPEN, ACCEPT, the decision about a SYN, and the handles of
//! connections.

use core::net::IpAddr;
use core::ops::Deref;
use core::time::Duration;

use synfin_wire::FourTuple;

use crate::config::{ConfigError, SocketOptions, UserTimeout};
use crate::demux::FlowKey;
use crate::event::{
    CloseReason, ConnId, Event, IncomingId, ListenError, ListenerId, RecvError, RecvOutcome,
    SendError, SendOutcome, SoftError,
};
use crate::ip::icmp::Problem;
use crate::slab::SlotId;
use crate::stack::{EventSource, Stack};
use crate::state::{Cause, State};
use crate::tcp::connection::{ColdMarks, Connection, Context, Events, Marks};
use crate::tcp::half_open::Phase;
use crate::tcp::info::{self, ConnectionInfo};
use crate::tcp::listener::{ListenAddr, ListenOptions, Listener};
use crate::tcp::recv::urgent;
use crate::tcp::reset;
use crate::tcp::segment_arrives::Origin;
use crate::tcp::send::buffer as send_buffer;
use crate::tcp::tcp_info::{self, TcpInfo};
use crate::tcp::user_calls::{self, Shutdown};
use crate::tcp::user_timeout;
use crate::time::Instant;
use crate::trace::{FlowId, ResetReason, TraceEvent, UserCall};

/// How to connect.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectOptions {
    /// The local address; chosen by the route if `None` (9293-MUST-43, -44).
    pub local_addr: Option<IpAddr>,
    /// The local port; an ephemeral one if `None` (RFC 6056).
    pub local_port: Option<u16>,
    /// What the connection starts with instead of the stack's default.
    pub socket: Option<SocketOptions>,
    /// Carry text on the SYN if the peer gave a cookie for it before, else ask for one (RFC 7413).
    /// The text is what [`ConnMut::send`] queued before the next
    /// [`poll_transmit`](Stack::poll_transmit). covers: 7413-1
    ///
    /// The peer's application may get that text **twice**: the network may repeat the SYN after
    /// the connection is over. Only for a first message that may be repeated without harm.
    /// covers: 7413-10
    pub fast_open: bool,
}

/// What a SYN says to a deferred listener.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SynInfo {
    /// The address and port that the peer asked for, and its own.
    pub tuple: FourTuple,
    /// The MSS option, if there was one.
    pub mss: Option<u16>,
    /// Time to live, hop limit, as it arrived.
    pub ttl: u8,
    /// The name of this attempt in traces; a connection made of it keeps it.
    pub flow: FlowId,
}

/// How to say no to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// RST, as if nobody listened.
    Reset,
    /// ICMP host unreachable.
    HostUnreachable,
    /// ICMP network unreachable.
    NetUnreachable,
    /// ICMP port unreachable.
    PortUnreachable,
    /// ICMP administratively prohibited.
    Prohibited,
    /// Nothing at all.
    Silent,
}

/// Why a SYN could not be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncomingError {
    /// The limit on connections is reached; the SYN still waits.
    LimitReached,
}

/// A SYN that waits for a decision. A SYN that the peer repeats meanwhile is the same one.
pub struct Incoming<'a> {
    stack: &'a mut Stack,
    id: SlotId,
    syn: SynInfo,
}

/// Questions about a connection.
pub struct Conn<'a> {
    c: &'a Connection,
    cx: &'a Context,
    tuple: FourTuple,
}

/// A connection to act on. What has to be sent because of it leaves with the next
/// [`Stack::poll_transmit`].
pub struct ConnMut<'a> {
    pub(super) stack: &'a mut Stack,
    pub(super) id: SlotId,
}

impl Stack {
    /// The next event, or `None`. Each is told once.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let Some(source) = self.events.front().copied() else {
                // One who was told of memory and did not use it keeps nobody from its turn.
                if self.serve_memory_waiters() {
                    continue;
                }
                return None;
            };
            match source {
                EventSource::Ready(event) => {
                    self.events.pop_front();
                    return Some(event);
                }
                EventSource::Ipv6(device) => {
                    self.events.pop_front();
                    if self.take_ipv6_change(device) {
                        return Some(Event::Ipv6Changed(device));
                    }
                }
                EventSource::Listener(id) => {
                    self.events.pop_front();
                    let Some(listener) = self.listeners.get_mut(id) else {
                        continue;
                    };
                    listener.event_queued = false;
                    listener.want_accept = false;
                    return Some(Event::Acceptable(ListenerId(id)));
                }
                EventSource::Conn(id) => match self.next_event_of(id) {
                    Some(event) => return Some(event),
                    None => {
                        self.events.pop_front();
                    }
                },
            }
        }
    }

    fn next_event_of(&mut self, id: SlotId) -> Option<Event> {
        let c = self.tables.conns.get_mut(id)?;
        let conn = ConnId(id);
        let events = &mut c.cold.events;
        let event = if events.take(Events::CONNECTED) {
            Event::Connected(conn)
        } else if events.take(Events::READABLE) {
            Event::Readable(conn)
        } else if events.take(Events::WRITABLE) {
            Event::Writable(conn)
        } else if events.take(Events::PEER_FINISHED) {
            Event::PeerFinished(conn)
        } else if events.take(Events::URGENT) {
            Event::Urgent(conn)
        } else if events.take(Events::SOFT_ERROR) {
            Event::SoftError(conn, c.cold.soft_error?)
        } else if events.take(Events::RETRANSMISSION_WARNING) {
            Event::RetransmissionWarning(conn)
        } else if events.take(Events::CLOSED) {
            Event::Closed {
                id: conn,
                reason: c.cold.close_reason?,
            }
        } else {
            c.marks.clear(Marks::EVENT_QUEUED);
            return None;
        };
        Some(event)
    }

    /// Passive OPEN. covers: ST-001, 9293-MUST-41, 9293-MUST-42, 9293-MUST-43
    ///
    /// # Errors
    /// When the place is taken, the address is not ours, or the port is 0.
    pub fn listen(
        &mut self,
        local: ListenAddr,
        options: ListenOptions,
    ) -> Result<ListenerId, ListenError> {
        let foreign = options.foreign;
        if local.port == Some(0)
            || local
                .addr
                .is_some_and(|addr| !foreign && !self.tables.addresses.is_own_or_tentative(addr))
        {
            return Err(ListenError::AddressNotAvailable);
        }
        let addr = match local.addr {
            Some(ip) => Some(
                self.tables
                    .addresses
                    .intern(ip)
                    .ok_or(ListenError::LimitReached)?,
            ),
            None => None,
        };
        let key = (local.port, addr);
        if self.listener_index.contains_key(&key) {
            self.release_listener_addr(addr);
            return Err(ListenError::AddressInUse);
        }
        let Ok(id) = self.listeners.insert(Listener::new(local, options, addr)) else {
            self.release_listener_addr(addr);
            return Err(ListenError::LimitReached);
        };
        self.listener_index.insert(key, ListenerId(id));
        self.foreign_listeners += u32::from(foreign);
        self.totals.listeners += 1;
        Ok(ListenerId(id))
    }

    fn release_listener_addr(&mut self, addr: Option<crate::ip::address::AddrId>) {
        if let Some(addr) = addr {
            self.tables.addresses.release(addr);
        }
    }

    /// Ends a listener. Connections that nobody has accepted are reset, those that were accepted
    /// live on. covers: ST-106, RG-14, AB-42, AB-47, BUG-13
    pub fn unlisten(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get(id.0) else {
            return;
        };
        self.listener_index
            .remove(&(listener.local.port, listener.addr));
        let addr = listener.addr;
        self.foreign_listeners -= u32::from(listener.options.foreign);
        self.totals.listeners -= 1;
        self.reset_half_open_of(id);
        let Some(listener) = self.listeners.remove(id.0) else {
            return;
        };
        for conn in listener.accept_queue {
            self.reset_unaccepted(conn.0, ResetReason::ListenerClosed);
        }
        self.release_listener_addr(addr);
    }

    /// A change of configuration, not of traffic: it may look at every half-open entry.
    fn reset_half_open_of(&mut self, id: ListenerId) {
        let mut index = 0;
        while let Some(at) = self.tables.half_open.next_occupied(index) {
            index = at + 1;
            let of_it = self
                .tables
                .half_open
                .get_at(at)
                .is_some_and(|e| e.listener == id);
            let Some(slot) = self.tables.half_open.id_at(at).filter(|_| of_it) else {
                continue;
            };
            if let Some(conn) = self.promote_answered(slot) {
                self.reset_unaccepted(conn, ResetReason::ListenerClosed);
            } else {
                self.remove_half_open(slot, Cause::Abort);
            }
        }
    }

    fn promote_answered(&mut self, slot: SlotId) -> Option<SlotId> {
        let answered = self.tables.half_open.get(slot)?.copies > 0;
        if answered {
            self.promote(slot, None)
        } else {
            None
        }
    }

    /// ACCEPT: a connection of this listener, or `None`: then [`Event::Acceptable`] follows.
    pub fn accept(&mut self, id: ListenerId) -> Option<ConnId> {
        loop {
            let listener = self.listeners.get_mut(id.0)?;
            let Some(conn) = listener.accept_queue.pop_front() else {
                listener.want_accept = true;
                return None;
            };
            let Some(c) = self.tables.conns.get_mut(conn.0) else {
                continue;
            };
            c.cold.marks.clear(ColdMarks::UNACCEPTED);
            hand_over(c, &mut self.cx);
            self.queue_handed_over(conn.0);
            return Some(conn);
        }
    }

    fn queue_handed_over(&mut self, id: SlotId) {
        self.settle(id);
    }

    /// A SYN that waits for a decision; `None` when it is gone.
    pub fn incoming(&mut self, id: IncomingId) -> Option<Incoming<'_>> {
        let entry = self.tables.half_open.get(id.0)?;
        if entry.phase != Phase::Undecided {
            return None;
        }
        let key = FlowKey {
            key: entry.key,
            remote_v6: entry.remote_v6,
        };
        let syn = SynInfo {
            tuple: self.tables.tuple_of(&key),
            mss: Some(entry.peer_mss).filter(|mss| *mss > 0),
            ttl: entry.syn_ttl,
            flow: entry.flow,
        };
        Some(Incoming {
            stack: self,
            id: id.0,
            syn,
        })
    }

    /// A connection to ask about; `None` when the handle was given back. covers: ST-004
    pub fn conn(&self, id: ConnId) -> Option<Conn<'_>> {
        let c = self.tables.conns.get(id.0).filter(|c| !c.is_orphan())?;
        let key = FlowKey {
            key: c.key,
            remote_v6: c.cold.remote_v6(),
        };
        Some(Conn {
            c,
            cx: &self.cx,
            tuple: self.tables.tuple_of(&key),
        })
    }

    /// A connection to act on; `None` when the handle was given back.
    pub fn conn_mut(&mut self, id: ConnId) -> Option<ConnMut<'_>> {
        self.tables.conns.get(id.0).filter(|c| !c.is_orphan())?;
        Some(ConnMut {
            stack: self,
            id: id.0,
        })
    }

    fn act<T>(&mut self, id: SlotId, act: impl FnOnce(&mut Connection, &mut Context) -> T) -> T {
        let c = self.tables.conns.get_mut(id);
        let c = c.expect("a ConnMut exists only for a live handle");
        act(c, &mut self.cx)
    }

    /// For RECEIVE: who finds nothing has changed nothing.
    pub(super) fn read_with(
        &mut self,
        id: SlotId,
        read: impl FnOnce(&mut Connection, &mut Context) -> Result<RecvOutcome, RecvError>,
    ) -> Result<RecvOutcome, RecvError> {
        let outcome = self.act(id, read);
        if matches!(outcome, Ok(RecvOutcome::Data(_))) {
            self.settle(id);
            self.serve_memory_waiters();
        }
        outcome
    }

    pub(super) fn with<T>(
        &mut self,
        id: SlotId,
        act: impl FnOnce(&mut Connection, &mut Context) -> T,
    ) -> T {
        let result = self.act(id, act);
        self.settle(id);
        self.serve_memory_waiters();
        result
    }
}

/// What came before the application had the connection is told to it now.
fn hand_over(c: &mut Connection, cx: &mut Context) {
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Call(UserCall::Open));
    }
    c.marks.set(Marks::WANT_READ);
    let readable = c
        .active
        .as_ref()
        .is_some_and(|active| active.recv.queue.len() > 0);
    if readable || user_calls::end_of_reading(c) != Ok(RecvOutcome::WouldBlock) {
        c.raise_readable();
    }
    if urgent::remaining(c).is_some() {
        c.raise(Events::URGENT);
    }
    if c.marks.has(Marks::PEER_FIN) {
        c.raise(Events::PEER_FINISHED);
    }
}

impl Incoming<'_> {
    /// What the SYN says.
    pub fn syn(&self) -> &SynInfo {
        &self.syn
    }

    /// Accepts: the SYN,ACK goes out, and the connection is in SYN-RECEIVED.
    ///
    /// # Errors
    /// When the limit on connections is reached.
    pub fn accept(self, now: Instant) -> Result<ConnId, IncomingError> {
        self.stack.set_now(now);
        let entry = self.stack.tables.half_open.get_mut(self.id);
        if let Some(entry) = entry {
            entry.phase = Phase::Answered;
        }
        let Some(conn) = self.stack.promote(self.id, None) else {
            if let Some(entry) = self.stack.tables.half_open.get_mut(self.id) {
                entry.phase = Phase::Undecided;
            }
            return Err(IncomingError::LimitReached);
        };
        self.stack.with(conn, |c, _| c.marks.set(Marks::SEND_SYN));
        Ok(ConnId(conn))
    }

    /// Says no.
    pub fn refuse(self, how: Refusal) {
        let Some(entry) = self.stack.tables.half_open.get(self.id) else {
            return;
        };
        let (device, irs, flow) = (entry.device, entry.irs, entry.flow);
        let tuple = self.syn.tuple;
        let problem = match how {
            Refusal::Reset => {
                let origin = Origin { tuple, device };
                let seg = syn_segment(irs);
                let reason = ResetReason::Refused;
                reset::answer(&mut self.stack.cx, origin, &seg, flow, reason);
                None
            }
            Refusal::HostUnreachable => Some(Problem::HostUnreachable),
            Refusal::NetUnreachable => Some(Problem::NetUnreachable),
            Refusal::PortUnreachable => Some(Problem::PortUnreachable),
            Refusal::Prohibited => Some(Problem::Prohibited),
            Refusal::Silent => {
                self.stack
                    .cx
                    .drop(flow, crate::counters::DropReason::RefusedSilently);
                None
            }
        };
        if let Some(problem) = problem {
            self.stack.answer_syn_with_icmp(device, problem, tuple, irs);
        }
        // It was the application's decision: no event about it.
        if let Some(entry) = self.stack.tables.half_open.get_mut(self.id) {
            entry.phase = Phase::Answered;
        }
        self.stack.remove_half_open(self.id, Cause::Abort);
    }
}

/// The SYN as far as an answer needs it.
fn syn_segment(irs: synfin_wire::SeqNum) -> crate::tcp::segment::Seg {
    crate::tcp::segment::Seg {
        seq: irs,
        ack: synfin_wire::SeqNum::new(0),
        flags: synfin_wire::Flags::SYN,
        wnd: 0,
        urgent: 0,
        text_len: 0,
        options: Default::default(),
        ecn: Default::default(),
        handshake: true,
    }
}

impl Conn<'_> {
    /// STATUS (RFC 9293 section 3.10.6).
    pub fn info(&self, _now: Instant) -> ConnectionInfo {
        info::of(self.c, self.cx, self.tuple, self.c.state)
    }

    /// The numbers that Linux has in `struct tcp_info`.
    pub fn tcp_info(&self, now: Instant) -> TcpInfo {
        let now = now.max(self.cx.now);
        tcp_info::of(self.c, self.cx, self.c.state, now)
    }

    /// The state.
    pub fn state(&self) -> State {
        self.c.state
    }

    /// Addresses and ports, ours first.
    pub fn tuple(&self) -> FourTuple {
        self.tuple
    }

    /// The name of this connection in traces.
    pub fn flow(&self) -> FlowId {
        self.c.cold.flow
    }

    /// Octets that can be read now.
    pub fn readable_bytes(&self) -> usize {
        self.c
            .active
            .as_ref()
            .map_or(0, |active| active.recv.queue.len())
    }

    /// Octets from the next one that [`ConnMut::recv`] gives to the end of the peer's urgent text,
    /// those included that have not arrived; `None` when no urgent text is left to read.
    /// covers: 9293-MUST-33
    pub fn urgent_bytes(&self) -> Option<u32> {
        urgent::remaining(self.c)
    }

    /// `recv` would not block: text, end of stream or an error is there.
    pub fn is_readable(&self) -> bool {
        self.readable_bytes() > 0
            || user_calls::end_of_reading(self.c) != Ok(RecvOutcome::WouldBlock)
    }

    /// `send` would not block: there is room, or an error is there.
    pub fn is_writable(&self) -> bool {
        let closed = self.c.marks.has(Marks::OFF_WIRE) || self.c.marks.has(Marks::FIN_QUEUED);
        let room = send_buffer::room(self.c, self.cx) > 0;
        closed || (room && !send_buffer::waits_for_memory(self.c, self.cx))
    }

    /// Everything that was sent, our FIN included, is acknowledged.
    pub fn is_flushed(&self) -> bool {
        self.c.marks.has(Marks::OFF_WIRE)
            || (self.c.unsent() == 0 && !self.c.fin_waits() && self.c.snd.una == self.c.snd.nxt)
    }

    /// The options of this connection, as the application has set them.
    pub fn options(&self) -> SocketOptions {
        *self.c.asked_options(self.cx)
    }

    /// Copies what could be read without taking it.
    ///
    /// # Errors
    /// As [`ConnMut::recv`].
    pub fn peek(&self, buf: &mut [u8]) -> Result<RecvOutcome, RecvError> {
        match user_calls::peek(self.c, buf) {
            Some(len) => Ok(RecvOutcome::Data(len)),
            None => user_calls::end_of_reading(self.c),
        }
    }

    /// The last ICMP error that did not end the connection.
    pub fn soft_error(&self) -> Option<SoftError> {
        self.c.cold.soft_error
    }

    /// Why the connection left the wire; `None` while it is on it.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.c.cold.close_reason
    }
}

impl ConnMut<'_> {
    /// The questions.
    pub fn as_conn(&self) -> Conn<'_> {
        self.stack
            .conn(ConnId(self.id))
            .expect("a ConnMut exists only for a live handle")
    }

    /// SEND: queues as much of `data` as there is room for, its slices as one write. Nothing waits
    /// for a push, and nothing that was queued is taken back. In SYN-SENT and SYN-RECEIVED it waits
    /// until the connection is established.
    ///
    /// # Errors
    /// When the sending half was closed, or the connection has left the wire.
    pub fn send(&mut self, data: &[&[u8]]) -> Result<SendOutcome, SendError> {
        self.stack
            .with(self.id, |c, cx| user_calls::send(c, cx, data))
    }

    /// SEND with the urgent flag: as [`send`](Self::send), and the peer is told that its
    /// application should read quickly up to the end of what was queued. The octets stay in the
    /// stream; nothing overtakes. After a partial [`SendOutcome::Queued`] send the rest the same
    /// way: the mark moves on.
    ///
    /// **Not for new applications** (RFC 9293 section 3.8.5): middleboxes clear the pointer, and
    /// many peers take its last octet out of the stream. Only for protocols that cannot do
    /// without, such as Telnet. covers: 9293-MUST-30, 9293-SHLD-13
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_urgent(&mut self, data: &[&[u8]]) -> Result<SendOutcome, SendError> {
        self.stack
            .with(self.id, |c, cx| user_calls::send_urgent(c, cx, data))
    }

    /// RECEIVE: text in order, until the end of stream or the error that ended the connection.
    ///
    /// # Errors
    /// When the connection ended without an end of stream and everything was read.
    pub fn recv(&mut self, buf: &mut [u8]) -> Result<RecvOutcome, RecvError> {
        self.stack
            .read_with(self.id, |c, cx| user_calls::recv(c, cx, buf))
    }

    /// Ends one or both halves and keeps the handle.
    pub fn shutdown(&mut self, how: Shutdown) {
        self.stack
            .with(self.id, |c, cx| user_calls::shutdown(c, cx, how));
    }

    /// CLOSE: gives the handle back; the engine sends what is queued and FIN, and finishes alone.
    /// Unread text means RST. With `linger` zero it means RST in any case, with a longer time RST
    /// when our FIN is not acknowledged by then.
    pub fn close(self, linger: Option<Duration>) {
        self.stack.orphans.count += 1;
        self.stack
            .with(self.id, |c, cx| user_calls::close(c, cx, linger));
        self.stack.bound_orphans(self.id);
    }

    /// ABORT: RST, and the handle is given back.
    pub fn abort(self) {
        self.stack.orphans.count += 1;
        self.stack.with(self.id, user_calls::abort);
    }

    /// Changes the options. Buffers may shrink, but a window that was promised stays.
    /// covers: 9293-SHLD-21, 9293-MUST-21, 9293-MUST-24, 9293-MUST-49
    ///
    /// # Errors
    /// A value out of its range; nothing is changed then.
    pub fn set_options(&mut self, options: SocketOptions) -> Result<(), ConfigError> {
        options.validate()?;
        self.stack.with(self.id, |c, cx| {
            user_timeout::set_options(c, cx, options);
            if options.user_timeout == UserTimeout::Never {
                if let Some(active) = &mut c.active {
                    active.recovery.timeouts = 0;
                }
            }
        });
        Ok(())
    }
}

impl Deref for Incoming<'_> {
    type Target = SynInfo;

    fn deref(&self) -> &SynInfo {
        &self.syn
    }
}
