//! Attacks: a flood of SYNs, and segments forged by somebody who sees nothing of the connection.

use crate::demo::program::Step::*;
use crate::demo::scene::Fault::{Flood, ForgeReset, ForgeSyn, Report};
use crate::demo::scene::{Host, Scene};

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "syn-flood",
        title: "A flood of SYNs fills the queue, and an honest client gets in",
        look: &[
            "A crowd sends 600 SYNs and never answers. The server has room for 16 half-open",
            "connections; from then on its SYN,ACK is a cookie (RFC 4987) and it keeps",
            "nothing: it is in LISTEN until the client's ACK brings everything back.",
        ],
        client: &[&[
            At(300),
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            Close,
        ]],
        faults: &[Flood(0, 600), Report(620)],
        tune: |host, config| {
            if host == Host::Server {
                config.limits.half_open = 16;
            }
        },
        next: ["blind-reset", "open-close", "syn-flood --json"],
        ..Scene::PLAIN
    },
    Scene {
        name: "blind-reset",
        title: "Somebody beside the path tries to reset the connection",
        look: &[
            "A forged RST in the window, a forged SYN: the server asks by a challenge ACK",
            "(RFC 5961), the client does not confirm, and the connection lives. A RST",
            "outside the window is nothing. Only the exact number ends the connection.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            At(700),
            Request(""),
            ReadAnswer,
            At(1200),
            Request(""),
            ReadAnswer,
            Close,
        ]],
        server: &[&[
            Accept,
            ReadRequest,
            Answer(""),
            ReadRequest,
            Answer(""),
            ReadRequest,
        ]],
        faults: &[
            ForgeReset(300, 1000),
            ForgeSyn(400, 1000),
            ForgeReset(500, 1_000_000),
            ForgeReset(1000, 0),
        ],
        next: ["reset", "syn-flood", "half-open"],
        ..Scene::PLAIN
    },
];
