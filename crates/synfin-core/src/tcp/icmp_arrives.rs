//! What ICMP errors mean to a connection (RFC 9293 section 3.9.2.2, RFC 5927, RFC 1191).

use synfin_wire::SeqNum;

use crate::event::{CloseReason, SoftError};
use crate::ip::icmp::IcmpKind;
use crate::state::{Cause, State};
use crate::tcp::connection::{Connection, Context, Events};
use crate::tcp::path_mtu::claims;
use crate::trace::TraceEvent;

/// Whether the quoted segment is one of those in flight; anything else may be forged.
/// covers: 5927-1
pub(crate) fn is_in_flight(c: &Connection, seq: SeqNum) -> bool {
    seq.at_or_after(c.snd.una) && seq.before(c.snd.nxt)
}

/// Takes an error about the segment at `seq`, which is in flight.
/// covers: 9293-MUST-54, 9293-MUST-56, 9293-SHLD-26, DEC-7, 5927-2, ST-210, ST-211, ST-422
pub(crate) fn on_error(c: &mut Connection, cx: &mut Context, kind: IcmpKind, seq: SeqNum) {
    match kind {
        IcmpKind::PacketTooBig { mtu } => claims::on_too_big(c, cx, mtu, seq),
        IcmpKind::Hard(error) | IcmpKind::Administrative(error) if is_opening(c) => {
            let why = match error {
                // covers: 1122-23
                SoftError::PortUnreachable | SoftError::ProtocolUnreachable => CloseReason::Refused,
                _ => CloseReason::Unreachable(error),
            };
            c.leave_wire(cx, Some(Cause::Unreachable), why);
        }
        IcmpKind::Soft(error) | IcmpKind::Hard(error) | IcmpKind::Administrative(error) => {
            report(c, cx, error);
        }
    }
}

fn is_opening(c: &Connection) -> bool {
    matches!(c.state, State::SynSent | State::SynReceived)
}

/// covers: 9293-MUST-47, 9293-SHLD-20, 9293-SHLD-25
fn report(c: &mut Connection, cx: &mut Context, error: SoftError) {
    c.cold.soft_error = Some(error);
    if c.options(cx).soft_errors {
        c.raise(Events::SOFT_ERROR);
    }
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Soft(error));
    }
}
