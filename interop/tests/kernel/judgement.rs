//! The judges themselves: tshark, and the pattern of the streams, find what is wrong.

use std::panic;
use std::path::Path;

use synfin_core::{CaptureSink, Direction, Instant, Medium};
use synfin_interop::capture::{self, Packets};
use synfin_interop::harness::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("judgement::a_good_capture_passes", a_good_capture_passes),
        Test::new(
            "judgement::wrong_captures_are_found",
            wrong_captures_are_found,
        ),
    ]
}

/// SYN, SYN-ACK, ACK and two octets of text from 10.77.0.1:4660 to 10.77.0.2:80 and back.
fn conversation() -> Vec<Vec<u8>> {
    let (client, server) = (1, 2);
    vec![
        segment(client, 0x02, 0, 0, b""),
        segment(server, 0x12, 0, 1, b""),
        segment(client, 0x10, 1, 1, b""),
        segment(client, 0x18, 1, 1, b"xy"),
        segment(server, 0x10, 1, 3, b""),
    ]
}

/// A packet from one of the two hosts to the other.
fn segment(host: u8, flags: u8, seq: u32, ack: u32, text: &[u8]) -> Vec<u8> {
    let (source, target) = ([10, 77, 0, host], [10, 77, 0, 3 - host]);
    let mut ports = [4660_u16.to_be_bytes(), 80_u16.to_be_bytes()];
    if host == 2 {
        ports.reverse();
    }
    let mut tcp = ports.concat();
    tcp.extend(seq.to_be_bytes());
    tcp.extend(ack.to_be_bytes());
    tcp.extend([0x50, flags, 0xff, 0, 0, 0, 0, 0]);
    tcp.extend(text);
    let pseudo = [&source[..], &target, &[0, 6, 0, tcp.len() as u8]].concat();
    let sum = checksum(&[pseudo, tcp.clone()].concat());
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut ip = vec![0x45, 0, 0, 20 + tcp.len() as u8, 0, 1, 0x40, 0, 64, 6, 0, 0];
    ip.extend([source, target].concat());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip.extend(tcp);
    ip
}

fn checksum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

fn write(path: &Path, packets: &[Vec<u8>]) {
    let mut sink = Packets::to(path, Medium::Ip);
    for (ms, packet) in (1..).zip(packets) {
        sink.frame(
            Instant::from_nanos(ms * 1_000_000),
            Direction::Out,
            packet,
            None,
        );
    }
}

fn a_good_capture_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("good.pcap");
    write(&path, &conversation());
    capture::judge(&path, &[]);
}

fn wrong_captures_are_found() {
    type Change = fn(&mut Vec<Vec<u8>>);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrong.pcap");
    let changes: [(&str, Change); 6] = [
        ("a wrong IP checksum", |packets| packets[0][10] ^= 1),
        ("a wrong TCP checksum", |packets| packets[3][36] ^= 1),
        ("a header that is cut off", |packets| {
            packets[2] = segment(1, 0x10, 1, 1, b"")[..30].to_vec()
        }),
        ("a retransmission", |packets| {
            packets.insert(4, packets[3].clone())
        }),
        ("a lost segment", |packets| drop(packets.remove(3))),
        ("no segment at all", |packets| packets.clear()),
    ];
    for (what, change) in changes {
        let mut packets = conversation();
        change(&mut packets);
        write(&path, &packets);
        let judged = panic::catch_unwind(|| capture::judge(&path, &[]));
        assert!(judged.is_err(), "{what} is not found");
    }
    let mut packets = conversation();
    packets.insert(4, packets[3].clone());
    write(&path, &packets);
    capture::judge(&path, &capture::LOSS);
}
