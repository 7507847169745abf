//! TIME-WAIT: how long it stands, and what may take its place.

use crate::demo::program::Step::{self, *};
use crate::demo::scene::{GET, SERVE, Scene};

const CLOSES_FIRST: &[Step] = &[Accept, ReadRequest, Answer(""), Think(100), Close];

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "time-wait-reuse",
        title: "A newer SYN takes the place of TIME-WAIT",
        look: &[
            "The server closed first and holds TIME-WAIT. Two seconds later the same client",
            "connects from the same port. The SYN's timestamp is newer, so it cannot be an",
            "old duplicate, and the server lets it in (RFC 6191).",
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
                At(2000),
                Connect(40001, 80),
                Established,
                Request(""),
                ReadAnswer,
                ReadToEnd,
                Close,
            ],
        ],
        server: &[CLOSES_FIRST, CLOSES_FIRST],
        next: ["time-wait-2msl", "old-duplicate-syn", "server-closes"],
        ..Scene::PLAIN
    },
    Scene {
        name: "time-wait-2msl",
        title: "TIME-WAIT keeps its place for 2 MSL",
        look: &[
            "The client closed first and holds TIME-WAIT. Timestamps are off here, so",
            "nothing tells a new incarnation from an old one: OPEN from the same port fails",
            "after 1 s and after 59 s, and succeeds when the 60 s of 2 MSL are over.",
        ],
        client: &[
            GET,
            &[At(1000), Connect(40001, 80)],
            &[At(59_000), Connect(40001, 80)],
            &[
                At(61_000),
                Connect(40001, 80),
                Established,
                Request(""),
                ReadAnswer,
                Close,
            ],
        ],
        server: &[SERVE, SERVE],
        tune: |_, config| config.tcp.options.timestamps = false,
        next: ["time-wait-reuse", "lost-last-ack", "open-close"],
        ..Scene::PLAIN
    },
];
