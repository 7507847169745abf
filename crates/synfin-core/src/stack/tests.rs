//! Variables that no segment shows at once.

use alloc::vec;
use core::net::Ipv4Addr;

use synfin_wire::checksum::pseudo_header;
use synfin_wire::tcp::{Header, Options, fill_checksum};
use synfin_wire::{Flags, Ipv4Header, SeqNum, protocol};

use super::timers::{TimerKey, WHEEL_STEPS};
use super::*;
use crate::driver::DeviceId;
use crate::ip::address::AddrId;
use crate::state::State;
use crate::tcp::connection::Key;
use crate::tcp::time_wait::TimeWaitRecord;
use crate::trace::FlowId;
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
    Ipv4Header::new(src, OWN, protocol::TCP).emit(segment.len(), &mut packet);
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

/// A device that takes nothing keeps no timer waiting: after a connection was touched the stack
/// wants to be called at once, and knows its deadline then.
#[test]
fn a_device_that_takes_nothing_delays_no_timer() {
    let now = at_second(1);
    let mut stack = Stack::new(StackConfig::default(), Memory::default(), [7; 32]).expect("sound");
    let device = stack.add_device(DeviceCaps::ip(1500));
    stack.add_address(device, OWN.into(), 24);
    let opened = stack.connect(now, (PEER, 80).into(), ConnectOptions::default());
    opened.expect("free");
    assert!(stack.poll_transmit(now, device).is_some(), "our SYN");
    assert_eq!(stack.poll_timeout(), Some(now), "it was touched");
    stack.handle_timeout(now);
    assert!(stack.poll_timeout().is_some_and(|at| at > now));
    let mut at = now;
    while stack.poll_transmit(at, device).is_none() {
        at = stack.poll_timeout().expect("the SYN may be lost");
        assert!(at < at_second(3), "it is sent again");
        stack.handle_timeout(at);
    }
    assert!(at >= at_second(2), "after a second");
}

/// However many are touched before anybody asks, a call looks at no more than 256 of them.
#[test]
fn what_was_touched_does_not_pile_up() {
    let now = at_second(1);
    let mut stack = Stack::new(StackConfig::default(), Memory::default(), [7; 32]).expect("sound");
    let device = stack.add_device(DeviceCaps::ip(1500));
    stack.add_address(device, OWN.into(), 24);
    for _ in 0..2000 {
        let opened = stack.connect(now, (PEER, 80).into(), ConnectOptions::default());
        opened.expect("free");
        assert!(stack.tables.touched.len() < 256);
    }
    let mut sent = 0;
    while stack.poll_transmit(now, device).is_some() {
        sent += 1;
        assert!(stack.tables.touched.len() < 256);
    }
    assert_eq!((sent, stack.tables.touched.len()), (2000, 0));
    assert!(stack.poll_timeout().is_some_and(|at| at > now));
}

fn at_second(n: u64) -> Instant {
    Instant::from_nanos(n * 1_000_000_000)
}

fn with_own_address() -> (Stack, AddrId) {
    let mut stack = Stack::new(StackConfig::default(), Memory::default(), [7; 32]).expect("sound");
    let device = stack.add_device(DeviceCaps::ip(1500));
    stack.add_address(device, OWN.into(), 24);
    let own = stack.tables.addresses.lookup(OWN.into());
    (stack, own.expect("just added"))
}

/// Calls `handle_timeout` until nothing more is due at `now`; tells how often. `work` measures
/// what is left, and `most` is what one call may do of it.
fn calls_until_idle(
    stack: &mut Stack,
    now: Instant,
    most: usize,
    left: impl Fn(&Stack) -> usize,
) -> usize {
    let mut calls = 0;
    while stack.poll_timeout().is_some_and(|at| at <= now) {
        let before = left(stack);
        stack.handle_timeout(now);
        assert!(before - left(stack) <= most, "one call did too much");
        calls += 1;
    }
    calls
}

/// Puts records into TIME-WAIT that end at 61 s, one for each port of the peer.
fn fill_time_wait(stack: &mut Stack, own: AddrId, records: u32) {
    for n in 0..records {
        let key = Key {
            remote_v4: PEER,
            local: own,
            local_port: 80,
            remote_port: n as u16,
        };
        let record = TimeWaitRecord {
            key,
            remote_v6: None,
            snd_nxt: SeqNum::new(n),
            rcv_nxt: SeqNum::new(n),
            ts_recent: None,
            deadline: at_second(61),
            wnd_field: 0,
            ecn_flags: Flags::EMPTY,
        };
        let id = stack.tables.time_wait.insert(&record, FlowId::NONE, None);
        let place = Place::TimeWait(id.expect("room").index);
        let tuple = stack.tables.tuple(place).expect("just made");
        assert_eq!(tuple.remote.port(), n as u16);
        stack.insert_flow(&tuple, place);
        stack.tables.addresses.intern(OWN.into());
        stack.totals.enter(State::TimeWait);
        assert_eq!(stack.find_flow(&tuple), Some(place));
    }
}

/// Records that end at one instant end in slices, and no call is forgotten.
#[test]
fn time_wait_ends_in_slices() {
    const RECORDS: u32 = 5_000;
    let (mut stack, own) = with_own_address();
    fill_time_wait(&mut stack, own, RECORDS);
    stack.handle_timeout(at_second(60));
    assert_eq!(stack.totals()[State::TimeWait], RECORDS);
    let left = |stack: &Stack| stack.totals()[State::TimeWait] as usize;
    let calls = calls_until_idle(&mut stack, at_second(61), EXPIRIES, left);
    assert_eq!(calls, (RECORDS as usize).div_ceil(EXPIRIES));
    assert_eq!(stack.totals().flows(), 0);
    assert_eq!(stack.poll_timeout(), None);
}

/// Deadlines of one instant fire in slices, whatever the wheels have to do for it.
#[test]
fn deadlines_fire_in_slices() {
    const ENTRIES: usize = 5_000;
    let (mut stack, _) = with_own_address();
    for n in 0..ENTRIES as u32 {
        let gone = SlotId {
            index: n,
            generation: 0,
        };
        stack.timers.fine.insert(at_second(3), TimerKey::conn(gone));
        stack
            .timers
            .coarse
            .insert(at_second(3), TimerKey::half_open(gone));
    }
    let most = 2 * WHEEL_STEPS as usize;
    let left = Stack::filed_deadlines;
    let calls = calls_until_idle(&mut stack, at_second(3), most, left);
    // An entry is moved down at most twice before it fires.
    assert!(calls >= ENTRIES / WHEEL_STEPS as usize, "{calls}");
    assert!(calls <= 4 * ENTRIES / WHEEL_STEPS as usize + 2, "{calls}");
    assert_eq!(stack.filed_deadlines(), 0);
}

/// A batch beside many flows, where lines are read ahead: each frame meets what it would alone,
/// and what is no packet does no harm.
/// covers: EV-14
#[test]
fn a_batch_is_as_its_frames_one_by_one() {
    let run = |together: bool| {
        let (mut stack, own) = with_own_address();
        fill_time_wait(&mut stack, own, 60_000);
        assert!(stack.flows.is_large());
        let device = DeviceId(1);
        let (mut batch, now) = (FrameBatch::new(), at_second(2));
        for n in 0..100u32 {
            let packet = syn(SeqNum::new(n * 1_000_000), 1000, 80 + n as u16 % 2);
            let len = if n % 7 == 0 {
                n as usize % 41
            } else {
                packet.len()
            };
            let frame = stack.frame_from(&packet[..len]);
            if together {
                batch.push(frame);
            } else {
                stack.handle_frame(now, device, frame);
            }
        }
        stack.handle_batch(now, device, &mut batch);
        let mut sent = Vec::new();
        while let Some(frame) = stack.poll_transmit(now, device) {
            sent.push(frame.header.to_vec());
        }
        (sent, stack.counters().drops().collect::<Vec<_>>())
    };
    let (sent, drops) = run(true);
    assert!(sent.len() > 20, "no listener: RSTs");
    assert!(drops.len() > 1, "SYNs in TIME-WAIT, and what is no packet");
    assert_eq!((sent, drops), run(false));
}

/// How many entries a look-up of this tuple compares, and whether it finds it.
fn probes(stack: &Stack, tuple: &FourTuple) -> (u32, bool) {
    let local = stack.tables.addresses.lookup(tuple.local.ip());
    let wanted = FlowKey::of(tuple, local.expect("our address"));
    let hash = stack.cx.secrets.flow_hash(tuple);
    let mut steps = 0;
    let bucket = stack.flows.bucket_of(hash);
    let found = stack.flows.find_in(bucket, hash, |place| {
        steps += 1;
        stack.tables.flow_key(place) == Some(wanted)
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
