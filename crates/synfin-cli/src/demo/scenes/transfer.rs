//! Text on its way: lost, late, or not wanted yet.

use crate::demo::program::Step::*;
use synfin_core::EcnMode;

use crate::demo::scene::Fault::{Delay, Lose, Mark, Shrink};
use crate::demo::scene::{Host, Kind, Scene, Segment};

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "fast-retransmit",
        title: "One lost segment, found by duplicate ACKs",
        look: &[
            "What follows the lost segment makes the client repeat its ACK, with SACK blocks",
            "for what it has. After three of them the server retransmits at once (RACK, RFC",
            "8985), and reduces its congestion window.",
        ],
        faults: &[Lose(Segment::of_server(Kind::Text, 4))],
        bytes: 30_000,
        next: ["rto", "out-of-order", "fast-retransmit --svg x.svg"],
        ..Scene::PLAIN
    },
    Scene {
        name: "ecn",
        title: "A router marks a segment instead of dropping it",
        look: &[
            "SYN and SYN,ACK agree on ECN. Each ACK after the marked segment says ECE, until",
            "CWR tells that the server has reduced its window. Nothing is lost and nothing",
            "is sent twice (RFC 3168).",
        ],
        faults: &[Mark(Segment::of_server(Kind::Text, 4))],
        tune: |host, config| {
            if host == Host::Client {
                config.tcp.ecn = EcnMode::Classic;
            }
        },
        bytes: 40_000,
        next: ["fast-retransmit", "ecn --full", "ecn --json"],
        ..Scene::PLAIN
    },
    Scene {
        name: "rto",
        title: "A lost answer, its probe and its retransmission lost too",
        look: &[
            "Nothing follows that could be acknowledged out of order, so only timers find",
            "it: first the tail loss probe (RFC 8985), then the retransmission timer, which",
            "waits twice as long after each further loss (RFC 6298).",
        ],
        // The request is acknowledged by itself, so that only the answer is repeated.
        server: &[&[
            Accept,
            ReadRequest,
            Think(50),
            Answer(""),
            ReadToEnd,
            Think(10),
            Close,
        ]],
        faults: &[
            Lose(Segment::of_server(Kind::Text, 1)),
            Lose(Segment::of_server(Kind::Text, 2)),
            Lose(Segment::of_server(Kind::Text, 3)),
        ],
        next: ["fast-retransmit", "peer-crash", "rto --rtt 300"],
        ..Scene::PLAIN
    },
    Scene {
        name: "zero-window",
        title: "The client does not read: the window closes",
        look: &[
            "The server stops when the client's buffer is full, and asks with probes, each",
            "after a longer wait, whether there is room. After 3 s the client reads, and",
            "the window opens again.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            At(3000),
            ReadAnswer,
            Close,
        ]],
        tune: |host, config| {
            if host == Host::Client {
                config.socket.recv_buffer = synfin_core::BufferSize::Fixed(8192);
            }
        },
        bytes: 20_000,
        next: ["fast-retransmit", "keep-alive", "zero-window --json"],
        ..Scene::PLAIN
    },
    Scene {
        name: "shrunk-window",
        title: "The client takes back the window that it has offered",
        look: &[
            "What is under way is beyond the window by now. The server sends nothing new,",
            "waits for the acknowledgements, and asks with probes. When there is room again,",
            "it goes on where it stopped (RFC 9293 section 3.8.6).",
        ],
        faults: &[Shrink(2, 6, 8), Shrink(7, 13, 0)],
        bytes: 30_000,
        next: ["zero-window", "fast-retransmit", "shrunk-window --json"],
        ..Scene::PLAIN
    },
    Scene {
        name: "out-of-order",
        title: "One segment comes late",
        look: &[
            "The client keeps what came too early and says so with SACK. Two duplicate ACKs",
            "are no sign of loss yet: nothing is retransmitted, and the late segment closes",
            "the gap.",
        ],
        faults: &[Delay(Segment::of_server(Kind::Text, 3), 3)],
        bytes: 10_000,
        next: ["fast-retransmit", "rto", "out-of-order --rtt 10"],
        ..Scene::PLAIN
    },
];
