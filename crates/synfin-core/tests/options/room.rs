//! RFC 6691: options come out of the text, segment by segment.

use crate::support::peer::MTU;
use crate::support::{Peer, Setup};

/// However many octets of options there are, a full segment is as long as the path takes.
/// covers: 6691-2, 2525-18
#[test]
fn options_take_their_room_from_the_text() {
    for v6 in [false, true] {
        for timestamps in [false, true] {
            for gaps in 0..=4_i64 {
                let mut peer = Peer::open(Setup {
                    v6,
                    timestamps,
                    sack: true,
                    ..Setup::default()
                });
                for gap in 1..=gaps {
                    peer.on(&format!("{{. seq={} ack=1 len=100}}", 1 + 1000 * gap));
                }
                peer.write(10_000);
                let sent = peer.drain();
                assert!(!sent.is_empty(), "{v6} {timestamps} {gaps}");
                let full = &sent[0];
                let most = if timestamps { 3 } else { 4 };
                let blocks = full.options.sack.len();
                assert_eq!(blocks as i64, gaps.min(most));
                let stamped = if timestamps { 12 } else { 0 };
                let reported = if blocks > 0 { 4 + 8 * blocks } else { 0 };
                let headers = if v6 { 60 } else { 40 };
                assert_eq!(full.text.len(), MTU - headers - stamped - reported);
            }
        }
    }
}
