//! The peer: segments in, segments out, user calls, virtual time.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use synfin_core::wire::tcp::{Header, Options};
use synfin_core::wire::{SackBlock, SeqNum, Timestamps};
use synfin_core::{
    ConnId, ConnectOptions, Cursor, DeviceCaps, DeviceId, Event, Filter, Flags, FrameBatch,
    Instant, ListenAddr, ListenOptions, ListenerId, Memory, RecvOutcome, SendOutcome, Stack,
    StackConfig, State,
};

use super::notation::{Marks, Script, resolve};
use super::wire::{Emitted, Packet, packet, read};
use super::{octet, octets};

pub(crate) const STACK_PORT: u16 = 5000;
pub(crate) const PEER_PORT: u16 = 6000;
const MTU: usize = 1500;
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
    pub(crate) config: StackConfig,
}

impl Default for Setup {
    fn default() -> Self {
        let mut config = StackConfig::default();
        config.socket.recv_buffer = 16_384;
        Self {
            v6: false,
            irs: 7_000,
            iss: None,
            timestamps: false,
            sack: false,
            scale: None,
            win: u16::MAX,
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
    started: Instant,
    stack_shift: u8,
    last_ts: u32,
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
        let memory = Memory::default();
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

    // The wire, from the stack.

    /// Everything that the stack wants to send now.
    pub(crate) fn drain(&mut self) -> Vec<Emitted> {
        let mut all = Vec::new();
        while let Some(frame) = self.stack.poll_transmit(self.now, self.device) {
            match read(self.now, &frame, MTU) {
                Packet::Tcp(segment) => all.push(segment),
                Packet::Icmp(_, kind, code) => self.icmp.push((kind, code)),
            }
            assert!(all.len() < 10_000, "the stack never stops sending");
        }
        for segment in &all {
            self.note(segment);
        }
        self.look();
        all
    }

    pub(crate) fn replies(&mut self) -> String {
        let all = self.drain();
        self.text(&all)
    }

    fn note(&mut self, segment: &Emitted) {
        assert_eq!(
            segment.src.ip(),
            self.local.ip(),
            "9293-MUST-45: its own address"
        );
        if segment.dst != self.remote || segment.src != self.local {
            return;
        }
        if segment.has(Flags::SYN) {
            let new = self.iss != Some(segment.seq);
            if new {
                self.iss = Some(segment.seq);
                self.marks = Marks::default();
            }
            self.stack_shift = segment.options.window_scale.unwrap_or(0);
        }
        if segment.has(Flags::RST) {
            return;
        }
        if let Some(timestamps) = segment.options.timestamps {
            self.last_ts = timestamps.val;
        }
        let (seq, ack) = self.relative(segment);
        self.marks.n = self.marks.n.max(seq + i64::from(segment.len()));
        if segment.has(Flags::ACK) {
            let syn = segment.has(Flags::SYN);
            let scaled = self.setup.scale.is_some() && !syn;
            let shift = if scaled { self.stack_shift } else { 0 };
            self.marks.r = self.marks.r.max(ack);
            self.marks.e = self.marks.e.max(ack + (i64::from(segment.wnd) << shift));
        }
        let start = seq + i64::from(segment.has(Flags::SYN));
        for (at, got) in segment.text.iter().enumerate() {
            assert_eq!(
                *got,
                octet(start + at as i64),
                "text at seq={}",
                start + at as i64
            );
        }
    }

    /// `SEG.SEQ` and `SEG.ACK` from the initial numbers.
    pub(crate) fn relative(&self, segment: &Emitted) -> (i64, i64) {
        let iss = self.iss.map_or(0, SeqNum::raw);
        let seq = segment.seq.raw().wrapping_sub(iss) as i32;
        let ack = segment.ack.raw().wrapping_sub(self.setup.irs) as i32;
        (seq.into(), ack.into())
    }

    /// Segments as scripts write them; PSH is left out.
    pub(crate) fn text(&self, segments: &[Emitted]) -> String {
        let words: Vec<String> = segments.iter().map(|segment| self.word(segment)).collect();
        words.join(" ")
    }

    fn word(&self, segment: &Emitted) -> String {
        let names = [
            (Flags::SYN, "SYN"),
            (Flags::FIN, "FIN"),
            (Flags::RST, "RST"),
            (Flags::URG, "URG"),
        ];
        let set = names.iter().filter(|(flag, _)| segment.has(*flag));
        let names: Vec<&str> = set.map(|(_, name)| *name).collect();
        let (seq, ack) = self.relative(segment);
        // A RST in answer to a segment without ACK has the number 0, not one of a connection.
        let zero = segment.seq.raw() == 0 && segment.has(Flags::RST | Flags::ACK);
        let seq = if zero { 0 } else { seq };
        let mut word = format!("{{{}", names.join("+"));
        let tail = if segment.has(Flags::ACK) {
            format!(". seq={seq} ack={ack}")
        } else {
            format!(" seq={seq}")
        };
        word.push_str(&tail);
        if !segment.text.is_empty() {
            word.push_str(&format!(" len={}", segment.text.len()));
        }
        word.push('}');
        word
    }

    // Time.

    /// Lets time pass and tells what left meanwhile.
    pub(crate) fn wait(&mut self, duration: Duration) -> Vec<Emitted> {
        let end = self.now + duration;
        let mut all = self.drain();
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            all.extend(self.drain());
        }
        self.now = end;
        self.stack.handle_timeout(end);
        all.extend(self.drain());
        all
    }

    /// The same as text.
    pub(crate) fn after(&mut self, duration: Duration) -> String {
        let all = self.wait(duration);
        self.text(&all)
    }

    /// Lets time pass until the stack sends something.
    pub(crate) fn next(&mut self, within: Duration) -> Option<Vec<Emitted>> {
        let end = self.now + within;
        loop {
            let sent = self.drain();
            if !sent.is_empty() {
                return Some(sent);
            }
            let at = self.stack.poll_timeout().filter(|at| *at <= end)?;
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
        }
    }

    fn look(&mut self) {
        self.stack.check();
        while let Some(event) = self.stack.poll_event() {
            self.events.push(event);
        }
    }

    // User calls.

    pub(crate) fn listen(&mut self) {
        let at = ListenAddr::port(STACK_PORT);
        let id = self
            .stack
            .listen(at, ListenOptions::default())
            .expect("a free port");
        self.listener = Some(id);
    }

    pub(crate) fn connect(&mut self) {
        let options = ConnectOptions {
            local_port: Some(STACK_PORT),
            ..ConnectOptions::default()
        };
        let id = self.stack.connect(self.now, self.remote, options);
        self.conn = Some(id.expect("a connection"));
    }

    pub(crate) fn accept(&mut self) -> bool {
        let listener = self.listener.expect("a listener");
        self.conn = self.stack.accept(listener);
        self.look();
        self.conn.is_some()
    }

    pub(crate) fn id(&self) -> ConnId {
        self.conn.expect("a handle")
    }

    /// Writes octets.
    pub(crate) fn write(&mut self, len: usize) -> usize {
        let data = octets(1 + self.written, len);
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        let queued = match conn.send(&[&data]).expect("it can be written") {
            SendOutcome::Queued(queued) => queued,
            SendOutcome::WouldBlock => 0,
        };
        self.written += queued as i64;
        queued
    }

    /// Reads everything there is and checks every octet.
    pub(crate) fn read(&mut self) -> i64 {
        let Some(id) = self.conn else { return 0 };
        let before = self.delivered;
        let mut buf = [0; 4096];
        while let Some(mut conn) = self.stack.conn_mut(id) {
            let Ok(RecvOutcome::Data(len)) = conn.recv(&mut buf) else {
                break;
            };
            for got in &buf[..len] {
                assert_eq!(*got, octet(1 + self.delivered), "octet {}", self.delivered);
                self.delivered += 1;
            }
        }
        self.delivered - before
    }

    /// What reading says when all text was read.
    pub(crate) fn end(&mut self) -> Result<RecvOutcome, synfin_core::RecvError> {
        self.read();
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        conn.recv(&mut [0; 16])
    }

    pub(crate) fn shutdown(&mut self, how: synfin_core::Shutdown) {
        let id = self.id();
        self.stack
            .conn_mut(id)
            .expect("a live handle")
            .shutdown(how);
    }

    /// CLOSE: the handle is gone.
    pub(crate) fn close(&mut self, linger: Option<Duration>) {
        let id = self.conn.take().expect("a handle");
        self.stack
            .conn_mut(id)
            .expect("a live handle")
            .close(linger);
    }

    pub(crate) fn abort(&mut self) {
        let id = self.conn.take().expect("a handle");
        self.stack.conn_mut(id).expect("a live handle").abort();
    }

    // Questions.

    /// The state of what stands at the four-tuple, as listings show it.
    pub(crate) fn state(&self) -> State {
        let page = self
            .stack
            .connections(Cursor::default(), &Filter::default());
        let rows = page
            .rows
            .iter()
            .filter(|row| row.tuple.remote == self.remote);
        let states: Vec<State> = rows.map(|row| row.state).collect();
        assert!(states.len() <= 1, "one connection only: {states:?}");
        let seen = states.first().copied();
        if let Some(conn) = self.conn.and_then(|id| self.stack.conn(id)) {
            assert_eq!(
                conn.state(),
                seen.unwrap_or(State::Closed),
                "handle and listing agree"
            );
        }
        let nothing = if self.listener.is_some() {
            State::Listen
        } else {
            State::Closed
        };
        seen.unwrap_or(nothing)
    }

    pub(crate) fn is(&self, state: State) {
        assert_eq!(self.state(), state);
    }

    pub(crate) fn dropped(&self, reason: synfin_core::DropReason) -> u64 {
        self.stack.counters().dropped(reason)
    }

    /// How often an event of this connection was told.
    pub(crate) fn told(&self, event: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|e| event(e)).count()
    }
}
