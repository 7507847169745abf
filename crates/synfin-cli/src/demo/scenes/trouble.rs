//! RST: an end that aborts, that has not read everything, or that has forgotten everything.

use crate::demo::program::Step::*;
use crate::demo::scene::Fault::Restart;
use crate::demo::scene::Scene;

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "reset",
        title: "The client aborts",
        look: &[
            "RST ends the connection at once on both sides: no acknowledgement, no",
            "TIME-WAIT. The server's RECEIVE fails instead of meeting the end of stream.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            Think(50),
            Abort,
        ]],
        next: ["close-with-unread-data", "refused", "half-open"],
        ..Scene::PLAIN
    },
    Scene {
        name: "close-with-unread-data",
        title: "The client closes and has not read everything",
        look: &[
            "A FIN would tell the server that its answer was taken, which is not true. So",
            "CLOSE with unread text sends RST (RFC 2525, section 2.17).",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            Think(150),
            Close,
        ]],
        next: ["reset", "process-exit", "open-close"],
        ..Scene::PLAIN
    },
    Scene {
        name: "half-open",
        title: "The server restarts and has forgotten the connection",
        look: &[
            "The client still believes in it. Its next request meets a server that knows of",
            "no such connection and says so with RST.",
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
        faults: &[Restart(500)],
        next: ["peer-crash", "keep-alive", "reset"],
        ..Scene::PLAIN
    },
    Scene {
        name: "process-exit",
        title: "The server's process ends with three connections open",
        look: &[
            "Its system closes them all at once. The first is idle: FIN. The second has an",
            "unread request: RST. The third has text queued: that is delivered, and then",
            "FIN, although no process is left.",
        ],
        client: &[
            &[
                Connect(40001, 80),
                Established,
                Request(""),
                ReadAnswer,
                ReadToEnd,
                Close,
            ],
            &[
                At(10),
                Connect(40002, 80),
                Established,
                Request(""),
                ReadAnswer,
                Request(""),
                ReadToEnd,
                Close,
            ],
            &[
                At(20),
                Connect(40003, 80),
                Established,
                Request(""),
                ReadToEnd,
                Close,
            ],
        ],
        server: &[
            &[Accept, ReadRequest, Answer(""), ReadToEnd],
            &[Accept, ReadRequest, Answer("")],
            &[Accept, ReadRequest, At(300), Send(40_000), Exit],
        ],
        next: ["close-with-unread-data", "server-closes", "peer-crash"],
        ..Scene::PLAIN
    },
];
