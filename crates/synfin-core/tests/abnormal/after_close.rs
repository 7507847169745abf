//! What happens to a connection that the application has left, or leaves by force.

use synfin_core::{CloseReason, DropReason, Event, RecvOutcome, SendError, State};

use crate::support::{Peer, Setup, Stage, ms, s};

/// Text for an application that has closed: RST, in both states that could take it.
/// covers: AB-20, RG-12, ST-506, ST-603, 9293-SHLD-3
#[test]
fn text_after_close() {
    for setup in Setup::variants() {
        for acked in [false, true] {
            let mut peer = Peer::open(setup.clone());
            peer.close(None);
            assert_eq!(peer.replies(), "{FIN. seq=1 ack=1}");
            let ack = if acked { 2 } else { 1 };
            if acked {
                peer.expect("{. seq=1 ack=2}", "");
                peer.is(State::FinWait2);
            }
            let text = format!("{{. seq=1 ack={ack} len=5}}");
            peer.expect(&text, &format!("{{RST seq={ack}}}"));
            assert_eq!(peer.dropped(DropReason::DataAfterClose), 1);
            peer.gone();
        }
    }
}

/// Nothing but old text and the FIN after close: no RST.
/// covers: AB-21, ST-504
#[test]
fn old_text_and_fin_after_close() {
    for setup in Setup::variants() {
        let mut peer = Peer::open(setup);
        peer.exchange("{. seq=1 ack=1 len=10}");
        assert_eq!(peer.read(), 10);
        peer.close(None);
        assert_eq!(peer.replies(), "{FIN. seq=1 ack=11}");
        peer.expect("{. seq=1 ack=1 len=10}", "{. seq=2 ack=11}");
        peer.expect("{FIN. seq=11 ack=2}", "{. seq=2 ack=12}");
        peer.is(State::TimeWait);
    }
}

/// CLOSE with unread text resets; what was only queued is gone.
/// covers: AB-25, RG-11, ST-415, DEC-10, 9293-SHLD-3, 2525-17
#[test]
fn close_with_unread_text() {
    for setup in Setup::variants() {
        for fin in [false, true] {
            let mut peer = Peer::open(setup.clone());
            let segment = if fin {
                "{FIN. seq=1 ack=1 len=10}"
            } else {
                "{. seq=1 ack=1 len=10}"
            };
            peer.exchange(segment);
            peer.close(None);
            assert_eq!(
                peer.replies(),
                format!("{{RST. seq=1 ack={}}}", peer.marks.r)
            );
            peer.gone();
        }
    }
}

/// ABORT and a linger time of zero: RST at once, nothing queued leaves, no TIME-WAIT.
/// covers: AB-22, RG-10, ST-414, ST-510, ST-608
#[test]
fn abort_and_linger_zero() {
    let stages = [
        Stage::Established,
        Stage::FinWait1,
        Stage::FinWait2,
        Stage::CloseWait,
    ];
    for setup in Setup::variants() {
        for (stage, abort) in stages.into_iter().flat_map(|st| [(st, true), (st, false)]) {
            let mut peer = Peer::reach(setup.clone(), stage);
            if matches!(stage, Stage::Established | Stage::CloseWait) {
                peer.on("{. seq=R ack=N win=0}");
                peer.write(100);
            }
            let (n, r) = (peer.marks.n, peer.marks.r);
            if abort {
                peer.abort();
            } else {
                peer.close(Some(ms(0)));
            }
            let what = format!("{stage:?}, abort {abort}");
            assert_eq!(
                peer.replies(),
                format!("{{RST. seq={n} ack={r}}}"),
                "{what}"
            );
            peer.gone();
        }
    }
}

/// Nothing tells the peer where it has said everything, or was told everything.
/// covers: RG-15, ST-806, ST-1011
#[test]
fn abort_when_both_have_closed() {
    for stage in [Stage::Closing, Stage::LastAck, Stage::TimeWait] {
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.abort();
        assert_eq!(peer.replies(), "", "{stage:?}");
        let end = if stage == Stage::TimeWait {
            State::TimeWait
        } else {
            State::Closed
        };
        assert_eq!(peer.state(), end, "{stage:?}");
    }
}

/// ABORT in SYN-RECEIVED of an active open.
/// covers: ST-312, RG-14
#[test]
fn abort_in_syn_received() {
    let mut peer = Peer::reach(Setup::default(), Stage::SynReceivedActive);
    peer.abort();
    assert_eq!(peer.replies(), "{RST. seq=1 ack=1}");
    peer.gone();
}

/// CLOSE in SYN-RECEIVED of an active open: the FIN follows, now or once established.
/// covers: ST-311
#[test]
fn close_in_syn_received() {
    let mut peer = Peer::reach(Setup::default(), Stage::SynReceivedActive);
    peer.close(None);
    let now = peer.replies();
    let then = peer.on("{. seq=1 ack=1}");
    assert_eq!(format!("{now}{then}"), "{FIN. seq=1 ack=1}");
    peer.is(State::FinWait1);
    peer.expect("{FIN. seq=1 ack=2}", "{. seq=2 ack=2}");
    peer.is(State::TimeWait);
}

/// Lingering: RST when the FIN is not acknowledged in time.
/// covers: AB-23
#[test]
fn linger_that_expires() {
    let mut peer = Peer::open(Setup::default());
    peer.close(Some(s(5)));
    assert_eq!(peer.replies(), "{FIN. seq=1 ack=1}");
    let sent = peer.after(ms(4_999));
    assert!(!sent.contains("RST"), "{sent}");
    assert_eq!(peer.after(ms(2)), "{RST. seq=2 ack=1}");
    peer.gone();
}

/// Lingering ends with the ACK of the FIN; what is left is an ordinary FIN-WAIT-2.
/// covers: AB-23, DEC-9, C-17
#[test]
fn linger_that_is_satisfied() {
    for shut_before in [false, true] {
        let mut peer = Peer::open(Setup::default());
        if shut_before {
            peer.shutdown(synfin_core::Shutdown::Write);
            peer.replies();
            peer.expect("{. seq=1 ack=2}", "");
            peer.close(Some(s(5)));
        } else {
            peer.close(Some(s(5)));
            peer.replies();
            peer.expect("{. seq=1 ack=2}", "");
        }
        assert_eq!(peer.after(s(10)), "");
        peer.is(State::FinWait2);
        peer.expect("{FIN. seq=1 ack=2}", "{. seq=2 ack=2}");
        peer.is(State::TimeWait);
    }
}

/// A peer that never closes: FIN-WAIT-2 ends after 60 s, and what comes late is reset.
/// covers: AB-24, ST-604, DEC-9, C-17
#[test]
fn fin_wait_2_times_out() {
    for setup in Setup::variants() {
        for text in ["{. seq=1 ack=2 len=5}", "{FIN. seq=1 ack=2}"] {
            let mut peer = Peer::open(setup.clone());
            peer.close(None);
            peer.replies();
            peer.expect("{. seq=1 ack=2}", "");
            assert_eq!(peer.after(ms(59_999)), "");
            peer.is(State::FinWait2);
            assert_eq!(peer.after(ms(2)), "");
            peer.is(State::Closed);
            peer.expect(text, "{RST seq=2}");
            peer.gone();
        }
    }
}

/// An orphan is given up sooner than a connection with an application.
/// covers: AB-25, ST-507, ST-903, RG-16
#[test]
fn an_orphan_is_given_up() {
    for stage in [
        Stage::Established,
        Stage::CloseWait,
        Stage::FinWait1,
        Stage::LastAck,
    ] {
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.close(None);
        peer.replies();
        let sent = peer.after(s(600));
        assert_eq!(sent.matches("FIN").count(), 8, "{stage:?}: {sent}");
        peer.gone();
    }
}

/// The server's FIN crosses a request: the client learns that nothing was answered.
/// covers: AB-46
#[test]
fn fin_crosses_a_request() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Established);
        peer.expect("{FIN. seq=11 ack=11}", "{. seq=21 ack=12}");
        peer.is(State::CloseWait);
        assert_eq!(peer.end(), Ok(RecvOutcome::EndOfStream));
        peer.expect("{RST seq=12}", "");
        peer.ended(CloseReason::ResetByPeer);
        let closed = SendError::Closed(CloseReason::ResetByPeer);
        assert_eq!(peer.send_error(), Some(closed));
        assert_eq!(peer.delivered, 10);
    }
}

/// Calls that the state does not allow.
/// covers: ST-508, ST-509, ST-806, ST-702
#[test]
fn calls_after_shutdown() {
    for stage in [
        Stage::FinWait1,
        Stage::FinWait2,
        Stage::Closing,
        Stage::LastAck,
    ] {
        let mut peer = Peer::reach(Setup::default(), stage);
        assert_eq!(peer.send_error(), Some(SendError::Closing), "{stage:?}");
        peer.shutdown(synfin_core::Shutdown::Write);
        assert_eq!(peer.replies(), "", "never a second FIN");
        peer.is(stage.state());
    }
    let mut peer = Peer::reach(Setup::default(), Stage::CloseWait);
    for _ in 0..3 {
        assert_eq!(peer.end(), Ok(RecvOutcome::EndOfStream));
    }
    assert_eq!(peer.told(|e| matches!(e, Event::PeerFinished(_))), 1);
    assert_eq!(peer.on("{. seq=12 ack=21}"), "");
    assert_eq!(peer.after(s(86_400)), "", "ST-709: no timer");
    peer.is(State::CloseWait);
}

/// Reading is shut down: text is acknowledged and thrown away.
/// covers: ST-424
#[test]
fn text_after_shutdown_of_reading() {
    let mut peer = Peer::open(Setup::default());
    peer.shutdown(synfin_core::Shutdown::Read);
    let mut at = 1;
    for _ in 0..50 {
        let reply = peer.exchange(&format!("{{. seq={at} ack=1 len=1000}}"));
        assert!(!reply.is_empty() && !reply.contains("RST"), "{reply}");
        at += 1000;
        assert_eq!(peer.marks.r, at);
    }
    assert_eq!(peer.end(), Ok(RecvOutcome::EndOfStream));
    peer.is(State::Established);
}
