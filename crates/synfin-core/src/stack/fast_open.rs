//! SYNs at a listener that takes text with them (RFC 7413 section 4.2.2): the entry they have made
//! offers a cookie, or becomes a connection in SYN-RECEIVED at once.

use crate::demux::Place;
use crate::event::ListenerId;
use crate::slab::SlotId;
use crate::stack::Stack;
use crate::tcp::connection::Marks;
use crate::tcp::fast_open::{self, Opening, Standing};
use crate::tcp::recv::{text, urgent};
use crate::tcp::segment::Arrival;
use crate::tcp::segment_arrives::Origin;
use crate::tcp::tally::Segments;
use crate::trace::{FastOpenEvent, TraceEvent};

impl Stack {
    /// What the option of a SYN does to the half-open entry that was made of it.
    /// covers: 7413-1, 7413-4, 7413-5, ATT-52
    pub(super) fn open_fast(&mut self, id: ListenerId, origin: Origin, arrival: &mut Arrival) {
        let Some(Place::HalfOpen(index)) = self.find_flow(&origin.tuple) else {
            return;
        };
        let Some(listener) = self.listeners.get(id.0) else {
            return;
        };
        let limit = listener.options.fast_open;
        let (Some(limit), false) = (limit, listener.options.deferred) else {
            return;
        };
        let full = listener.fast_open_pending >= limit;
        let (Some(cookie), Some(slot)) = (
            arrival.seg.options.fast_open,
            self.tables.half_open.id_at(index),
        ) else {
            return;
        };
        let client = origin.tuple.remote.ip();
        if cookie.is_request() {
            self.cx.counters.fast_open_cookie_reqd += 1;
            self.offer_cookie(slot, FastOpenEvent::Offered);
            return;
        }
        match fast_open::judge(&self.cx, client, &cookie) {
            Standing::Bad => {
                self.cx.counters.fast_open_passive_fail += 1;
                self.offer_cookie(slot, FastOpenEvent::BadCookie);
            }
            _ if full => {
                self.cx.counters.fast_open_listen_overflow += 1;
                self.trace_fast_open(slot, FastOpenEvent::TooManyPending);
            }
            standing => self.make_child(id, slot, arrival, standing),
        }
    }

    fn offer_cookie(&mut self, slot: SlotId, why: FastOpenEvent) {
        if let Some(entry) = self.tables.half_open.get_mut(slot) {
            entry.offers_cookie = true;
        }
        self.trace_fast_open(slot, why);
    }

    fn trace_fast_open(&mut self, slot: SlotId, event: FastOpenEvent) {
        let flow = self.tables.half_open.get(slot).map(|entry| entry.flow);
        if let (Some(flow), true) = (flow, self.cx.tracer.is_on()) {
            self.cx.trace(flow, TraceEvent::FastOpen(event));
        }
    }

    /// The application has the text before the handshake ends. covers: 7413-3, 7413-12
    fn make_child(
        &mut self,
        id: ListenerId,
        slot: SlotId,
        arrival: &mut Arrival,
        standing: Standing,
    ) {
        let len = arrival.seg.text_len;
        self.trace_fast_open(slot, FastOpenEvent::Taken { len });
        // Without a place for it the entry goes the ordinary way.
        let Some(conn) = self.promote(slot, Some(id)) else {
            return;
        };
        self.cx.counters.fast_open_passive += 1;
        if let Some(listener) = self.listeners.get_mut(id.0) {
            listener.fast_open_pending += 1;
        }
        let c = self.tables.conns.get_mut(conn).expect("just made");
        let client = c.remote_ip();
        let renew = standing == Standing::Previous;
        let fresh = renew.then(|| fast_open::fresh_cookie(&self.cx, client));
        let opening = Opening::Child {
            listener: id,
            fresh,
        };
        c.active().fast_open = Some(alloc::boxed::Box::new(opening));
        c.marks.set(Marks::SEND_SYN);
        if len > 0 {
            c.cold.count_segment(Segments::TextReceived);
        }
        arrival.trim_left(1);
        let end = arrival.seg.end();
        if end.after(c.rcv.edge) {
            arrival.trim_right(c.rcv.edge.distance_to(end));
        }
        urgent::on_arrival(c, &arrival.seg);
        if arrival.seg.text_len > 0 {
            text::take(c, &mut self.cx, arrival);
        }
        self.enqueue_for_accept(id, conn);
        self.settle(conn);
    }
}
