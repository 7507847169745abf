//! Opening: the handshake, and what becomes of it when a segment is lost or comes twice.

use crate::demo::program::Step::{self, *};
use crate::demo::scene::Fault::{Delay, Lose};
use crate::demo::scene::{GET, Kind, SERVE, Scene, Segment};

const SERVE_FAST: &[Step] = &[AcceptFast, ReadRequest, Answer(""), ReadToEnd, Close];

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "open-close",
        title: "One connection from SYN to FIN: handshake, request, answer, close",
        look: &[
            "Three segments open it. The client closes first: its FIN is acknowledged at",
            "once, the server's own FIN follows when the server has thought for 10 ms, and",
            "the client waits for 2 MSL before it forgets the connection.",
        ],
        next: ["server-closes", "lost-syn", "open-close --json"],
        ..Scene::PLAIN
    },
    Scene {
        name: "simultaneous-open",
        title: "Both ends connect to each other at the same time",
        look: &[
            "Two SYNs cross. Each end goes from SYN-SENT to SYN-RECEIVED, answers with a",
            "SYN,ACK, and there is one connection, not two. Nobody listens.",
        ],
        client: &[&[Connect(40001, 80), Established, At(200), Close]],
        server: &[&[Connect(80, 40001), Established, ReadToEnd, Think(10), Close]],
        next: [
            "simultaneous-close",
            "open-close",
            "simultaneous-open --svg x.svg",
        ],
        ..Scene::PLAIN
    },
    Scene {
        name: "fast-open",
        title: "The second connection carries its request on the SYN (RFC 7413)",
        look: &[
            "The first connection asks for a cookie and gets one. The second shows it: its",
            "SYN carries the request, the server answers before the handshake is over, and",
            "the answer is there a round trip earlier.",
        ],
        client: &[
            &[ConnectFast(40001, 80), Request(""), ReadAnswer, Close],
            &[
                At(500),
                ConnectFast(40002, 80),
                Request(""),
                ReadAnswer,
                Close,
            ],
        ],
        server: &[SERVE_FAST, SERVE_FAST],
        next: ["open-close", "http-keep-alive", "lost-syn"],
        ..Scene::PLAIN
    },
    Scene {
        name: "lost-syn",
        title: "The first SYN is lost",
        look: &[
            "Nothing has been measured yet, so the client waits for the initial RTO of one",
            "second (RFC 6298) before it sends its SYN again.",
        ],
        faults: &[Lose(Segment::of_client(Kind::Syn, 1))],
        next: ["lost-syn-ack", "lost-handshake-ack", "refused"],
        ..Scene::PLAIN
    },
    Scene {
        name: "lost-syn-ack",
        title: "The SYN,ACK is lost",
        look: &[
            "The server is in SYN-RECEIVED, the client still in SYN-SENT and repeats",
            "its SYN; the server sees that a second time and repeats its answer.",
        ],
        faults: &[Lose(Segment::of_server(Kind::SynAck, 1))],
        next: ["lost-handshake-ack", "lost-syn", "old-duplicate-syn"],
        ..Scene::PLAIN
    },
    Scene {
        name: "lost-handshake-ack",
        title: "The third segment of the handshake is lost",
        look: &[
            "The client is ESTABLISHED, the server is not and does not know that it could",
            "be. It repeats its SYN,ACK; the client, which has nothing to say yet, answers",
            "with the ACK again.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Think(2500),
            Request(""),
            ReadAnswer,
            Close,
        ]],
        faults: &[Lose(Segment::of_client(Kind::Ack, 1))],
        next: ["lost-syn-ack", "lost-last-ack", "open-close"],
        ..Scene::PLAIN
    },
    Scene {
        name: "old-duplicate-syn",
        title: "An earlier attempt's SYN comes late (RFC 9293, Fig. 9)",
        look: &[
            "The first attempt was given up, but its SYN is still under way and overtakes",
            "the new one. The server answers it; the client sees an ACK of something it",
            "never sent and resets. The server goes back to LISTEN, and the new SYN opens.",
        ],
        client: &[
            &[Connect(40001, 80), Think(300), Abort],
            &[
                At(1000),
                Connect(40001, 80),
                Established,
                Request(""),
                ReadAnswer,
                Close,
            ],
        ],
        server: &[SERVE, SERVE],
        faults: &[
            Delay(Segment::of_client(Kind::Syn, 1), 990),
            Delay(Segment::of_client(Kind::Syn, 2), 80),
        ],
        next: ["lost-syn", "time-wait-reuse", "refused"],
        ..Scene::PLAIN
    },
    Scene {
        name: "refused",
        title: "Nobody listens",
        look: &[
            "The server's host answers the SYN with RST, and the client's OPEN fails at",
            "once.",
        ],
        client: &[GET],
        server: &[],
        next: ["lost-syn", "reset", "refused --json"],
        ..Scene::PLAIN
    },
];
