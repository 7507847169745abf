//! Losses that only time finds, and suspicions that turn out wrong.

use crate::demo::program::Step::*;
use crate::demo::scene::Fault::{Delay, Lose};
use crate::demo::scene::{Host, Kind, Scene, Segment};
use synfin_core::{BufferSize, StackConfig};

/// The server's `nth` segment with text, counted from 1, retransmissions included.
const fn text(nth: u32) -> Segment {
    Segment::of_server(Kind::Text, nth)
}

/// A receiver whose window is never what limits the sender.
fn roomy(host: Host, config: &mut StackConfig) {
    if host == Host::Client {
        config.socket.recv_buffer = BufferSize::Fixed(2 << 20);
    }
}

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "tail-loss",
        title: "The last two segments of an answer are lost",
        look: &[
            "Nothing follows that could make a duplicate ACK. After two round trips the",
            "server sends the last segment again as a probe; its SACK block shows the other",
            "hole. No retransmission timer fires (RFC 8985, section 7).",
        ],
        faults: &[Lose(text(6)), Lose(text(7))],
        // With the fields of the answer: seven full segments.
        bytes: 10_068,
        next: ["lost-retransmission", "rto", "tail-loss --rtt 300"],
        ..Scene::PLAIN
    },
    Scene {
        name: "lost-retransmission",
        title: "One segment is lost, and its retransmission too",
        look: &[
            "Counting duplicate ACKs finds a loss once. RACK compares times: what was sent",
            "after the retransmission has arrived, so that is lost as well. The third copy",
            "leaves without a timeout (RFC 8985).",
        ],
        faults: &[Lose(text(4)), Lose(text(19))],
        bytes: 60_000,
        next: ["fast-retransmit", "tail-loss", "lost-retransmission --full"],
        ..Scene::PLAIN
    },
    Scene {
        name: "reordering",
        title: "Segments come late, the second one after more than three others",
        look: &[
            "The first late segment teaches the server that this path reorders. From then",
            "on it gives a hole a quarter of a round trip: the second one draws more than",
            "three duplicate ACKs, and yet nothing is sent again (RFC 8985, section 6).",
        ],
        faults: &[Delay(text(3), 3), Delay(text(15), 8)],
        bytes: 40_000,
        next: ["out-of-order", "fast-retransmit", "reordering --full"],
        ..Scene::PLAIN
    },
    Scene {
        name: "spurious-timeout",
        title: "The path stalls for half a second: a timeout for nothing",
        look: &[
            "Nothing is lost, but the retransmission timer cannot know. The first ACK after",
            "the stall echoes a timestamp older than the retransmission: so the timeout was",
            "needless, and the window is what it was (RFC 3522, RFC 4015).",
        ],
        // The request is acknowledged by itself, so that only the answer is late.
        server: &[&[
            Accept,
            ReadRequest,
            Think(50),
            Answer(""),
            ReadToEnd,
            Think(10),
            Close,
        ]],
        // The first flight, the probe and the retransmission: all that is sent into the stall.
        faults: &[
            Delay(text(1), 500),
            Delay(text(2), 500),
            Delay(text(3), 500),
            Delay(text(4), 500),
            Delay(text(5), 500),
            Delay(text(6), 500),
            Delay(text(7), 500),
            Delay(text(8), 500),
            Delay(text(9), 500),
            Delay(text(10), 500),
            Delay(text(11), 433),
            Delay(text(12), 197),
        ],
        bytes: 20_000,
        next: ["rto", "reordering", "spurious-timeout --json"],
        ..Scene::PLAIN
    },
    Scene {
        name: "slow-start",
        title: "Slow start ends before the queue is full",
        look: &[
            "HyStart++ sees the round-trip time rise while the queue fills, slows the growth",
            "of the window and leaves slow start (RFC 9406): nothing is lost. The scene",
            "queue-overflow is the same link without it.",
        ],
        tune: roomy,
        rate_mbit: 20.0,
        queue: 800_000,
        bytes: 3_000_000,
        next: ["queue-overflow", "bbr", "slow-start --json"],
        ..Scene::PLAIN
    },
    Scene {
        name: "queue-overflow",
        title: "Slow start ends because the queue is full",
        look: &[
            "NewReno doubles its window each round trip until the queue before the link",
            "overflows; SACK names the holes, and recovery repairs them. The scene",
            "slow-start is the same link with HyStart++.",
        ],
        tune: |host, config| {
            roomy(host, config);
            config.tcp.congestion = "newreno";
        },
        rate_mbit: 20.0,
        queue: 800_000,
        bytes: 3_000_000,
        next: ["slow-start", "bbr", "queue-overflow --svg x.svg"],
        ..Scene::PLAIN
    },
    Scene {
        name: "bbr",
        title: "A long answer under BBR",
        look: &[
            "BBR measures the rate at which text is delivered and sends at that rate: with",
            "--full, the server's times show no bursts. The queue of the first round trips",
            "drains; then text takes little longer than the way itself.",
        ],
        tune: |_, config| config.tcp.congestion = "bbr",
        bytes: 1_000_000,
        next: ["slow-start", "queue-overflow", "bbr --loss 0.01"],
        ..Scene::PLAIN
    },
    Scene {
        name: "path-mtu",
        title: "A router on the way passes on 1200 octets at most",
        look: &[
            "The hosts agree on an MSS of 1460, but the router drops such segments and says",
            "by ICMP what fits. The server sends the same text again in smaller pieces, and",
            "everything else too (RFC 1191).",
        ],
        path_mtu: Some(1200),
        bytes: 6_000,
        next: ["black-hole", "fast-retransmit", "path-mtu --full"],
        ..Scene::PLAIN
    },
    Scene {
        name: "black-hole",
        title: "A router drops what is longer than 1300 octets, and says nothing",
        look: &[
            "After two timeouts the server goes down to 1064 octets, which pass. Then it",
            "probes: a probe that is lost alone is sent again in pieces, and no sign of",
            "congestion. The fourth one arrives: segments become larger (RFC 4821).",
        ],
        // A few segments at a time, so that the search is seen and not the transfer.
        tune: |host, config| {
            if host == Host::Client {
                config.socket.recv_buffer = BufferSize::Fixed(10_000);
            }
        },
        path_mtu: Some(1300),
        black_hole: true,
        bytes: 850_000,
        next: ["path-mtu", "rto", "black-hole --json"],
        ..Scene::PLAIN
    },
];
