//! Silence: a peer that is gone, or that never does its part.

use crate::demo::program::Step::*;
use crate::demo::scene::Fault::Crash;
use crate::demo::scene::Scene;

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "peer-crash",
        title: "The server is gone in the middle of a connection",
        look: &[
            "The request is retransmitted, each time after twice the wait, up to 120 s.",
            "After R1 the application could be warned; after R2, 15 retransmissions, the",
            "client gives up: a quarter of an hour for nothing.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            At(1000),
            Request(""),
            ReadAnswer,
            Close,
        ]],
        faults: &[Crash(500)],
        next: ["keep-alive", "half-open", "rto"],
        ..Scene::PLAIN
    },
    Scene {
        name: "keep-alive",
        title: "A dead peer of an idle connection is found by probes",
        look: &[
            "Nobody sends, so nothing tells the client that the server is gone. Keep-alive",
            "is on here: after 10 s of silence a probe, another every 5 s, and the third",
            "without an answer is the last.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            KeepAlive(10, 5, 3),
            Request(""),
            ReadAnswer,
            ReadToEnd,
            Close,
        ]],
        // The first probe is answered, then the server is gone.
        faults: &[Crash(15_000)],
        next: ["peer-crash", "half-open", "never-closes"],
        ..Scene::PLAIN
    },
    Scene {
        name: "never-closes",
        title: "The server never closes its half",
        look: &[
            "The client has closed and is gone; its FIN-WAIT-2 would last for ever, so it",
            "ends after 60 s. The server's application holds a connection in CLOSE-WAIT: a",
            "leak that no timer of TCP ends.",
        ],
        server: &[&[Accept, ReadRequest, Answer(""), ReadToEnd]],
        next: ["half-close", "keep-alive", "process-exit"],
        ..Scene::PLAIN
    },
];
