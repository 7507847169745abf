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
    let mut segment = vec![0; header.header_len()];
    header.emit(&mut segment);
    let len = segment.len() as u32;
    let mut sum = pseudo_header(PEER.into(), OWN.into(), protocol::TCP, len);
    sum.add(&segment);
    fill_checksum(&mut segment, sum);
    let mut packet = [0; 20];
    Ipv4Header::new(PEER, OWN, protocol::TCP).emit(segment.len(), &mut packet);
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
    let mut frame = stack.frame(device);
    frame.spare_mut()[..packet.len()].copy_from_slice(&packet);
    frame.set_len(packet.len());
    let mut batch = FrameBatch::new();
    batch.push(frame);
    stack.handle_batch(now, device, &mut batch);

    let c = stack.tables.conns.get(id.0).expect("it is there");
    assert_eq!(c.state, State::SynReceived);
    assert_eq!(c.snd.wnd, 1234);
    assert_eq!(c.snd.wl1, irs);
    assert_eq!(c.snd.wl2, SeqNum::new(0), "a SYN acknowledges nothing");
}
