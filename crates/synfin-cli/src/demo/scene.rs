//! What a scene is: programs of two hosts, and what goes wrong between them.

use synfin_core::StackConfig;

use super::program::Step;

/// A scene. What is not said is as in [`Scene::PLAIN`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// A line that says what happens.
    pub(crate) title: &'static str,
    /// One to three lines: what to look at.
    pub(crate) look: &'static [&'static str],
    /// The client's process: programs that run beside each other.
    pub(crate) client: &'static [&'static [Step]],
    /// The server's process.
    pub(crate) server: &'static [&'static [Step]],
    /// What goes wrong.
    pub(crate) faults: &'static [Fault],
    /// What a host is configured to besides the defaults.
    pub(crate) tune: fn(Host, &mut StackConfig),
    /// Round-trip time in milliseconds.
    pub(crate) rtt_ms: f64,
    /// Rate of the link in Mbit/s.
    pub(crate) rate_mbit: f64,
    /// Octets that may wait before the link.
    pub(crate) queue: usize,
    /// The longest packet that a router on the way passes on, if that is less than the hosts'.
    pub(crate) path_mtu: Option<u32>,
    /// That router drops the others without a word.
    pub(crate) black_hole: bool,
    /// Octets in the body of an answer.
    pub(crate) bytes: u32,
    /// Arguments of `synfin demo` that are worth a try next.
    pub(crate) next: [&'static str; 3],
}

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// 10.0.0.1.
    Client,
    /// 10.0.0.2, port 80.
    Server,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The link loses a segment.
    Lose(Segment),
    /// The link holds a segment back for so many more milliseconds; others overtake it.
    Delay(Segment, u64),
    /// A router marks a segment instead of dropping it.
    Mark(Segment),
    /// The client takes its window back to so many units of 256 octets, in its bare
    /// acknowledgements from one to another, counted from 1.
    Shrink(u32, u32, u16),
    /// After so many milliseconds the server is gone, and says nothing.
    Crash(u64),
    /// After so many milliseconds the server forgets everything and starts again.
    Restart(u64),
    /// From then on a crowd sends so many SYNs, one each millisecond, and answers nothing.
    Flood(u64, u32),
    /// After so many milliseconds the server tells what it has counted.
    Report(u64),
    /// After so many milliseconds a RST is forged, so far beyond what the server expects next.
    ForgeReset(u64, i32),
    /// The same with a SYN.
    ForgeSyn(u64, i32),
}

/// A segment that a fault is about: of this kind, from this host, the first, second ... one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Who sends it.
    pub(crate) from: Host,
    /// What it is.
    pub(crate) kind: Kind,
    /// Which of these, counted from 1, retransmissions included.
    pub(crate) nth: u32,
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SYN without ACK.
    Syn,
    /// SYN and ACK.
    SynAck,
    /// Nothing but an ACK.
    Ack,
    /// With text.
    Text,
    /// With FIN.
    Fin,
}

impl Segment {
    /// The `nth` segment of a kind from the client.
    pub(crate) const fn of_client(kind: Kind, nth: u32) -> Self {
        Self {
            from: Host::Client,
            kind,
            nth,
        }
    }

    /// The `nth` segment of a kind from the server.
    pub(crate) const fn of_server(kind: Kind, nth: u32) -> Self {
        Self {
            from: Host::Server,
            kind,
            nth,
        }
    }
}

impl Scene {
    /// One request and its answer; the client closes.
    pub(crate) const PLAIN: Self = Self {
        name: "",
        title: "",
        look: &[],
        client: &[GET],
        server: &[SERVE],
        faults: &[],
        tune: |_, _| {},
        rtt_ms: 40.0,
        rate_mbit: 10.0,
        queue: 1 << 20,
        path_mtu: None,
        black_hole: false,
        bytes: 190,
        next: ["", "", ""],
    };
}

/// A client that asks once and closes.
pub(crate) const GET: &[Step] = &[
    Step::Connect(40001, 80),
    Step::Established,
    Step::Request(""),
    Step::ReadAnswer,
    Step::Close,
];

/// A server that answers once, waits for the client to close, thinks and closes too.
pub(crate) const SERVE: &[Step] = &[
    Step::Accept,
    Step::ReadRequest,
    Step::Answer(""),
    Step::ReadToEnd,
    Step::Think(10),
    Step::Close,
];
