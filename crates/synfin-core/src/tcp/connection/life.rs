//! How the state of a connection changes, and how it leaves the wire.

use super::deadlines::CoarseDeadline;
use super::{Connection, Context};
use crate::event::CloseReason;
use crate::state::{Cause, State};
use crate::tcp::connection::Deadlines;
use crate::tcp::marks::{Events, Marks};
use crate::tcp::recovery::Recovery;
use crate::tcp::recv::urgent;
use crate::trace::TraceEvent;

impl Connection {
    /// Changes the state by the one table and tells the trace.
    pub(crate) fn transition(&mut self, cx: &mut Context, cause: Cause) {
        let from = self.state;
        match from.next(cause) {
            Ok(to) => {
                self.state = to;
                count_established(cx, from, to, cause);
                if cx.tracer.is_on() {
                    cx.trace(self.cold.flow, TraceEvent::State { from, to, cause });
                }
            }
            Err(error) => debug_assert!(false, "{error}"),
        }
    }

    /// Ends the connection's life on the wire: state CLOSED or TIME-WAIT has been reached, or is
    /// reached by `cause`. What the application has not read stays for it.
    pub(crate) fn leave_wire(&mut self, cx: &mut Context, cause: Option<Cause>, why: CloseReason) {
        if let Some(cause) = cause {
            self.transition(cx, cause);
        }
        self.cold.close_reason = Some(why);
        self.marks.set(Marks::OFF_WIRE);
        if self.state == State::TimeWait && self.marks.has(Marks::ACK_NOW) {
            self.marks.set(Marks::LAST_ACK_OWED);
        }
        let owed = Marks::ACK_NOW
            .or(Marks::SEND_SYN)
            .or(Marks::PROBE_PEER)
            .or(Marks::PROBE_WINDOW);
        self.marks.clear(owed);
        self.cold.coarse.keep_alive = CoarseDeadline::NONE;
        self.cold.clear_leave();
        if let Some(active) = &mut self.active {
            active.send.clear(&mut cx.pool);
            active.recv.discard_out_of_order(&mut cx.pool);
            active.recovery = Recovery::default();
            active.deadlines = Deadlines::default();
        }
        urgent::on_last_text(self);
        if cx.tracer.is_on() {
            cx.trace(self.cold.flow, TraceEvent::Closed(why));
        }
        self.raise_readable();
        self.raise_writable();
        self.raise(Events::CLOSED);
    }
}

fn is_reset(cause: Cause) -> bool {
    use Cause as C;
    matches!(cause, C::Reset | C::Abort | C::Expired | C::Evicted)
}

/// `tcpCurrEstab`, `tcpAttemptFails` and `tcpEstabResets` of RFC 4022.
fn count_established(cx: &mut Context, from: State, to: State, cause: Cause) {
    let counts = |state| matches!(state, State::Established | State::CloseWait);
    match (counts(from), counts(to)) {
        (false, true) => cx.counters.curr_estab += 1,
        (true, false) => cx.counters.curr_estab -= 1,
        _ => {}
    }
    if to != State::Closed {
        return;
    }
    if counts(from) && is_reset(cause) {
        cx.counters.estab_resets += 1;
    }
    if matches!(from, State::SynSent | State::SynReceived) {
        cx.counters.attempt_fails += 1;
    }
}
