//! Who closes an HTTP/1.1 connection, and when.

use crate::demo::program::Step::*;
use crate::demo::scene::Scene;

const CLOSE: &str = "Connection: close\r\n";

pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "http-keep-alive",
        title: "Three requests over one connection",
        look: &[
            "HTTP/1.1 keeps the connection: one handshake and one close for three answers.",
            "Content-Length says where each of them ends.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(""),
            ReadAnswer,
            Think(100),
            Request(""),
            ReadAnswer,
            Think(100),
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
            Answer(""),
            ReadToEnd,
            Close,
        ]],
        next: ["http-close", "http-client-closes", "keep-alive"],
        ..Scene::PLAIN
    },
    Scene {
        name: "http-close",
        title: "Connection: close, and the server closes first",
        look: &[
            "The client announced that it wants one answer only. The server closes behind",
            "it, its FIN leaves with the last octets, and TIME-WAIT stays with the server.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(CLOSE),
            ReadAnswer,
            ReadToEnd,
            Think(10),
            Close,
        ]],
        server: &[&[Accept, ReadRequest, Answer(CLOSE), Close]],
        next: ["http-client-closes", "http-keep-alive", "time-wait-reuse"],
        ..Scene::PLAIN
    },
    Scene {
        name: "http-client-closes",
        title: "The client closes when it has its answer",
        look: &[
            "Content-Length tells the client that the answer is complete. It does not wait",
            "for the server but closes itself, so TIME-WAIT is the client's and costs a",
            "busy server nothing.",
        ],
        client: &[&[
            Connect(40001, 80),
            Established,
            Request(CLOSE),
            ReadAnswer,
            Close,
        ]],
        server: &[&[
            Accept,
            ReadRequest,
            Answer(CLOSE),
            ReadToEnd,
            Think(10),
            Close,
        ]],
        next: ["http-close", "http-keep-alive", "open-close"],
        ..Scene::PLAIN
    },
];
