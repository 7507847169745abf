//! The engine's reasons in the words of the RFCs.

use std::time::Duration;

use synfin_core::{
    AckReason, EcnEvent, FastOpenEvent, Flags, Instant, IpEcn, LossSign, PathMtuEvent, PathMtuSign,
    ReceiveLimit, RecoveryEvent, ResetReason, SegmentRecord, SendLimit, SendReason, TimerKind,
    TraceEvent, TraceRecord, UndoSign, UserCall,
};

/// Why a segment was sent.
pub(crate) fn send_reason(reason: SendReason) -> String {
    match reason {
        SendReason::Open => "open".to_owned(),
        SendReason::SynCookie => "a SYN cookie, nothing is kept".to_owned(),
        SendReason::Text => "new text".to_owned(),
        SendReason::Fin => "no more text".to_owned(),
        SendReason::PathMtuProbe => "new text, a probe of the path MTU".to_owned(),
        SendReason::Retransmission { by, copy } => {
            format!("retransmission by {}, copy {copy}", loss_sign(by))
        }
        SendReason::Ack(reason) => ack_reason(reason).to_owned(),
        SendReason::ZeroWindowProbe => "zero-window probe".to_owned(),
        SendReason::KeepAliveProbe => "keep-alive probe".to_owned(),
        SendReason::Reset(reason) => format!("reset: {}", reset_reason(reason)),
        _ => "other".to_owned(),
    }
}

/// How a loss was found, in one word.
pub(crate) const fn loss_sign(sign: LossSign) -> &'static str {
    match sign {
        LossSign::Rto => "RTO",
        LossSign::FastRetransmit => "fast retransmit",
        LossSign::PartialAck => "partial ACK",
        LossSign::Rack => "RACK",
        LossSign::Sack => "SACK",
        LossSign::TailLossProbe => "tail loss probe",
        LossSign::SackHole => "hole below SACK, nothing new to send",
        LossSign::SackRescue => "rescue of the tail in recovery",
        LossSign::RepeatedSyn => "repeated SYN",
        LossSign::PathMtu => "path MTU",
        LossSign::PathMtuProbe => "path MTU probe",
        LossSign::FastOpenRefused => "Fast Open refused",
        _ => "loss",
    }
}

/// What path MTU discovery found.
fn path_mtu(event: PathMtuEvent) -> String {
    match event {
        PathMtuEvent::Lowered { mtu, by } => format!("down to {mtu}, {}", path_mtu_sign(by)),
        PathMtuEvent::Raised { mtu, by } => format!("up to {mtu}, {}", path_mtu_sign(by)),
        PathMtuEvent::ProbeLost { size, alone: true } => {
            format!("the probe of {size} was lost, alone")
        }
        PathMtuEvent::ProbeLost { size, alone: false } => {
            format!("the probe of {size} was lost, which proves nothing")
        }
        PathMtuEvent::ProbeRefused { size, mtu } => {
            format!("ICMP refuses the probe of {size}, {mtu} would do")
        }
        PathMtuEvent::Settled { mtu } => format!("search over at {mtu}"),
        PathMtuEvent::Held { mtu } => {
            format!("ICMP claims {mtu}, less than was acknowledged: wait")
        }
        PathMtuEvent::Refuted { mtu } => format!("the claim of {mtu} was wrong"),
        _ => "news".to_owned(),
    }
}

const fn path_mtu_sign(sign: PathMtuSign) -> &'static str {
    match sign {
        PathMtuSign::Icmp => "by ICMP",
        PathMtuSign::Device => "the device's",
        PathMtuSign::OtherConnection => "as another connection found",
        PathMtuSign::BlackHole => "large segments vanish",
        PathMtuSign::Probe => "the probe arrived",
        PathMtuSign::Age => "the old value was too old",
        _ => "for a reason",
    }
}

/// What path MTU discovery changes, in a few words; `None` for what changes nothing.
pub(crate) fn path_mtu_change(event: PathMtuEvent) -> Option<String> {
    match event {
        PathMtuEvent::Lowered { mtu, by } => {
            let why = match by {
                PathMtuSign::Icmp => "ICMP",
                PathMtuSign::BlackHole => "black hole",
                PathMtuSign::OtherConnection => "known",
                _ => "device",
            };
            Some(format!("{why}: MTU {mtu}"))
        }
        PathMtuEvent::Raised { mtu, by } => {
            let why = match by {
                PathMtuSign::Probe => "probe",
                _ => "age",
            };
            Some(format!("{why}: MTU {mtu}"))
        }
        PathMtuEvent::Settled { mtu } => Some(format!("found: MTU {mtu}")),
        PathMtuEvent::Held { .. } => Some("ICMP not believed".to_owned()),
        _ => None,
    }
}

/// What Fast Open did.
fn fast_open(event: FastOpenEvent) -> String {
    let words = match event {
        FastOpenEvent::NotTried => "not tried, it failed lately",
        FastOpenEvent::Requested => "cookie requested",
        FastOpenEvent::Used { len } => return format!("SYN carries {len} octets"),
        FastOpenEvent::Learned => "cookie kept",
        FastOpenEvent::NotOffered => "the peer gives no cookie",
        FastOpenEvent::NoAnswer => "no answer to the SYN",
        FastOpenEvent::Accepted => "text of the SYN acknowledged",
        FastOpenEvent::Refused => "text of the SYN not taken",
        FastOpenEvent::Offered => "cookie given",
        FastOpenEvent::Taken { len } => return format!("cookie good, {len} octets taken"),
        FastOpenEvent::BadCookie => "bad cookie, a new one given",
        FastOpenEvent::TooManyPending => "too many pending",
        _ => "",
    };
    words.to_owned()
}

/// Why a bare ACK was sent.
pub(crate) const fn ack_reason(reason: AckReason) -> &'static str {
    match reason {
        AckReason::Handshake => "third segment of the handshake",
        AckReason::SecondSegment => "second full-sized segment",
        AckReason::Quick => "quick ACK",
        AckReason::Delayed => "delayed ACK",
        AckReason::OutOfOrder => "text above a gap",
        AckReason::GapFilled => "gap filled",
        AckReason::Duplicate => "nothing new",
        AckReason::Unacceptable => "segment outside the window",
        AckReason::Fin => "FIN taken",
        AckReason::UserTimeout => "user timeout",
        AckReason::WindowUpdate => "window update",
        AckReason::Challenge => "challenge ACK",
        AckReason::CongestionExperienced => "congestion experienced",
        AckReason::TimeWait => "TIME-WAIT answers",
        _ => "ACK",
    }
}

/// Why a RST was sent.
pub(crate) const fn reset_reason(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::NoConnection => "no connection",
        ResetReason::BadAck => "ACK of something never sent",
        ResetReason::Abort => "ABORT",
        ResetReason::CloseWithUnreadData => "CLOSE with unread text",
        ResetReason::DataAfterClose => "text after CLOSE",
        ResetReason::ListenerClosed => "listener closed",
        ResetReason::Refused => "refused by the application",
        ResetReason::LingerExpired => "linger expired",
        ResetReason::OrphanLimit => "too many orphans",
        ResetReason::MixedEcn => "two kinds of ECN in one handshake",
        ResetReason::Stalled => "its peer takes nothing, and memory is short",
        _ => "reset",
    }
}

/// A span of time with three digits: `40.1 ms`, `1.20 s`, `60 s`, `15 min`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 0.000_999_5 => format!("{} us", time.as_micros()),
        s if s < 0.9995 => format!("{} ms", digits(s * 1e3)),
        s if s < 600.0 => format!("{} s", digits(s)),
        s => format!("{} min", digits(s / 60.0)),
    }
}

/// Three digits, and none behind the point that say nothing.
fn digits(number: f64) -> String {
    let text = match number {
        n if n < 10.0 => format!("{n:.2}"),
        n if n < 100.0 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// An amount of octets: `400 B`, `61 KB`, `2.1 MB`.
pub(crate) fn octets(count: u64) -> String {
    match count {
        n if n < 10_000 => format!("{n} B"),
        n if n < 10_000_000 => format!("{} KB", digits(n as f64 / 1e3)),
        n => format!("{} MB", digits(n as f64 / 1e6)),
    }
}

/// The control bits, comma between, in the order `SYN FIN RST PSH URG ACK`.
pub(crate) fn flags(flags: Flags) -> String {
    const NAMES: [(Flags, &str); 9] = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::URG, "URG"),
        (Flags::ACK, "ACK"),
        (Flags::ECE, "ECE"),
        (Flags::CWR, "CWR"),
        (Flags::AE, "AE"),
    ];
    let set = NAMES.iter().filter(|(bit, _)| flags.contains(*bit));
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

/// The options, as tcpdump abbreviates them.
pub(crate) fn options(
    segment: &SegmentRecord,
    relative: impl Fn(synfin_core::SeqNum) -> u32,
) -> String {
    let mut parts = Vec::new();
    if let Some(mss) = segment.mss {
        parts.push(format!("mss {mss}"));
    }
    if segment.sack_permitted {
        parts.push("sackOK".to_owned());
    }
    if let Some(timestamps) = segment.timestamps {
        parts.push(format!("TS val {} ecr {}", timestamps.val, timestamps.ecr));
    }
    if let Some(shift) = segment.window_scale {
        parts.push(format!("ws {shift}"));
    }
    match segment.cookie_len {
        None => {}
        Some(0) => parts.push("cookie requested".to_owned()),
        Some(len) => parts.push(format!("cookie of {len} octets")),
    }
    for block in segment.sack.iter() {
        let (left, right) = (relative(block.left), relative(block.right));
        parts.push(format!("sack {left}:{right}"));
    }
    parts.join(",")
}

/// The ECN field of an IP header, by the names of RFC 3168.
pub(crate) const fn ip_ecn(field: IpEcn) -> &'static str {
    match field {
        IpEcn::NotEct => "Not-ECT",
        IpEcn::Ect0 => "ECT(0)",
        IpEcn::Ect1 => "ECT(1)",
        IpEcn::Ce => "CE",
    }
}

/// What an event of ECN changes, in a few words; `None` for one that changes nothing yet.
pub(crate) const fn ecn_change(event: EcnEvent) -> Option<&'static str> {
    match event {
        EcnEvent::SynFallBack => Some("asks without ECN"),
        EcnEvent::Mangled | EcnEvent::FeedbackZeroed => Some("ECN off: mangled"),
        EcnEvent::Reduced { .. } => Some("ECN: cwnd reduced"),
        EcnEvent::Held => Some("ECN: waits"),
        _ => None,
    }
}

fn ecn(event: EcnEvent) -> String {
    match event {
        EcnEvent::Negotiated { accurate: false } => "ECN: both ends speak it".to_owned(),
        EcnEvent::Negotiated { accurate: true } => "ECN: both ends report accurately".to_owned(),
        EcnEvent::SynFallBack => "ECN: the SYN asks no more".to_owned(),
        EcnEvent::Mangled => "ECN: the path changes the field, sending without".to_owned(),
        EcnEvent::FeedbackZeroed => "ECN: the path clears the reports, sending without".to_owned(),
        EcnEvent::CongestionExperienced => "ECN: the network marked this segment".to_owned(),
        EcnEvent::Reduced { ce_octets: 0 } => "ECN: marks reported, window reduced".to_owned(),
        EcnEvent::Reduced { ce_octets } => {
            format!("ECN: {} marked, window reduced", octets(ce_octets.into()))
        }
        EcnEvent::Held => "ECN: marks reported at the smallest window, waiting".to_owned(),
        _ => "ECN".to_owned(),
    }
}

/// A segment in one line, with raw numbers.
pub fn describe_segment(segment: &SegmentRecord) -> String {
    let mut text = format!("{} seq={}", flags(segment.flags), segment.seq.raw());
    if segment.flags.contains(Flags::ACK) {
        text += &format!(" ack={}", segment.ack.raw());
    }
    if segment.text_len > 0 {
        text += &format!(" len={}", segment.text_len);
    }
    text += &format!(" win={}", segment.window);
    if segment.ecn != IpEcn::NotEct {
        text += &format!(" {}", ip_ecn(segment.ecn));
    }
    let options = options(segment, synfin_core::SeqNum::raw);
    if !options.is_empty() {
        text += &format!(" [{options}]");
    }
    text
}

/// A record of an engine's trace in one line, without its time.
pub fn describe_record(record: &TraceRecord) -> String {
    match &record.event {
        TraceEvent::Opened { tuple, role } => format!("opened {tuple} {role:?}").to_lowercase(),
        TraceEvent::State { from, to, cause } => format!("{from} -> {to} ({cause})"),
        TraceEvent::Sent { segment, reason } => {
            let reason = send_reason(*reason);
            format!("sent {} ({reason})", describe_segment(segment))
        }
        TraceEvent::Received { segment } => format!("received {}", describe_segment(segment)),
        TraceEvent::Dropped { reason } => format!("dropped: {}", reason.as_str()),
        TraceEvent::TimerSet { timer, deadline } => {
            format!(
                "{timer} timer set, in {}",
                span(since(record.at, *deadline))
            )
        }
        TraceEvent::TimerFired { timer, attempt } => format!("{timer} timer fired, no. {attempt}"),
        TraceEvent::TimerCancelled { timer } => format!("{timer} timer cancelled"),
        TraceEvent::Recovery(event) => recovery(*event).to_owned(),
        TraceEvent::Congestion {
            cwnd,
            ssthresh,
            flight_size,
        } => format!("cwnd {cwnd}, ssthresh {ssthresh}, in flight {flight_size}"),
        TraceEvent::Rtt {
            sample_us,
            srtt_us,
            rto_us,
        } => format!("RTT {sample_us} us, SRTT {srtt_us} us, RTO {rto_us} us"),
        TraceEvent::Ecn(event) => ecn(*event),
        TraceEvent::SendWindow { snd_wnd } => format!("send window {snd_wnd}"),
        TraceEvent::ReceiveLimit { by, rcv_wnd } => {
            format!("receive window {rcv_wnd}, {}", receive_limit(*by))
        }
        TraceEvent::SendLimit { by, unsent } => {
            format!("held back by {}, {unsent} octets wait", send_limit(*by))
        }
        TraceEvent::Call(call) => user_call(*call),
        TraceEvent::PathMtu(event) => format!("path MTU: {}", path_mtu(*event)),
        TraceEvent::FastOpen(event) => format!("Fast Open: {}", fast_open(*event)),
        TraceEvent::Soft(error) => format!("ICMP: {error}"),
        TraceEvent::Ipv6 { device, event } => format!("device {}: {event}", device.index()),
        TraceEvent::Closed(reason) => format!("closed: {reason}"),
        TraceEvent::Lost { count } => format!("{count} records lost"),
        _ => "unknown record".to_owned(),
    }
}

fn since(from: Instant, to: Instant) -> Duration {
    to.saturating_duration_since(from)
}

/// Loss recovery in words.
pub(crate) const fn recovery(event: RecoveryEvent) -> &'static str {
    match event {
        RecoveryEvent::Entered => "fast recovery entered",
        RecoveryEvent::Left => "fast recovery left",
        RecoveryEvent::Timeout => "slow start after timeout",
        RecoveryEvent::ProbeRepaired => "the probe repaired a loss",
        RecoveryEvent::Undone(sign) => match sign {
            UndoSign::Timestamp => "undone: the echoed timestamp is of the original",
            UndoSign::DuplicateSack => "undone: D-SACK reports all retransmissions",
            UndoSign::Frto => "undone: F-RTO found the timeout spurious",
            _ => "undone",
        },
        _ => "recovery",
    }
}

/// What recovery found out that no segment shows, in a few words.
pub(crate) const fn recovery_finding(event: RecoveryEvent) -> Option<&'static str> {
    match event {
        RecoveryEvent::ProbeRepaired => Some("probe filled a hole"),
        RecoveryEvent::Undone(UndoSign::Timestamp) => Some("undone: timestamp"),
        RecoveryEvent::Undone(UndoSign::DuplicateSack) => Some("undone: D-SACK"),
        RecoveryEvent::Undone(UndoSign::Frto) => Some("undone: F-RTO"),
        _ => None,
    }
}

fn receive_limit(by: Option<ReceiveLimit>) -> &'static str {
    match by {
        Some(ReceiveLimit::Application) => "the application does not read",
        Some(ReceiveLimit::Memory) => "memory is short",
        Some(_) => "held back",
        None => "no longer held back",
    }
}

/// What holds a sender back.
pub(crate) const fn send_limit(by: SendLimit) -> &'static str {
    match by {
        SendLimit::Application => "the application",
        SendLimit::SendBuffer => "the send buffer",
        SendLimit::ReceiveWindow => "the receive window",
        SendLimit::CongestionWindow => "the congestion window",
        SendLimit::Recovery => "recovery",
        SendLimit::Pacing => "pacing",
        SendLimit::Nagle => "Nagle's algorithm",
        _ => "something",
    }
}

/// A stretch in which something held the sender back.
pub(crate) fn held(by: SendLimit, lasted: Duration) -> String {
    format!("held {} by {}", span(lasted), send_limit(by))
}

/// The same where there is little room.
pub(crate) fn held_short(by: SendLimit, lasted: Duration) -> String {
    let by = match by {
        SendLimit::Application => "app",
        SendLimit::SendBuffer => "sndbuf",
        SendLimit::ReceiveWindow => "rwnd",
        SendLimit::CongestionWindow => "cwnd",
        SendLimit::Nagle => "Nagle",
        by => send_limit(by),
    };
    format!("held {}: {by}", span(lasted))
}

fn user_call(call: UserCall) -> String {
    match call {
        UserCall::Open => "OPEN".to_owned(),
        UserCall::Urgent => "URGENT".to_owned(),
        UserCall::Send(len) => format!("SEND {len}"),
        UserCall::Receive(len) => format!("RECEIVE {len}"),
        UserCall::Shutdown => "SHUTDOWN".to_owned(),
        UserCall::Close => "CLOSE".to_owned(),
        UserCall::Abort => "ABORT".to_owned(),
        _ => "call".to_owned(),
    }
}

/// A timer as a reader of a ladder knows it.
pub(crate) fn timer(kind: TimerKind) -> String {
    match kind {
        TimerKind::Retransmit => "RTO".to_owned(),
        TimerKind::LossProbe => "PTO".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_three_digits_at_most() {
        for (micros, text) in [
            (7, "7 us"),
            (40_100, "40.1 ms"),
            (999_900, "1 s"),
            (1_200_000, "1.2 s"),
            (60_000_000, "60 s"),
            (924_600_000, "15.4 min"),
        ] {
            assert_eq!(span(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn octets_are_decimal() {
        assert_eq!(octets(400), "400 B");
        assert_eq!(octets(61_320), "61.3 KB");
        assert_eq!(octets(20_000_000), "20 MB");
    }

    #[test]
    fn flags_are_in_a_fixed_order() {
        let all = Flags::ACK.with(Flags::SYN);
        assert_eq!(flags(all), "SYN,ACK");
        assert_eq!(
            flags(Flags::ACK.with(Flags::FIN).with(Flags::PSH)),
            "FIN,PSH,ACK"
        );
    }
}
