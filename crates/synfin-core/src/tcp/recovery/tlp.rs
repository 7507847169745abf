//! Tail loss probe (RFC 8985 section 7): when the last segments of a flight are lost, nothing
//! that follows can tell. A probe makes the peer say what it has, long before the retransmission
//! timer would.

use synfin_wire::SeqNum;

use crate::tcp::congestion::{CongestionEvent, CongestionKind, Phase};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recovery::scoreboard::News;
use crate::tcp::recovery::{RetransmitTimer, rto};
use crate::tcp::segment::Seg;
use crate::trace::{RecoveryEvent, TimerKind, TraceEvent};

/// The longest delay of an acknowledgement that a probe of a single segment allows for. covers:
/// C-20
const MAX_ACK_DELAY_NS: u64 = 200_000_000;

/// A probe, on its way or due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tlp {
    /// `TLP.end_seq`: `snd.nxt` when the probe left.
    end_seq: Option<SeqNum>,
    /// `TLP.is_retrans`.
    is_retrans: bool,
    /// The timer fired and the probe is to be sent.
    pub(crate) due: bool,
}

impl Tlp {
    /// The probe left.
    pub(crate) fn on_sent(&mut self, nxt: SeqNum, is_retrans: bool) {
        *self = Self {
            end_seq: Some(nxt),
            is_retrans,
            due: false,
        };
    }

    /// The answer to a probe is awaited, or a probe is to be sent.
    pub(crate) fn is_pending(&self) -> bool {
        self.end_seq.is_some() || self.due
    }

    /// Recovery begins, or everything is acknowledged: no probe is awaited any more.
    pub(crate) fn forget(&mut self) {
        self.end_seq = None;
        self.due = false;
    }
}

/// Whether a probe may be scheduled. covers: 8985-11
pub(crate) fn may_schedule(c: &Connection, cx: &Context) -> bool {
    let Some(active) = &c.active else {
        return false;
    };
    let recovery = &active.recovery;
    cx.config.tcp.recovery.tlp
        && c.marks.has(Marks::SACK)
        && c.state.is_synchronized()
        && !c.syn_unacked()
        && matches!(recovery.phase, Phase::Open | Phase::Cwr)
        && active.send.sacked == 0
        && active.send.lost == 0
        && recovery.timeouts == 0
        && !recovery.probe_octet
        && !recovery.tlp.is_pending()
        && !c.marks.has(Marks::PROBE_UNMEASURED)
}

/// `PTO`, in nanoseconds. covers: 8985-10
pub(crate) fn timeout_ns(c: &Connection) -> u64 {
    let srtt = c.cold.rtt.srtt_us;
    if srtt == 0 {
        return NO_SAMPLE_NS;
    }
    let single = c.active.as_ref().is_some_and(|active| {
        active.send.in_flight <= u32::from(c.eff_snd_mss) && active.send.sent.len() == 1
    });
    let base = (2000 * u64::from(srtt)).max(MIN_TIMEOUT_NS);
    if single {
        base + MAX_ACK_DELAY_NS
    } else {
        base
    }
}

/// What it is before there is a sample: a second.
const NO_SAMPLE_NS: u64 = 1_000_000_000;

/// Below, timers of either end are too coarse to tell a tail loss from a late acknowledgement.
const MIN_TIMEOUT_NS: u64 = 10_000_000;

/// The timer fired: the probe is due, and the retransmission timer runs from now. covers: 8985-13
pub(crate) fn on_expiry(c: &mut Connection, cx: &mut Context) {
    if cx.tracer.is_on() {
        let event = TraceEvent::TimerFired {
            timer: TimerKind::LossProbe,
            attempt: 1,
        };
        cx.trace(c.cold.flow, event);
    }
    let Some(active) = &mut c.active else { return };
    active.deadlines.retransmit = None;
    active.recovery.timer = RetransmitTimer::Rto;
    active.recovery.rto_at = None;
    active.recovery.tlp.due = true;
    cx.counters.loss_probes += 1;
    rto::rearm(c, cx);
}

/// Has the probe repaired a loss? covers: 8985-14, 8985-15
pub(crate) fn on_ack(c: &mut Connection, cx: &mut Context, seg: &Seg, news: &News) {
    let duplicate = seg.len() == 0 && !news.advanced && !news.sacked;
    let Some(active) = &mut c.active else { return };
    let tlp = &mut active.recovery.tlp;
    let Some(end) = tlp.end_seq else { return };
    if seg.ack.before(end) {
        return;
    }
    if !tlp.is_retrans || news.dsack.is_some() {
        tlp.end_seq = None;
    } else if seg.ack.after(end) {
        tlp.end_seq = None;
        cx.counters.loss_probe_recovery += 1;
        let event = CongestionEvent {
            now: cx.now,
            kind: CongestionKind::RepairedLoss,
            flight_size: active.send.in_flight + news.delivered.octets,
            mss: u32::from(c.eff_snd_mss),
        };
        c.cold.congestion.live().on_congestion(&event);
        if cx.tracer.is_on() {
            cx.trace(
                c.cold.flow,
                TraceEvent::Recovery(RecoveryEvent::ProbeRepaired),
            );
            c.trace_congestion(cx);
        }
    } else if duplicate {
        // Original and probe have both arrived.
        tlp.end_seq = None;
    }
}
