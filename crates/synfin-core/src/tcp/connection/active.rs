//! The active part: what exists only while the connection is at work.

use alloc::boxed::Box;
use alloc::vec::Vec;

use synfin_wire::SeqNum;

use super::{Connection, Context};
use crate::buffer::Pressure;
use crate::tcp::congestion::Room;
use crate::tcp::fast_open;
use crate::tcp::path_mtu;
use crate::tcp::recovery::Recovery;
use crate::tcp::recv::half::RecvHalf;
use crate::tcp::send::half::SendHalf;
use crate::tcp::send::limit::Stretch;
use crate::time::Instant;

/// What exists only while the connection is at work.
#[derive(Debug, Default)]
pub(crate) struct Active {
    pub(crate) send: SendHalf,
    pub(crate) recv: RecvHalf,
    pub(crate) recovery: Recovery,
    pub(crate) path: path_mtu::Flight,
    pub(crate) deadlines: Deadlines,
    /// What keeps the sender from sending.
    pub(crate) limit: Stretch,
    /// `SND.UP`, until it is acknowledged.
    pub(crate) urgent: Option<SeqNum>,
    /// Until the handshake is over.
    pub(crate) fast_open: Option<Box<fast_open::Opening>>,
    /// Where the controller stands while it is at work, as long as it rests.
    pub(crate) room: Room,
}

/// Deadlines of an active connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadlines {
    pub(crate) retransmit: Option<Instant>,
    pub(crate) persist: Option<Instant>,
    pub(crate) delayed_ack: Option<Instant>,
    pub(crate) user_timeout: Option<Instant>,
    /// No new text before (3168-10).
    pub(crate) ecn_hold: Option<Instant>,
    pub(crate) pacing: Option<Instant>,
}

impl Deadlines {
    pub(crate) fn earliest(&self) -> Option<Instant> {
        [
            self.retransmit,
            self.persist,
            self.delayed_ack,
            self.user_timeout,
            self.ecn_hold,
            self.pacing,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl Active {
    /// As if it were fresh, but for memory that the next connection can use.
    fn reset(&mut self) {
        let Self {
            send,
            recv,
            recovery,
            path,
            deadlines,
            limit,
            urgent,
            fast_open,
            room: _,
        } = self;
        send.reset();
        recv.reset();
        *recovery = Recovery::default();
        *path = path_mtu::Flight::default();
        *deadlines = Deadlines::default();
        *limit = Stretch::default();
        *urgent = None;
        *fast_open = None;
    }

    /// Nothing in here is needed any more.
    #[inline]
    fn is_idle(&self) -> bool {
        self.send.is_idle()
            && self.recv.is_idle()
            && self.recovery.is_idle()
            && self.deadlines.earliest().is_none()
            && self.fast_open.is_none()
    }
}

impl Connection {
    /// The active part, made on first need. Where work begins, [`begin_work`](Self::begin_work)
    /// takes one that is there already.
    #[inline]
    pub(crate) fn active(&mut self) -> &mut Active {
        if self.active.is_none() {
            self.make_active();
        }
        self.active.as_mut().expect("made above")
    }

    #[cold]
    fn make_active(&mut self) {
        self.active = Some(Box::default());
    }

    /// The connection has something to do from now on: it takes an active part.
    #[inline]
    pub(crate) fn begin_work(&mut self, cx: &mut Context) {
        if self.active.is_none() {
            self.active = Some(cx.spare_actives.take());
        }
    }

    /// The controller is about to be told something: it wakes, without new memory if there is
    /// room.
    #[inline]
    pub(crate) fn wake_controller(&mut self) {
        if let Some(active) = &mut self.active {
            self.cold.congestion.wake_in(&mut active.room);
        }
    }

    /// Gives the active part back when nothing in it is needed: an idle connection owns no
    /// buffer.
    #[inline]
    pub(crate) fn release_idle_memory(&mut self, cx: &mut Context) {
        match &self.active {
            // A FIN that waits is something to send.
            Some(active) if active.is_idle() && !self.fin_waits() => self.end_work(cx),
            Some(_) => {}
            None => self.rest_controller(),
        }
    }

    /// The controller rests; where it stood is free for what wakes next.
    pub(super) fn rest_controller(&mut self) {
        let room = self.cold.congestion.rest();
        if let (Some(room), Some(active)) = (room, &mut self.active) {
            active.room = room;
        }
    }

    fn end_work(&mut self, cx: &mut Context) {
        self.rest_controller();
        let Some(active) = self.active.take() else {
            return;
        };
        if cx.pool.pressure() == Pressure::None {
            cx.spare_actives.put(active);
        } else {
            cx.spare_actives.shrink();
        }
    }

    /// The connection is over, and its buffers are given back already.
    pub(crate) fn recycle_active(&mut self, cx: &mut Context) {
        if self.active.is_some() {
            self.end_work(cx);
        }
    }
}

/// Active parts without a connection, for those that begin to work: as with the pool's spare
/// chunks, few are kept, and none while memory is short.
#[derive(Debug, Default)]
pub(crate) struct SpareActives {
    // They move between here and connections by their pointers.
    #[allow(clippy::vec_box)]
    parts: Vec<Box<Active>>,
}

/// So many are kept: more than do something at once in a batch of frames.
const SPARE_MAX: usize = 256;

impl SpareActives {
    fn take(&mut self) -> Box<Active> {
        self.parts.pop().unwrap_or_default()
    }

    fn put(&mut self, mut active: Box<Active>) {
        if self.parts.len() < SPARE_MAX {
            active.reset();
            self.parts.push(active);
        }
    }

    /// Memory is short: a few go, with the one that is not kept.
    fn shrink(&mut self) {
        self.parts.truncate(self.parts.len().saturating_sub(4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    use crate::buffer::Pool;
    use crate::event::ListenerId;
    use crate::slab::SlotId;
    use crate::tcp::recovery::delivery::{Delivery, Totals};
    use crate::trace::LossSign;

    /// One that has been through everything, as it is when its connection ends.
    fn used(pool: &mut Pool) -> Box<Active> {
        let mut active = Box::<Active>::default();
        let (now, seq) = (Instant::from_nanos(5_000_000), SeqNum::new(77));
        let departure = Delivery::default().depart(now, Totals::default(), 0, 10);
        let Active {
            send,
            recv,
            recovery,
            deadlines,
            urgent,
            fast_open,
            ..
        } = &mut *active;
        send.queue.append_copy(pool, &[1; 5000]);
        send.queue.slices(4000, 10);
        for n in 0..5 {
            send.on_sent(seq + 10 * n, 10, now, departure);
        }
        send.mark_lost(2, LossSign::Rto);
        send.mark_lost(3, LossSign::Rto);
        send.on_resent(2, now, departure);
        send.forget_delivered();
        (send.sacked, send.sacked_octets) = (1, 10);
        recv.queue.append_copy(pool, &[1; 300]);
        recv.owe_dup_ack(synfin_wire::SackBlock::new(seq, seq + 1));
        recv.up = Some(seq);
        let mut text = pool.alloc_frame(100);
        text.extend_from(&[2; 90]);
        recv.out_of_order.insert(seq, seq + 5, text, pool);
        recv.out_of_order.fin(seq + 95);
        recovery.dup_acks = 3;
        recovery.rto_at = Some(now);
        recovery.on_sent(10);
        recovery.delivery.depart(now, Totals::default(), 0, 10);
        deadlines.pacing = Some(now);
        *urgent = Some(seq);
        *fast_open = Some(Box::new(fast_open::Opening::Child {
            listener: ListenerId(SlotId {
                index: 1,
                generation: 1,
            }),
            fresh: None,
        }));
        active
    }

    #[test]
    fn one_that_is_used_again_is_as_a_fresh_one() {
        let mut pool = Pool::new(1 << 20);
        let mut spare = SpareActives::default();
        let mut active = used(&mut pool);
        active.send.queue.clear(&mut pool);
        active.recv.queue.clear(&mut pool);
        active.recv.discard_out_of_order(&mut pool);
        let place = core::ptr::from_ref(&*active);
        let fresh = format!("{:?}", Active::default());
        assert_ne!(format!("{active:?}"), fresh);
        spare.put(active);
        let again = spare.take();
        assert_eq!(core::ptr::from_ref(&*again), place);
        assert_eq!(format!("{again:?}"), fresh);
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn few_are_kept_and_they_go_when_memory_is_short() {
        let mut spare = SpareActives::default();
        for _ in 0..SPARE_MAX + 10 {
            spare.put(Box::default());
        }
        assert_eq!(spare.parts.len(), SPARE_MAX);
        for left in (0..SPARE_MAX).rev().step_by(4) {
            spare.shrink();
            assert_eq!(spare.parts.len(), left - 3);
        }
        spare.shrink();
        assert!(spare.parts.is_empty());
    }
}
