//! Closing: who closes first, how many segments it takes, and what is lost on the way.

use crate::demo::program::Step::*;
use crate::demo::scene::Fault::Lose;
use crate::demo::scene::{Kind, Scene, Segment};

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "server-closes",
        title: "The server closes first",
        look: &[
            "The same four segments with the parts exchanged: now the server goes through",
            "FIN-WAIT-1 and FIN-WAIT-2, and TIME-WAIT is the server's.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            ReadToEnd,
            Think(10),
            Close,
        ]],
        server: &[&[Accept, ReadRequest, Answer(""), Think(100), Close]],
        next: ["http-close", "time-wait-reuse", "simultaneous-close"],
        ..Scene::PLAIN
    },
    Scene {
        name: "three-segment-close",
        title: "The server closes at once, and FIN and ACK are joined",
        look: &[
            "The server's FIN leaves with the acknowledgement of the client's, so the client",
            "goes from FIN-WAIT-1 to TIME-WAIT without FIN-WAIT-2.",
        ],
        server: &[&[Accept, ReadRequest, Answer(""), ReadToEnd, Close]],
        next: ["open-close", "simultaneous-close", "half-close"],
        ..Scene::PLAIN
    },
    Scene {
        name: "half-close",
        title: "The client closes its half; the server goes on sending",
        look: &[
            "FIN says that the client sends no more, not that it reads no more. The server,",
            "in CLOSE-WAIT, sends its answer after the client's FIN; the client, in",
            "FIN-WAIT-2, takes it.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            Shutdown,
            ReadAnswer,
            ReadToEnd,
            Close,
        ]],
        server: &[&[
            Accept,
            ReadRequest,
            ReadToEnd,
            Think(30),
            Answer(""),
            Think(100),
            Close,
        ]],
        next: ["open-close", "never-closes", "half-close --bytes 20000"],
        ..Scene::PLAIN
    },
    Scene {
        name: "simultaneous-close",
        title: "Both ends close at the same time",
        look: &[
            "Two FINs cross. Each end sees the other's FIN before the ACK of its own and",
            "goes through CLOSING, and both end in TIME-WAIT.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            At(200),
            Close,
        ]],
        server: &[&[Accept, ReadRequest, Answer(""), At(200), Close]],
        next: [
            "simultaneous-open",
            "three-segment-close",
            "simultaneous-close --svg x.svg",
        ],
        ..Scene::PLAIN
    },
    Scene {
        name: "lost-fin",
        title: "The client's FIN is lost",
        look: &[
            "A FIN is retransmitted like text. Until it is acknowledged the client stays in",
            "FIN-WAIT-1, and the server knows nothing of the close.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            Think(100),
            Close,
        ]],
        faults: &[Lose(Segment::of_client(Kind::Fin, 1))],
        next: ["lost-last-ack", "rto", "peer-crash"],
        ..Scene::PLAIN
    },
    Scene {
        name: "lost-last-ack",
        title: "The last ACK is lost: what TIME-WAIT is for",
        look: &[
            "The server, in LAST-ACK, gets no answer and repeats its FIN. The client has",
            "closed long ago, but its TIME-WAIT still knows the connection: it answers and",
            "starts 2 MSL again.",
        ],
        // The third bare ACK of the client: handshake, answer, FIN.
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            Think(100),
            Close,
        ]],
        faults: &[Lose(Segment::of_client(Kind::Ack, 3))],
        next: ["lost-fin", "time-wait-2msl", "open-close"],
        ..Scene::PLAIN
    },
];
