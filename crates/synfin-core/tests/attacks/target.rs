//! A listening stack under packets from anywhere, and the count of what it answers.

use core::net::SocketAddr;
use core::time::Duration;

use synfin_core::wire::tcp::{Header, Options, Segment};
use synfin_core::wire::{Ipv4Header, SeqNum, Timestamps};
use synfin_core::{
    ConnId, DeviceCaps, DeviceId, Flags, FrameBatch, Instant, ListenAddr, ListenOptions,
    ListenerId, Memory, Stack, StackConfig,
};

use crate::support::wire::packet;

/// How many packets a flood has; all of the list's 10^6 with `SYNFIN_FLOOD=1000000`.
pub(crate) fn flood_len() -> u32 {
    let asked = std::env::var("SYNFIN_FLOOD").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

/// How long a flood lasts.
pub(crate) const FLOOD_TIME: Duration = Duration::from_secs(10);

/// Numbers without pattern, the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A host somewhere on the Internet, outside of the stack's network.
    pub(crate) fn source(&mut self) -> SocketAddr {
        let bits = self.next();
        let [a, b, c, port, low] = [0, 8, 16, 24, 32].map(|shift| (bits >> shift) as u8);
        let port = u16::from_be_bytes([port, low]).max(1);
        SocketAddr::from(([11 + a % 100, b, c, 7], port))
    }
}

/// What the stack has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) syn_acks: u64,
    pub(crate) resets: u64,
    pub(crate) others: u64,
}

pub(crate) struct Target {
    pub(crate) stack: Stack,
    pub(crate) device: DeviceId,
    pub(crate) now: Instant,
    pub(crate) listener: ListenerId,
    pub(crate) local: SocketAddr,
    pub(crate) tally: Tally,
    /// Packets that the stack has sent to this address.
    pub(crate) watched: Option<SocketAddr>,
    pub(crate) seen: Vec<Vec<u8>>,
}

impl Target {
    pub(crate) fn new(options: ListenOptions, change: impl FnOnce(&mut StackConfig)) -> Self {
        let mut config = StackConfig::default();
        change(&mut config);
        let mut stack = Stack::new(config, Memory::default(), [9; 32]).expect("a good config");
        let device = stack.add_device(DeviceCaps::ip(1500));
        stack.add_address(device, [10, 0, 0, 1].into(), 24);
        stack.add_route(synfin_core::Route::default_via(
            [10, 0, 0, 2].into(),
            device,
        ));
        let listener = stack
            .listen(ListenAddr::port(80), options)
            .expect("a free port");
        Self {
            stack,
            device,
            now: Instant::from_nanos(1_000_000_000),
            listener,
            local: SocketAddr::from(([10, 0, 0, 1], 80)),
            tally: Tally::default(),
            watched: None,
            seen: Vec::new(),
        }
    }

    /// A packet to the listener.
    pub(crate) fn packet(
        &self,
        from: SocketAddr,
        seq: u32,
        ack: u32,
        flags: Flags,
        options: Options,
    ) -> Vec<u8> {
        let header = Header {
            src_port: from.port(),
            dst_port: self.local.port(),
            seq: SeqNum::new(seq),
            ack: SeqNum::new(ack),
            flags,
            wnd: 64_000,
            urgent: 0,
            options,
        };
        packet(from.ip(), self.local.ip(), &header, &[])
    }

    pub(crate) fn syn(&self, from: SocketAddr, seq: u32) -> Vec<u8> {
        let options = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { val: seq, ecr: 0 }),
            ..Options::default()
        };
        self.packet(from, seq, 0, Flags::SYN, options)
    }

    /// Packets arrive together, and everything that is due leaves.
    pub(crate) fn throw(&mut self, packets: &[Vec<u8>]) {
        let mut batch = FrameBatch::new();
        for bytes in packets {
            let mut frame = self.stack.frame(self.device);
            frame.spare_mut()[..bytes.len()].copy_from_slice(bytes);
            frame.set_len(bytes.len());
            batch.push(frame);
        }
        self.stack.handle_batch(self.now, self.device, &mut batch);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(frame) = self.stack.poll_transmit(self.now, self.device) {
            let mut bytes = vec![0; frame.len()];
            frame.copy_into(&mut bytes);
            let flags = Flags::from_bits(u16::from(bytes[33]));
            if flags.contains(Flags::RST) {
                self.tally.resets += 1;
            } else if flags.contains(Flags::SYN | Flags::ACK) {
                self.tally.syn_acks += 1;
            } else {
                self.tally.others += 1;
            }
            let to = Ipv4Header::parse(&bytes).expect("IPv4").dst;
            if self.watched.is_some_and(|watched| watched.ip() == to) {
                self.seen.push(bytes);
            }
        }
        while self.stack.poll_event().is_some() {}
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.stack.handle_timeout(end);
        self.drain();
    }

    /// Floods for [`FLOOD_TIME`] with what `make` makes, and does something in between ten times.
    pub(crate) fn flood(
        &mut self,
        mut make: impl FnMut(&Self, u32) -> Vec<u8>,
        mut between: impl FnMut(&mut Self, u32),
    ) {
        const BATCH: u32 = 50;
        let batches = flood_len() / BATCH;
        for number in 0..batches {
            let numbers = number * BATCH..(number + 1) * BATCH;
            let packets: Vec<Vec<u8>> = numbers.map(|n| make(self, n)).collect();
            self.throw(&packets);
            self.wait(FLOOD_TIME / batches);
            if number % (batches / 10) == 0 {
                between(self, number / (batches / 10));
            }
        }
    }

    /// An honest client: SYN, third segment. Tells its connection.
    pub(crate) fn connect(&mut self, from: SocketAddr) -> Option<ConnId> {
        let (iss, timestamps) = self.open(from)?;
        let options = Options {
            timestamps,
            ..Options::default()
        };
        let ack = self.packet(from, 5001, iss.wrapping_add(1), Flags::ACK, options);
        self.throw(&[ack]);
        self.stack.accept(self.listener)
    }

    /// Its SYN, and what it needs of the answer.
    pub(crate) fn open(&mut self, from: SocketAddr) -> Option<(u32, Option<Timestamps>)> {
        self.watched = Some(from);
        self.seen.clear();
        let syn = self.syn(from, 5000);
        self.throw(&[syn]);
        let bytes = self.seen.pop()?;
        let answer = Segment::parse(&bytes[20..]).expect("a segment");
        assert!(answer.has(Flags::SYN | Flags::ACK), "an answer to the SYN");
        assert_eq!(answer.ack, SeqNum::new(5001));
        let timestamps = answer.options.timestamps.map(|sent| Timestamps {
            val: 5001,
            ecr: sent.val,
        });
        Some((answer.seq.raw(), timestamps))
    }
}
