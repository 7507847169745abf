//! Floods of fragments: what they may use up of memory, of work, and of answers.

use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use synfin_wire::icmpv4::Icmpv4Message;
use synfin_wire::{Ipv4Header, protocol};

use crate::buffer::Pressure;
use crate::{DeviceCaps, DeviceId, DropReason, Instant, Memory, Profile, Stack, StackConfig};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HONEST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const ATTACKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);

/// What a part may cost, in datagrams and parts that are looked at.
const STEPS_EACH: u64 = 8;

struct Host {
    stack: Stack,
    device: DeviceId,
    now: Instant,
    /// Parts that were delivered.
    parts: u64,
}

impl Host {
    fn new(change: impl FnOnce(&mut StackConfig)) -> Self {
        let mut config = StackConfig::default();
        change(&mut config);
        let mut stack = Stack::new(config, Memory::default(), [7; 32]).expect("sound");
        let device = stack.add_device(DeviceCaps::ip(1500));
        stack.add_address(device, OWN.into(), 24);
        Self {
            stack,
            device,
            now: Instant::from_nanos(1_000_000_000),
            parts: 0,
        }
    }

    fn plain() -> Self {
        Self::new(|_| {})
    }

    fn part(&mut self, src: Ipv4Addr, id: u16, offset: u16, more: bool, octets: &[u8]) {
        let header = Ipv4Header {
            id,
            dont_fragment: false,
            more_fragments: more,
            fragment_offset: offset,
            ..Ipv4Header::new(src, OWN, protocol::ICMP)
        };
        let mut packet = vec![0; 20];
        header.emit(octets.len(), &mut packet);
        packet.extend_from_slice(octets);
        let frame = self.stack.frame_from(&packet);
        self.stack.handle_frame(self.now, self.device, frame);
        self.parts += 1;
    }

    /// Packets that leave now.
    fn sent(&mut self) -> usize {
        let mut count = 0;
        while self.stack.poll_transmit(self.now, self.device).is_some() {
            count += 1;
        }
        count
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.stack.handle_timeout(self.now);
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.stack.counters().dropped(reason)
    }

    fn whole(&self) -> u64 {
        self.stack.counters().reasm_oks
    }

    /// The bounds of memory and work.
    fn check(&self) {
        let fragments = &self.stack.fragments;
        fragments.check(&self.stack.cx);
        let most = self.stack.cx.config.limits.fragment_bytes;
        let held = self.stack.buffer_bytes();
        assert!(held <= most, "{held} octets");
        let most = self.parts * STEPS_EACH;
        assert!(fragments.steps() <= most, "{} steps", fragments.steps());
    }

    /// Nothing is left of what came.
    fn is_empty(&self) {
        self.stack.check();
        assert_eq!(self.stack.buffer_bytes(), 0);
        assert_eq!(self.stack.fragments.len(), 0);
    }
}

/// An echo request of so many octets.
fn echo(len: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..len - 8).map(|at| at as u8).collect();
    let message = Icmpv4Message::EchoRequest {
        id: 1,
        seq: 2,
        data: &data,
    };
    let mut octets = vec![0; len];
    message.emit(&mut octets);
    octets
}

/// Addresses and identifications that never come twice.
fn spoofed(number: u32) -> (Ipv4Addr, u16) {
    let mixed = number.wrapping_mul(0x9e37_79b1);
    let [_, a, b, c] = number.to_be_bytes();
    (Ipv4Addr::new(11, a, b, c), mixed as u16)
}

/// Tiny fragments of datagrams that never become whole, from everywhere: the memory is the limit's,
/// the work is a few steps each, and the answers are those of the limit per second.
/// covers: ATT-60, 791-6, 792-3
#[test]
fn endless_tiny_fragments() {
    let mut host = Host::plain();
    for number in 0..200_000 {
        let (src, id) = spoofed(number);
        // First ones, middle ones, last ones.
        let (offset, more) = [(0, true), (64, true), (4096, false)][number as usize % 3];
        host.part(src, id, offset, more, &[8; 8]);
        if number % 1000 == 0 {
            host.check();
        }
    }
    host.check();
    assert_eq!(host.dropped(DropReason::ReassemblyEvicted), 200_000 - 1024);
    assert_eq!(host.sent(), 0, "nothing is said while they wait");
    host.wait(Duration::from_secs(60));
    assert_eq!(host.dropped(DropReason::ReassemblyTimeout), 1024);
    let answers = host.sent();
    assert!((300..=342).contains(&answers), "{answers} of a third");
    host.check();
    host.is_empty();
}

/// The same from one address, to one datagram after another, each as full as it may be: its share
/// of the memory is an eighth.
/// covers: ATT-60, 791-6
#[test]
fn one_sender_has_its_share() {
    let mut host = Host::plain();
    for id in 0..400 {
        for part in 0..=43 {
            let len = if part < 43 { 1480 } else { 8 };
            host.part(ATTACKER, id, 8 + part * 1480, true, &[1; 1480][..len]);
        }
        host.check();
        let held = host.stack.buffer_bytes();
        assert!(held <= (4 << 20) / 8, "{held} octets");
    }
    assert!(host.dropped(DropReason::ReassemblyEvicted) > 0);
    assert_eq!(host.dropped(DropReason::FragmentLimit), 0);
    host.wait(Duration::from_secs(61));
    host.is_empty();
}

/// First and last fragments of a million datagrams from one address: an honest pair is served, be
/// there half a million of them between its parts.
/// covers: ATT-61
#[test]
fn first_and_last_only_from_one_sender() {
    let mut host = Host::plain();
    let request = echo(24);
    for number in 0..1_000_000_u32 {
        let id = number as u16;
        host.part(ATTACKER, id, 0, true, &[8, 0, 0, 0, 0, 0, 0, 0]);
        host.part(ATTACKER, id, 1024, false, &[1; 8]);
        match number {
            100 => host.part(HONEST, 7, 0, true, &request[..16]),
            500_100 => host.part(HONEST, 7, 16, false, &request[16..]),
            _ => {}
        }
        if number % 20_000 == 0 {
            host.check();
            assert!(host.stack.fragments.len() <= 1024 / 8 + 1);
        }
    }
    host.check();
    assert_eq!(host.whole(), 1);
    assert_eq!(host.sent(), 1, "the echo reply and nothing else");
    host.wait(Duration::from_secs(60));
    let answers = host.sent();
    assert!(answers <= 128, "{answers}: as many as were left");
    host.is_empty();
}

/// From a million addresses: an honest pair is served as long as fewer datagrams begin between its
/// parts than there is room for, and not beyond.
/// covers: ATT-61, 791-6
#[test]
fn first_and_last_only_from_everywhere() {
    let request = echo(24);
    for (between, served) in [(1023, 1), (1024, 0)] {
        let mut host = Host::plain();
        let flood = |host: &mut Host, numbers: core::ops::Range<u32>| {
            for number in numbers {
                let (src, id) = spoofed(number);
                host.part(src, id, 0, true, &[8, 0, 0, 0, 0, 0, 0, 0]);
                host.part(src, id, 1024, false, &[1; 8]);
            }
        };
        flood(&mut host, 0..500_000);
        host.part(HONEST, 7, 0, true, &request[..16]);
        flood(&mut host, 500_000..500_000 + between);
        host.part(HONEST, 7, 16, false, &request[16..]);
        assert_eq!(host.whole(), served, "{between} between");
        assert_eq!(host.sent() as u64, served);
        host.check();
    }
}

/// The longest datagram in the smallest fragments, in an order in which none is beside the one
/// before: a few steps each.
/// covers: 815-1, ATT-60
#[test]
fn eight_thousand_tiny_fragments() {
    let mut host = Host::new(|config| {
        config.limits.fragments_per_datagram = 8192;
        config.limits.fragment_bytes = 8 << 20;
    });
    let request = echo(65_512);
    let parts = request.len() / 8;
    for number in 0..parts {
        let at = number * 5051 % parts;
        let octets = &request[at * 8..][..8];
        host.part(HONEST, 9, at as u16 * 8, at + 1 < parts, octets);
    }
    assert_eq!(host.whole(), 1);
    assert_eq!(host.stack.counters().icmp_echo, 1);
    host.check();
    host.is_empty();
}

/// What costs more than a share is not kept, be it one datagram alone.
/// covers: 791-6
#[test]
fn one_datagram_is_within_a_share() {
    let mut host = Host::new(|config| config.limits.fragments_per_datagram = 8192);
    for at in 0..8000 {
        host.part(HONEST, 9, at * 8, true, &[7; 8]);
        let held = host.stack.buffer_bytes();
        assert!(held <= (4 << 20) / 8, "{held} octets");
    }
    host.check();
    assert_eq!(host.stack.buffer_bytes(), 0, "spoiled");
    assert_eq!(host.dropped(DropReason::FragmentLimit), 8000);
}

/// More parts than a datagram may have spoil it.
/// covers: 791-6
#[test]
fn parts_of_a_datagram_are_bounded() {
    let mut host = Host::new(|config| config.limits.fragments_per_datagram = 3);
    let request = echo(40);
    for at in 0..5 {
        host.part(
            HONEST,
            1,
            at * 8,
            at < 4,
            &request[usize::from(at) * 8..][..8],
        );
        host.check();
    }
    assert_eq!(host.dropped(DropReason::FragmentLimit), 5);
    assert_eq!((host.whole(), host.stack.buffer_bytes()), (0, 0));
    // Another one is not concerned.
    host.part(HONEST, 2, 0, true, &request[..16]);
    host.part(HONEST, 2, 16, true, &request[16..32]);
    host.part(HONEST, 2, 32, false, &request[32..]);
    assert_eq!(host.whole(), 1);
}

/// Parts that come again and again move nothing.
/// covers: 791-5, ATT-60
#[test]
fn duplicates_evict_nobody() {
    let mut host = Host::new(|config| config.limits.fragment_bytes = 1 << 17);
    let request = echo(24);
    host.part(HONEST, 7, 0, true, &request[..16]);
    for number in 0..1023 {
        let (src, id) = spoofed(number);
        host.part(src, id, 0, true, &[8; 8]);
    }
    assert_eq!(host.stack.buffer_bytes(), 1 << 17, "full");
    for _ in 0..5 {
        for number in 0..1023 {
            let (src, id) = spoofed(number);
            host.part(src, id, 0, true, &[8; 8]);
        }
    }
    assert_eq!(host.dropped(DropReason::FragmentDuplicate), 5 * 1023);
    assert_eq!(host.dropped(DropReason::ReassemblyEvicted), 0);
    host.part(HONEST, 7, 16, false, &request[16..]);
    host.check();
}

/// Where buffers are short, fragments have less, and at last nothing; what they held comes back.
/// covers: 791-6, C-19
#[test]
fn pressure_takes_the_memory_back() {
    for (profile, waits) in [(Profile::Server, 30), (Profile::Strict, 60)] {
        let mut host = Host::new(|config| {
            *config = StackConfig::new(profile);
            config.limits.buffer_bytes = 16 << 20;
        });
        for number in 0..800 {
            let (src, id) = spoofed(number);
            host.part(src, id, 0, true, &[8; 1480]);
        }
        let held = host.stack.buffer_bytes();
        assert_eq!(held, 800 * 2048);
        let mut text = Vec::new();
        let take = |host: &mut Host, text: &mut Vec<_>, until: Pressure| {
            while host.stack.cx.pool.pressure() < until {
                text.push(host.stack.cx.pool.alloc(65_000).expect("room"));
            }
        };
        take(&mut host, &mut text, Pressure::Soft);
        let (src, id) = spoofed(5000);
        host.part(src, id, 0, true, &[8; 1480]);
        let held = host.stack.fragments.octets();
        assert!(held <= 1 << 20, "a quarter: {held}");
        assert!(held > 900_000, "and not less");
        take(&mut host, &mut text, Pressure::Soft);
        let deadline = host.stack.poll_timeout().expect("they wait");
        assert_eq!(deadline, host.now + Duration::from_secs(waits));
        take(&mut host, &mut text, Pressure::Hard);
        host.part(src, id, 1480, true, &[8; 1480]);
        assert!(host.dropped(DropReason::NoMemory) > 0);
        assert!(host.stack.cx.pool.pressure() < Pressure::Hard, "relieved");
        // Each time somebody takes what came back, until there is nothing left.
        while host.stack.fragments.octets() > 0 {
            take(&mut host, &mut text, Pressure::Hard);
            let before = host.stack.fragments.octets();
            host.part(src, id, 0, false, &[]);
            assert!(
                host.stack.fragments.octets() < before,
                "relieved by any frame"
            );
        }
        for chunk in text {
            host.stack.cx.pool.free(chunk);
        }
        host.wait(Duration::from_secs(60));
        host.is_empty();
    }
}

/// A stack may be told to reassemble nothing.
#[test]
fn reassembly_can_be_off() {
    let mut host = Host::new(|config| config.limits.fragmented_datagrams = 0);
    let request = echo(24);
    host.part(HONEST, 7, 0, true, &request[..16]);
    host.part(HONEST, 7, 16, false, &request[16..]);
    assert_eq!(host.dropped(DropReason::Fragment), 2);
    host.is_empty();
}
