//! On Ethernet every shard finds its neighbours, and one of them speaks for the host.

use synfin_core::wire::MacAddress;
use synfin_core::wire::arp::{ArpOperation, ArpPacket};
use synfin_core::wire::ethernet::{EthernetHeader, ethertype};
use synfin_core::{DeviceCaps, Instant};

use crate::host::{Host, Steering, World, address};

fn mac(side: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, side])
}

fn host(side: usize, shards: u16) -> Host {
    let caps = DeviceCaps::ethernet(1500, mac(side as u8));
    Host::new(side, shards, Steering::InTurn, caps)
}

#[test]
fn every_shard_reaches_its_neighbours() {
    let mut world = World::of([host(0, 4), host(1, 2)]);
    world.open(40);
    world.run();
    world.assert_all_done(40);
    world.assert_every_shard_was_used();
    for stack in &world.hosts[0].shards {
        assert!(
            stack.counters().arp_out > 0,
            "each has asked for the server"
        );
        assert!(stack.counters().arp_in > 0, "and each was told");
    }
}

fn arps(sent: &[Vec<u8>]) -> Vec<ArpPacket> {
    let arp = |frame: &Vec<u8>| {
        let header = EthernetHeader::parse(frame).expect("a frame");
        let packet = ArpPacket::parse(header.payload(frame));
        (header.ethertype == ethertype::ARP).then(|| packet.expect("ARP"))
    };
    sent.iter().filter_map(arp).collect()
}

#[test]
fn one_shard_announces_the_address_and_answers_for_it() {
    let mut host = host(0, 4);
    let now = Instant::START;
    let mut sent = Vec::new();
    host.turn(now, |_, frame| sent.push(frame));
    let announced = arps(&sent);
    assert_eq!(announced.len(), 1, "{announced:?}");
    assert_eq!(announced[0].sender_ip, announced[0].target_ip);

    let std::net::IpAddr::V4(own) = address(0) else {
        unreachable!("an IPv4 address");
    };
    let question = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: mac(9),
        sender_ip: [10, 0, 0, 9].into(),
        target_mac: MacAddress::UNSPECIFIED,
        target_ip: own,
    };
    let mut frame = vec![0; 60];
    let header = EthernetHeader {
        dst: MacAddress::BROADCAST,
        src: mac(9),
        ethertype: ethertype::ARP,
    };
    let at = header.emit(&mut frame);
    question.emit(&mut frame[at..]);
    host.arrive(now, &frame);
    let mut sent = Vec::new();
    host.turn(now, |shard, frame| {
        assert_eq!(shard, 0, "the spokesman");
        sent.push(frame);
    });
    let answers = arps(&sent);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].operation, ArpOperation::Reply);
    for stack in &host.shards {
        assert!(stack.counters().drops().next().is_none());
    }
}
