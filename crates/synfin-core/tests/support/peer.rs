//! The peer: what it knows, and segments towards the stack.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use synfin_core::wire::tcp::{FastOpenCookie, Header, Options, UserTimeout};
use synfin_core::wire::{SackBlock, SeqNum, Timestamps};
use synfin_core::{
    ConnId, DeviceCaps, DeviceId, Event, Flags, FrameBatch, Instant, ListenerId, Memory, Stack,
    StackConfig,
};

use super::notation::{Marks, Script, resolve};
use super::octets;
use super::wire::{packet, set_tos};

pub(crate) const STACK_PORT: u16 = 5000;
pub(crate) const PEER_PORT: u16 = 6000;
pub(crate) const MTU: usize = 1500;
/// Long enough for a delayed acknowledgement, shorter than any retransmission.
const SETTLE: Duration = Duration::from_millis(60);

/// How a script begins.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) v6: bool,
    /// The peer's initial sequence number.
    pub(crate) irs: u32,
    /// The stack's, which is arranged by the time at which the script begins.
    pub(crate) iss: Option<u32>,
    /// What the peer offers beside its MSS.
    pub(crate) timestamps: bool,
    pub(crate) sack: bool,
    pub(crate) scale: Option<u8>,
    /// The window the peer offers where a script says nothing.
    pub(crate) win: u16,
    /// Octets of buffers that the stack may use.
    pub(crate) memory: usize,
    /// Each step checks the invariants of all connections: off for floods.
    pub(crate) checks: bool,
    pub(crate) config: StackConfig,
}

impl Default for Setup {
    fn default() -> Self {
        let mut config = StackConfig::default();
        config.socket.recv_buffer = synfin_core::BufferSize::Fixed(16_384);
        Self {
            v6: false,
            irs: 7_000,
            iss: None,
            timestamps: false,
            sack: false,
            scale: None,
            win: u16::MAX,
            memory: 1 << 30,
            checks: true,
            config,
        }
    }
}

impl Setup {
    /// IPv4 and IPv6, and sequence numbers that wrap within the script. covers: 9293-U1, TR-5,
    /// TR-6, AB-38
    pub(crate) fn variants() -> Vec<Self> {
        let wraps = [
            (7_000, None),
            (u32::MAX - 9, Some(u32::MAX - 9)),
            (1 << 31, Some((1 << 31) - 10)),
        ];
        let families = [false, true];
        families
            .into_iter()
            .flat_map(|v6| {
                wraps.map(|(irs, iss)| Self {
                    v6,
                    irs,
                    iss,
                    ..Self::default()
                })
            })
            .collect()
    }

    pub(crate) fn with_timestamps() -> Self {
        Self {
            timestamps: true,
            ..Self::default()
        }
    }
}

/// A stack, and everything a test does to it.
pub(crate) struct Peer {
    pub(crate) stack: Stack,
    pub(crate) device: DeviceId,
    pub(crate) now: Instant,
    pub(crate) setup: Setup,
    /// Address and port of the stack, and of the peer.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) conn: Option<ConnId>,
    pub(crate) listener: Option<ListenerId>,
    pub(crate) events: Vec<Event>,
    /// ICMP messages that the stack emitted: type and code.
    pub(crate) icmp: Vec<(u8, u8)>,
    /// The stack's initial sequence number, once seen.
    pub(crate) iss: Option<SeqNum>,
    pub(crate) marks: Marks,
    /// Octets that the application wrote and read.
    pub(crate) written: i64,
    pub(crate) delivered: i64,
    /// ICMP messages have a wrong checksum.
    pub(crate) corrupt_icmp: bool,
    /// The stack may let packets be fragmented.
    pub(crate) may_fragment: bool,
    /// The last packet that the stack emitted.
    pub(crate) last_packet: Vec<u8>,
    started: Instant,
    pub(crate) stack_shift: u8,
    pub(crate) last_ts: u32,
}

const PEER_CLOCK: u32 = 1_000_000;

impl Peer {
    pub(crate) fn new(setup: Setup) -> Self {
        let start = Instant::from_nanos(1_000_000_000);
        let Some(wanted) = setup.iss else {
            return Self::starting_at(setup, start);
        };
        // The generator counts in steps of 4 us: wait until it has the number. covers: 9293-MUST-8
        let mut probe = Self::starting_at(setup.clone(), start);
        probe.connect();
        probe.drain();
        let at_start = probe.iss.expect("a SYN was emitted");
        let steps = at_start.distance_to(SeqNum::new(wanted));
        Self::starting_at(setup, start + Duration::from_micros(4) * steps)
    }

    fn starting_at(setup: Setup, now: Instant) -> Self {
        let (local, remote): (IpAddr, IpAddr) = if setup.v6 {
            ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap())
        } else {
            ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap())
        };
        let memory = Memory::new(setup.memory);
        let mut stack = Stack::new(setup.config.clone(), memory, [7; 32]).expect("a good config");
        let device = stack.add_device(DeviceCaps::ip(MTU as u32));
        stack.add_address(device, local, if setup.v6 { 64 } else { 24 });
        Self {
            stack,
            device,
            now,
            setup,
            local: SocketAddr::new(local, STACK_PORT),
            remote: SocketAddr::new(remote, PEER_PORT),
            conn: None,
            listener: None,
            events: Vec::new(),
            icmp: Vec::new(),
            iss: None,
            marks: Marks::default(),
            written: 0,
            delivered: 0,
            corrupt_icmp: false,
            may_fragment: false,
            last_packet: Vec::new(),
            started: now,
            stack_shift: 0,
            last_ts: 0,
        }
    }

    // The wire, towards the stack.

    /// Delivers a segment and tells what leaves at once.
    pub(crate) fn on(&mut self, segment: &str) -> String {
        self.batch(&[segment]);
        self.replies()
    }

    /// Delivers a segment and tells what leaves until nothing is delayed any more.
    pub(crate) fn exchange(&mut self, segment: &str) -> String {
        self.batch(&[segment]);
        let mut all = self.drain();
        all.extend(self.wait(SETTLE));
        self.text(&all)
    }

    /// Delivers a segment; the replies must be these.
    pub(crate) fn expect(&mut self, segment: &str, replies: &str) {
        let replies = resolve(replies, &self.marks);
        assert_eq!(self.on(segment), replies, "after {segment}");
    }

    /// Delivers segments that arrive together.
    pub(crate) fn batch(&mut self, segments: &[&str]) {
        let frames: Vec<Vec<u8>> = segments.iter().map(|text| self.build(text)).collect();
        self.deliver(&frames);
    }

    /// The octets of a segment.
    pub(crate) fn build(&mut self, text: &str) -> Vec<u8> {
        let script = Script::parse(text, &self.marks);
        let header = self.header(&script);
        if script.flags.contains(Flags::ACK) && script.ack <= self.marks.n {
            self.marks.u = self.marks.u.max(script.ack);
        }
        let start = script.seq + i64::from(script.flags.contains(Flags::SYN));
        let body = match script.fill {
            Some(fill) => vec![fill; script.len],
            None => octets(start, script.len),
        };
        let mut bytes = packet(self.remote.ip(), self.local.ip(), &header, &body);
        set_tos(&mut bytes, script.tos);
        if script.corrupt {
            *bytes.last_mut().expect("not empty") ^= 1;
        }
        bytes
    }

    fn header(&self, script: &Script) -> Header {
        let syn = script.flags.contains(Flags::SYN);
        let ack = script.flags.contains(Flags::ACK);
        let own = syn && !script.bare;
        let mss = if self.setup.v6 { 1440 } else { 1460 };
        let mut options = Options {
            mss: script.mss.or(own.then_some(mss)),
            window_scale: script.ws.or(self.setup.scale.filter(|_| own)),
            sack_permitted: own && self.setup.sack,
            timestamps: self.timestamps(script),
            accecn: script.accecn,
            user_timeout: script.uto.and_then(UserTimeout::from_seconds),
            fast_open: script
                .cookie
                .as_ref()
                .map(|cookie| FastOpenCookie::new(cookie).expect("a cookie")),
            ..Options::default()
        };
        for (left, right) in &script.sack {
            let block = SackBlock::new(self.stack_seq(*left), self.stack_seq(*right));
            options.sack.push(block.expect("a block that is not empty"));
        }
        Header {
            src_port: self.remote.port(),
            dst_port: self.local.port(),
            seq: self.peer_seq(script.seq),
            ack: if ack {
                self.stack_seq(script.ack)
            } else {
                SeqNum::new(0)
            },
            flags: script.flags,
            wnd: script.win.unwrap_or(self.setup.win),
            urgent: script.up,
            options,
        }
    }

    fn timestamps(&self, script: &Script) -> Option<Timestamps> {
        if script.bare || !(self.setup.timestamps || script.ts.is_some()) {
            return None;
        }
        let offset = script.ts.unwrap_or(0);
        let ack = script.flags.contains(Flags::ACK);
        Some(Timestamps {
            val: self.clock().wrapping_add(offset as u32),
            ecr: if ack { self.last_ts } else { 0 },
        })
    }

    /// The peer's timestamp clock, in milliseconds.
    pub(crate) fn clock(&self) -> u32 {
        let age = self.now.saturating_duration_since(self.started);
        PEER_CLOCK.wrapping_add(age.as_millis() as u32)
    }

    pub(crate) fn peer_seq(&self, relative: i64) -> SeqNum {
        SeqNum::new(self.setup.irs.wrapping_add(relative as u32))
    }

    pub(crate) fn stack_seq(&self, relative: i64) -> SeqNum {
        let iss = self.iss.map_or(0, SeqNum::raw);
        SeqNum::new(iss.wrapping_add(relative as u32))
    }

    /// Delivers packets that arrive together.
    pub(crate) fn deliver(&mut self, frames: &[Vec<u8>]) {
        let mut batch = FrameBatch::new();
        for bytes in frames {
            let mut frame = self.stack.frame(self.device);
            frame.spare_mut()[..bytes.len()].copy_from_slice(bytes);
            frame.set_len(bytes.len());
            batch.push(frame);
        }
        self.stack.handle_batch(self.now, self.device, &mut batch);
        self.look();
    }
}
