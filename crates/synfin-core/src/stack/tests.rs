//! Variables that no segment shows at once.

use alloc::vec;
use core::net::Ipv4Addr;

use synfin_wire::checksum::pseudo_header;
use synfin_wire::tcp::{Header, Options, fill_checksum};
use synfin_wire::{Flags, Ipv4Header, SeqNum, protocol};

use super::*;
use crate::state::State;
use crate::{DeviceCaps, FrameBatch, Memory};

const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A SYN of the peer, as a packet.
fn syn(seq: SeqNum, wnd: u16, to_port: u16) -> Vec<u8> {
    let header = Header {
        src_port: 80,
        dst_port: to_port,
        seq,
        ack: SeqNum::new(0),
        flags: Flags::SYN,
        wnd,
        urgent: 0,
        options: Options::default(),
    };
    packet(PEER, &header)
}

fn packet(src: Ipv4Addr, header: &Header) -> Vec<u8> {
    let mut segment = vec![0; header.header_len()];
    header.emit(&mut segment);
    let len = segment.len() as u32;
    let mut sum = pseudo_header(src.into(), OWN.into(), protocol::TCP, len);
    sum.add(&segment);
    fill_checksum(&mut segment, sum);
    let mut packet = [0; 20];
    Ipv4Header {
        src,
        dst: OWN,
        protocol: protocol::TCP,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        total_len: 0,
        header_len: 0,
    }
    .emit(segment.len(), &mut packet);
    [&packet[..], &segment].concat()
}

/// A SYN that crosses ours sets `snd.wnd`, `snd.wl1` and `snd.wl2` (RFC 9293 section 3.10.7.3).
/// covers: ST-202, 9293-MUST-10, 9293-U6
#[test]
fn a_crossing_syn_sets_the_variables_of_the_window() {
    let now = Instant::from_nanos(1_000_000_000);
    let mut stack = Stack::new(StackConfig::default(), Memory::default(), [7; 32]).expect("sound");
    let device = stack.add_device(DeviceCaps::ip(1500));
    stack.add_address(device, OWN.into(), 24);
    let options = ConnectOptions {
        local_port: Some(5000),
        ..ConnectOptions::default()
    };
    let id = stack
        .connect(now, (PEER, 80).into(), options)
        .expect("free");
    assert!(stack.poll_transmit(now, device).is_some(), "our SYN");

    let irs = SeqNum::new(3_000_000_000);
    let packet = syn(irs, 1234, 5000);
    let mut batch = FrameBatch::new();
    batch.push(stack.frame_from(&packet));
    stack.handle_batch(now, device, &mut batch);

    let c = stack.tables.conns.get(id.0).expect("it is there");
    assert_eq!(c.state, State::SynReceived);
    assert_eq!(c.snd.wnd, 1234);
    assert_eq!(c.snd.wl1, irs);
    assert_eq!(c.snd.wl2, SeqNum::new(0), "a SYN acknowledges nothing");
}

/// How many entries a look-up of this tuple compares, and whether it finds it.
fn probes(stack: &Stack, tuple: &FourTuple) -> (u32, bool) {
    let local = stack.tables.addresses.lookup(tuple.local.ip());
    let wanted = FlowKey::of(tuple, local.expect("our address"));
    let hash = stack.cx.secrets.flow_hash(tuple);
    let mut steps = 0;
    let found = stack.flows.find(hash, |flow| {
        steps += 1;
        stack.tables.flow_key(flow.place()) == Some(wanted)
    });
    (steps, found.is_some())
}

/// 10^5 tuples whose address and port cancel out in a sum and in an exclusive or: each look-up
/// compares an entry or two, of these and of others, however many there are.
/// covers: ATT-14, ATT-1, 4987-2
#[test]
fn tuples_that_collide_elsewhere_do_not_here() {
    const N: u32 = 100_000;
    let now = Instant::from_nanos(1_000_000_000);
    let mut config = StackConfig::default();
    config.limits.half_open = N;
    let mut stack = Stack::new(config, Memory::default(), [7; 32]).expect("sound");
    let device = stack.add_device(DeviceCaps::ip(1500));
    stack.add_address(device, OWN.into(), 8);
    let options = crate::ListenOptions {
        syn_queue: N,
        ..crate::ListenOptions::default()
    };
    stack
        .listen(crate::ListenAddr::port(80), options)
        .expect("free");
    // Address and port rise together, and their difference is one of two values.
    let source = |n: u32| {
        let port = (1 + n % 50_000) as u16;
        let addr = Ipv4Addr::from_bits(0x0a01_0000 + ((n / 50_000) << 16) + u32::from(port));
        (addr, port)
    };
    let tuple = |n: u32| {
        let (addr, port) = source(n);
        FourTuple {
            local: (OWN, 80).into(),
            remote: (addr, port).into(),
        }
    };
    let (mut most, mut sum) = (0, 0);
    for n in 0..N {
        let (addr, src_port) = source(n);
        let header = Header {
            src_port,
            dst_port: 80,
            flags: Flags::SYN,
            ..Header::default()
        };
        let frame = stack.frame_from(&packet(addr, &header));
        stack.handle_frame(now, device, frame);
        let (steps, found) = probes(&stack, &tuple(n));
        assert!(found, "tuple {n}");
        most = most.max(steps);
        sum += steps;
    }
    assert_eq!(stack.totals()[State::SynReceived], N);
    assert!(most <= 8, "{most} steps");
    assert!(sum <= N + N / 4, "{sum} steps for {N}");
    let mut others = 0;
    for n in N..2 * N {
        let (steps, found) = probes(&stack, &tuple(n));
        assert!(!found);
        others += steps;
    }
    assert!(others <= N / 2, "{others} steps for {N} that are not there");
}
