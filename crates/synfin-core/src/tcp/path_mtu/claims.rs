//! Packet Too Big messages about segments in flight (RFC 1191, RFC 8201), with the checks of
//! RFC 5927 section 7.2.
//!
//! Who cannot see the traffic may still guess an address, ports and a sequence number in flight.
//! So a claim that the path takes less than what was acknowledged already waits: if the segment
//! that it quotes is acknowledged, it was wrong; if that times out, it is acted upon.

use synfin_wire::SeqNum;

use super::search::{self, Search};
use super::{largest, lower, mode, tell_others, trace};
use crate::config::PathMtuDiscovery;
use crate::counters::DropReason;
use crate::ip::path_mtu::Claim;
use crate::tcp::connection::{ColdMarks, Connection, Context};
use crate::trace::{PathMtuEvent, PathMtuSign};

/// A claim that waits for proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    claim: Claim,
    /// The segment that it quotes.
    seq: SeqNum,
}

/// A router says of the segment at `seq`, which is in flight, that it was too big.
/// covers: 1191-2, 1191-6, 5927-4, 8201-3
pub(crate) fn on_too_big(c: &mut Connection, cx: &mut Context, mtu: u32, seq: SeqNum) {
    if mode(c, cx) == PathMtuDiscovery::Off {
        cx.drop(c.cold.flow, DropReason::IgnoredIcmp);
        return;
    }
    let path = &c.cold.path_mtu;
    let (current, acked) = (path.current, path.acked);
    let fragments = c.cold.marks.has(ColdMarks::FRAGMENTS);
    let probe = search::probe_at(c, seq);
    let sent = probe.unwrap_or_else(|| current.min(largest(c)));
    let floor = cx.config.tcp.path_mtu.floor_v4;
    let claim = Claim::read(c.is_v6(), mtu, sent, floor);
    match claim {
        Some(claim) if probe.is_some() && claim.mtu >= current => {
            search::on_refused(c, cx, claim.mtu);
        }
        Some(claim) if claim.mtu >= current && (fragments || !claim.fragments) => {
            cx.drop(c.cold.flow, DropReason::MtuNotSmaller);
        }
        Some(claim) if claim.mtu < acked => hold(c, cx, Held { claim, seq }),
        Some(claim) => accept(c, cx, claim),
        None => cx.drop(c.cold.flow, DropReason::MtuNotSmaller),
    }
}

/// Of two claims the one that takes less away waits, for the segment that was quoted last.
fn hold(c: &mut Connection, cx: &mut Context, mut held: Held) {
    let flight = &mut c.active().path;
    if let Some(before) = flight.held {
        if before.claim.mtu > held.claim.mtu {
            held.claim = before.claim;
        }
        if before.seq.after(held.seq) {
            held.seq = before.seq;
        }
    }
    flight.held = Some(held);
    cx.counters.path_mtu_held += 1;
    let mtu = held.claim.mtu;
    trace(c, cx, PathMtuEvent::Held { mtu });
}

fn accept(c: &mut Connection, cx: &mut Context, claim: Claim) {
    if claim.fragments {
        c.cold.marks.set(ColdMarks::FRAGMENTS);
    }
    let raise_at = cx.now + cx.config.tcp.path_mtu.raise_after;
    c.cold.set_search(Search::from(raise_at, largest(c)));
    lower(c, cx, claim.mtu, PathMtuSign::Icmp);
    tell_others(c, cx);
}

/// The quoted segment was acknowledged or reported: the claim was forged, or late. covers: 5927-4
pub(super) fn on_ack(c: &mut Connection, cx: &mut Context) {
    let una = c.snd.una;
    let Some(active) = &mut c.active else { return };
    let send = &active.send;
    let has_arrived = |held: &mut Held| {
        let reported = || {
            send.place_of(held.seq)
                .is_some_and(|at| send.sent[at].sacked)
        };
        una.after(held.seq) || reported()
    };
    let Some(held) = active.path.held.take_if(has_arrived) else {
        return;
    };
    cx.counters.path_mtu_refuted += 1;
    let mtu = held.claim.mtu;
    trace(c, cx, PathMtuEvent::Refuted { mtu });
}

/// Nothing of what is in flight was acknowledged in time: the claim is true. covers: 5927-4
pub(super) fn on_timeout(c: &mut Connection, cx: &mut Context) -> bool {
    let held = c.active.as_mut().and_then(|active| active.path.held.take());
    let Some(held) = held.filter(|held| held.claim.mtu <= c.cold.path_mtu.current) else {
        return false;
    };
    accept(c, cx, held.claim);
    true
}
