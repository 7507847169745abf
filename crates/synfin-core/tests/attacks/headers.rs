//! Lengths, options and pointers that lie.

use synfin_core::wire::tcp::{Header, Options};
use synfin_core::wire::{checksum, protocol};
use synfin_core::{BufferSize, DropReason, EcnMode, Flags, ListenAddr, ListenOptions, State};

use crate::bill::Meter;
use crate::support::peer::STACK_PORT;
use crate::support::wire::{ip, seal};
use crate::support::{Peer, Setup, Stage, octets, s};

/// The kinds that mean something, or once did, and some that do not.
const KINDS: [u8; 24] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 19, 27, 28, 29, 30, 34, 69, 172, 174, 200, 253, 254, 255,
];

/// A segment with these forty octets of options.
fn with_options(peer: &Peer, flags: Flags, area: &[u8; 40], text: &[u8]) -> Vec<u8> {
    let syn = flags.contains(Flags::SYN);
    let header = Header {
        src_port: peer.remote.port(),
        dst_port: peer.local.port(),
        seq: peer.peer_seq(if syn { 0 } else { 1 + peer.delivered }),
        ack: peer.stack_seq(if syn { 0 } else { peer.marks.n }),
        flags,
        wnd: 1000,
        urgent: 0,
        options: Options::default(),
    };
    let mut segment = vec![0; 20];
    header.emit(&mut segment);
    segment[12] = 15 << 4 | segment[12] & 0x0f;
    if syn {
        segment[8..12].fill(0);
    }
    segment.extend_from_slice(area);
    segment.extend_from_slice(text);
    segment[16..18].fill(0);
    seal(peer.remote.ip(), peer.local.ip(), &mut segment);
    ip(peer.remote.ip(), peer.local.ip(), protocol::TCP, &segment)
}

/// Each kind with each length, beginning at each place of the options, so that it is cut off at
/// each of its octets: on a connection. Nothing of it changes but by the text, which is taken or
/// refused with a reason.
/// covers: ATT-38
#[test]
fn every_option_at_every_place() {
    let mut peer = Peer::open(Setup::default());
    let conn = |peer: &Peer| {
        let conn = peer.stack.conn(peer.id()).expect("a live handle");
        let info = conn.info(peer.now);
        (
            info.eff_snd_mss,
            info.window_shifts,
            info.timestamps,
            info.sack,
            info.path_mtu,
        )
    };
    let before = conn(&peer);
    let drops = |peer: &Peer| peer.stack.counters().drops().map(|(_, n)| n).sum::<u64>();
    let mut sent = 0;
    let mut meter = Meter::of(&mut peer);
    for kind in KINDS {
        for len in 0..=41 {
            for place in 0..40 {
                let mut area = [1; 40];
                area[place..].fill(0x5a);
                area[place] = kind;
                if let Some(octet) = area.get_mut(place + 1) {
                    *octet = len;
                }
                let text = octets(1 + meter.peer.delivered, 1);
                let packet = with_options(meter.peer, Flags::ACK, &area, &text);
                let dropped = drops(meter.peer);
                meter.packet(packet);
                let taken = meter.peer.read();
                sent += 1;
                assert_eq!(taken as u64 + drops(meter.peer) - dropped, 1, "{area:?}");
            }
        }
    }
    let kinds = KINDS.len() * 42 * 40;
    meter.bill().within(2048, 0, kinds);
    assert_eq!(sent, kinds);
    assert_eq!(conn(&peer), before);
    peer.is(State::Established);
}

/// The same on SYNs, which are answered once each or not at all, and keep nothing.
/// covers: ATT-38
#[test]
fn every_option_on_a_syn() {
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    let mut meter = Meter::of(&mut peer);
    let mut sent = 0;
    for kind in KINDS {
        for len in 0..=41 {
            for place in [0, 1, 2, 19, 37, 38, 39] {
                let mut area = [1; 40];
                area[place..].fill(0xff);
                area[place] = kind;
                if let Some(octet) = area.get_mut(place + 1) {
                    *octet = len;
                }
                let packet = with_options(meter.peer, Flags::SYN, &area, &[]);
                assert!(meter.packet(packet).len() <= 1);
                meter.on("{RST seq=1}");
                sent += 1;
            }
        }
    }
    meter.bill().within(0, 0, sent);
    assert_eq!(peer.stack.totals().flows(), 0);
}

/// IP lengths below the headers, below the segment and beyond the frame; data offsets below the
/// header and beyond the segment: each is dropped for a reason, and nothing is answered.
/// covers: ATT-39
#[test]
fn lengths_that_lie() {
    for v6 in [false, true] {
        let setup = Setup {
            v6,
            ..Setup::default()
        };
        let mut peer = Peer::open(setup);
        let good = peer.build("{. seq=R ack=1 len=40}");
        let header = if v6 { 40 } else { 20 };
        let drops = |peer: &Peer| peer.stack.counters().drops().map(|(_, n)| n).sum::<u64>();
        let mut meter = Meter::of(&mut peer);
        let honest = if v6 { good.len() - 40 } else { good.len() } as u16;
        let lengths = (0..honest + 200).chain([u16::MAX, 1 << 15]);
        for len in lengths.filter(|len| *len != honest) {
            let mut packet = good.clone();
            let at = if v6 { 4 } else { 2 };
            packet[at..at + 2].copy_from_slice(&len.to_be_bytes());
            if !v6 {
                packet[10..12].fill(0);
                let mut sum = checksum::Sum::new();
                sum.add(&packet[..20]);
                let sum = sum.finish();
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            let before = drops(meter.peer);
            meter.packet(packet);
            assert_eq!(drops(meter.peer), before + 1, "length {len}");
        }
        for offset in (0..5).chain([15]) {
            let mut packet = good.clone();
            packet.truncate(header + 40);
            if !v6 {
                packet = ip(
                    meter.peer.remote.ip(),
                    meter.peer.local.ip(),
                    6,
                    &packet[header..],
                );
            } else {
                packet[4..6].copy_from_slice(&40u16.to_be_bytes());
            }
            packet[header + 12] = offset << 4;
            packet[header + 16..header + 18].fill(0);
            let (src, dst) = (meter.peer.remote.ip(), meter.peer.local.ip());
            seal(src, dst, &mut packet[header..]);
            let before = meter.peer.dropped(DropReason::BadTcpHeader);
            meter.packet(packet);
            assert_eq!(
                meter.peer.dropped(DropReason::BadTcpHeader),
                before + 1,
                "offset {offset}"
            );
        }
        meter.bill().within(0, 0, 0);
        assert_eq!(peer.read(), 0);
    }
}

/// Pointers at nothing, beyond the segment, backwards and at every distance: each octet is
/// delivered once, and nothing more is kept than the text.
/// covers: ATT-37
#[test]
fn urgent_pointers_at_line_rate() {
    let mut peer = Peer::open(Setup::default());
    let mut meter = Meter::of(&mut peer);
    let mut taken = 0;
    for n in 0..20_000u32 {
        let up = [0, 1, 5, 6, 65_535, n % 65_536, 65_535 - n % 65_536][n as usize % 7];
        let len = n % 6;
        let seq = 1 + meter.peer.delivered;
        meter.on(&format!("{{URG. seq={seq} ack=1 len={len} up={up}}}"));
        let conn = meter
            .peer
            .stack
            .conn(meter.peer.id())
            .expect("a live handle");
        assert!(
            conn.urgent_bytes()
                .is_none_or(|octets| octets <= 65_535 + 6)
        );
        taken += meter.peer.read();
    }
    meter.bill().within(2048, 0, 20_000);
    assert_eq!(taken, 20_000 / 6 * 15 + 1);
    // At a closed window the pointer is looked at and nothing is taken.
    let mut peer = Peer::open(Setup::default());
    while peer.marks.r < peer.marks.e {
        let len = (peer.marks.e - peer.marks.r).min(1000);
        peer.exchange(&format!("{{. seq=R ack=1 len={len}}}"));
    }
    let mut meter = Meter::of(&mut peer);
    for up in 0..10_000 {
        meter.on(&format!("{{URG. seq=R ack=1 len=1 up={}}}", up * 6));
    }
    meter.bill().within(0, 0, 5);
}

/// Marks reported in every acknowledgement: the window does not go below a segment, and all text
/// leaves.
/// covers: ATT-51
#[test]
fn marks_reported_for_ever() {
    let mut setup = Setup::default();
    setup.config.tcp.ecn = EcnMode::Classic;
    setup.config.socket.send_buffer = BufferSize::Fixed(1 << 20);
    let mut peer = Peer::new(setup);
    peer.connect();
    peer.drain();
    peer.on("{SYN+ECE. seq=0 ack=1}");
    let mut meter = Meter::of(&mut peer);
    let all = 200_000;
    assert_eq!(meter.peer.write(all), all);
    for _ in 0..2_000 {
        meter.wait(core::time::Duration::from_millis(50));
        meter.on("{ECE. seq=1 ack=N}");
        let conn = meter
            .peer
            .stack
            .conn(meter.peer.id())
            .expect("a live handle");
        assert!(conn.info(meter.peer.now).cwnd >= 1460);
    }
    meter.bill().within(1 << 18, 2_000, all / 1460 + 20);
    assert_eq!(peer.marks.u, 1 + all as i64, "all has left");
}

/// SYNs with cookies that were never given and as much text as fits: answered with a SYN,ACK at
/// most, the text is not kept, and nobody gets more than one half-open entry.
/// covers: ATT-52
#[test]
fn forged_cookies_with_text() {
    let mut peer = Peer::new(Setup::default());
    let options = ListenOptions {
        fast_open: Some(16),
        ..ListenOptions::default()
    };
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    let mut meter = Meter::of(&mut peer);
    let (mut octets_in, mut octets_out) = (0, 0);
    for n in 0..20_000u64 {
        meter.peer.become_port(10_000 + n as u16);
        let cookie = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let long = if n % 2 == 0 {
            format!("{cookie:016x}")
        } else {
            String::new()
        };
        let syn = format!("{{SYN seq=0 len=1400 cookie={cookie:016x}{long}}}");
        let sent = meter.on(&syn);
        octets_in += 1400 + 40;
        octets_out += sent
            .iter()
            .map(|one| usize::from(one.packet_len))
            .sum::<usize>();
        assert!(sent.iter().all(|one| one.text.is_empty()));
    }
    meter.bill().within(0, 0, 20_000);
    assert!(octets_out < octets_in / 10);
    assert_eq!(peer.stack.counters().fast_open_passive, 0);
    assert!(!peer.accept());
    assert!(peer.stack.totals().flows() <= 1024);
}

/// Timeouts of nothing, of a second and of three weeks, in every segment: what is adopted stays
/// within the limits, and it costs nothing.
/// covers: ATT-53
#[test]
fn user_timeouts_at_line_rate() {
    let mut setup = Setup::default();
    setup.config.socket.advertised_timeout = Some(s(300));
    let mut peer = Peer::open(setup);
    peer.write(100);
    peer.drain();
    let mut meter = Meter::of(&mut peer);
    for n in 0..10_000u32 {
        let timeout = [0, 1, 59, 60, 32_767, 32_767 * 60][n as usize % 6];
        meter.on(&format!("{{. seq=1 ack=1 uto={timeout}}}"));
        let conn = meter
            .peer
            .stack
            .conn(meter.peer.id())
            .expect("a live handle");
        let adopted = conn.info(meter.peer.now).user_timeout;
        let adopted = adopted.expect("it is in use");
        assert!((s(100)..=s(3600)).contains(&adopted), "{adopted:?}");
    }
    meter.bill().within(0, 0, 1);
    peer.is(State::Established);
}
