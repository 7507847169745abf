//! PAWS and missing timestamps (RFC 7323 sections 3.2 and 5.3), in every state that has them.

use synfin_core::State;

use crate::classes::run;
use crate::support::{Peer, Setup, Stage};

fn setups() -> [Setup; 2] {
    [false, true].map(|v6| Setup {
        v6,
        ..Setup::with_timestamps()
    })
}

/// Old timestamps are answered and change nothing; one ACK, whatever else is wrong. A segment
/// without the option is dropped.
/// covers: EV-2, 7323-11, 7323-17, 7323-18, 7323-25, DEC-13
#[test]
fn old_timestamps_change_nothing() {
    let classes = [
        ("text", "{. seq=R ack=N len=5 ts=-9}", "{. seq=N ack=R}"),
        (
            "beyond window",
            "{. seq=E ack=N len=5 ts=-9}",
            "{. seq=N ack=R}",
        ),
        ("ACK new", "{. seq=R ack=N ts=-9}", "{. seq=N ack=R}"),
        ("FIN", "{FIN. seq=R ack=N ts=-9}", "{. seq=N ack=R}"),
        (
            "wrapped",
            "{. seq=R ack=N len=5 ts=-2147483647}",
            "{. seq=N ack=R}",
        ),
        ("none", "{. seq=R ack=N len=5 bare}", ""),
        ("none, FIN", "{FIN. seq=R ack=N bare}", ""),
    ];
    let others = [Stage::SynReceived, Stage::SynReceivedActive];
    for stage in Stage::SYNCHRONIZED.into_iter().chain(others) {
        for (class, segment, reply) in classes {
            for setup in setups() {
                run(&setup, stage, segment, &(class, reply, stage.state(), 0));
            }
        }
    }
}

/// A RST is not subject to PAWS, and needs no timestamp.
/// covers: 7323-19
#[test]
fn old_timestamps_do_not_save_from_a_rst() {
    for stage in Stage::SYNCHRONIZED
        .into_iter()
        .filter(|s| *s != Stage::TimeWait)
    {
        for segment in ["{RST seq=R ts=-9}", "{RST. seq=R ack=N bare}"] {
            for setup in setups() {
                run(&setup, stage, segment, &("RST", "", State::Closed, 0));
            }
        }
    }
}

/// An equal or newer timestamp passes.
/// covers: 7323-17
#[test]
fn equal_and_newer_timestamps_pass() {
    for segment in [
        "{. seq=R ack=N len=5}",
        "{. seq=R ack=N len=5 ts=2147483647}",
    ] {
        for setup in setups() {
            let row = ("text", "{. seq=N ack=R+5}", State::Established, 5);
            run(&setup, Stage::Established, segment, &row);
        }
    }
}

/// Without negotiation the option means nothing.
/// covers: 7323-12
#[test]
fn timestamps_that_were_not_negotiated_mean_nothing() {
    let row = ("text", "{. seq=N ack=R+5}", State::Established, 5);
    for segment in ["{. seq=R ack=N len=5 ts=-9}", "{. seq=R ack=N len=5 ts=9}"] {
        run(&Setup::default(), Stage::Established, segment, &row);
    }
}

/// Text that was received before may come after what was sent later: its first copy was late, not
/// lost, and the sender is to hear that the second was needless.
/// covers: 2883-1
#[test]
fn old_text_with_an_old_timestamp_is_reported_as_a_duplicate() {
    for setup in setups() {
        let setup = Setup {
            sack: true,
            ..setup
        };
        let mut peer = Peer::reach(setup, Stage::Established);
        let mut reported = |segment: &str| {
            peer.batch(&[segment]);
            let answer = peer.drain().pop().expect("an answer");
            let blocks = answer.options.sack.iter();
            let lens: Vec<u32> = blocks.map(|b| b.left.distance_to(b.right)).collect();
            (answer.ack, lens)
        };
        let (ack, blocks) = reported("{. seq=R-5 ack=N len=5 ts=-9}");
        assert_eq!(blocks, [5]);
        // What did not come before is only answered (RFC 7323 section 5.3).
        assert_eq!(reported("{. seq=R ack=N len=5 ts=-9}"), (ack, vec![]));
    }
}
