//! What must hold of a connection between calls (conformance list 5.1). Tests and the simulator
//! call it after every step.

use crate::state::State;
use crate::tcp::connection::{ColdMarks, Connection, Marks};

/// Panics, with the name of the rule, when something is broken.
/// covers: INV-1, INV-5, INV-6, INV-7, INV-10, INV-11, INV-16
pub(crate) fn check(c: &Connection) {
    check_sequence_space(c);
    check_flight(c);
    check_timers(c);
    check_receive(c);
    let mss = u32::from(c.eff_snd_mss);
    assert!(
        c.cold.congestion.cwnd() >= mss,
        "INV-16: cwnd below one segment"
    );
    assert!(
        c.cold.congestion.ssthresh() >= 2 * mss,
        "INV-16: ssthresh below two segments"
    );
    if c.marks.has(Marks::OFF_WIRE) {
        let rest = c
            .active
            .as_ref()
            .map_or(0, |active| active.send.queue.len());
        assert_eq!(
            rest, 0,
            "INV-11: a connection off the wire keeps text to send"
        );
    }
}

fn check_sequence_space(c: &Connection) {
    if c.marks.has(Marks::OFF_WIRE) {
        return;
    }
    assert!(
        c.snd.una.at_or_before(c.snd.nxt),
        "INV-1: snd.una is beyond snd.nxt"
    );
    let fin = u32::from(c.marks.has(Marks::FIN_SENT));
    assert!(
        c.snd.nxt.at_or_before(c.text_end() + fin),
        "INV-1: snd.nxt is beyond what was queued"
    );
    assert!(
        c.marks.has(Marks::FIN_QUEUED) || !c.marks.has(Marks::FIN_SENT),
        "a FIN was sent that nobody asked for"
    );
}

fn check_flight(c: &Connection) {
    let Some(active) = &c.active else { return };
    let send = &active.send;
    let mut next = c.snd.una;
    let (mut in_flight, mut lost, mut sacked, mut sacked_octets) = (0, 0, 0, 0);
    for segment in &send.sent {
        assert_eq!(
            segment.seq, next,
            "INV-7: the record of sent segments has a hole"
        );
        next = segment.end();
        lost += u32::from(segment.lost.is_some());
        assert!(
            !segment.sacked || segment.lost.is_none(),
            "INV-7: delivered and lost at once"
        );
        sacked += u32::from(segment.sacked);
        sacked_octets += if segment.sacked { segment.len } else { 0 };
        if segment.lost.is_none() && !segment.sacked {
            in_flight += segment.len;
        }
    }
    if !send.sent.is_empty() {
        assert_eq!(next, c.snd.nxt, "INV-7: the record ends before snd.nxt");
    }
    let mut reported = 0;
    for segment in send.sent.iter().rev() {
        reported = if segment.sacked { reported + 1 } else { 0 };
        assert!(
            !segment.sacked || segment.run <= reported,
            "INV-7: a run of reported segments leads too far"
        );
    }
    assert_eq!(in_flight, send.in_flight, "INV-7: octets in flight");
    assert_eq!(lost, send.lost, "INV-7: segments marked lost");
    let flying = send.sent.iter().filter(|segment| segment.is_in_flight());
    let filed = send.by_time.iter().filter(|entry| {
        let place = send.place_of(entry.seq);
        place.is_some_and(|place| {
            let segment = &send.sent[place];
            segment.is_in_flight() && segment.transmission == entry.number
        })
    });
    let syn = usize::from(c.syn_unacked());
    assert!(
        filed.count() + syn >= flying.count(),
        "INV-7: a segment in flight that RACK does not know"
    );
    assert_eq!(sacked, send.sacked, "INV-7: segments reported by SACK");
    assert_eq!(
        sacked_octets, send.sacked_octets,
        "INV-7: octets reported by SACK"
    );
}

fn check_timers(c: &Connection) {
    // What was just touched has its timers looked at when it has said what it has to say.
    let touched = c.cold.marks.has(ColdMarks::TOUCHED);
    if c.marks.has(Marks::OFF_WIRE) || c.state == State::Closed || touched {
        return;
    }
    let Some(active) = &c.active else {
        assert!(
            c.snd.una == c.snd.nxt,
            "INV-6: something is unacknowledged without a timer"
        );
        return;
    };
    let d = &active.deadlines;
    let outstanding = !active.send.sent.is_empty();
    // A SYN that is due, or a probe on its way, has its timer set when it leaves.
    let pending = c.marks.has(Marks::SEND_SYN) || c.marks.has(Marks::PROBE_WINDOW);
    let one = d.retransmit.is_some() ^ d.persist.is_some();
    assert!(
        !outstanding || one || pending,
        "INV-6: unacknowledged, and not exactly one timer"
    );
    assert!(
        !(d.retransmit.is_some() && d.persist.is_some()),
        "BUG-5: retransmission and persist timer at once"
    );
}

fn check_receive(c: &Connection) {
    let Some(active) = &c.active else { return };
    active.recv.out_of_order.check();
    for block in active.recv.out_of_order.sack_blocks(4).iter() {
        assert!(
            block.left.after(c.rcv.nxt),
            "INV-5: an out-of-order range at rcv.nxt or below"
        );
        assert!(
            block.right.at_or_before(c.rcv.edge),
            "INV-5: a range beyond the window"
        );
    }
}
