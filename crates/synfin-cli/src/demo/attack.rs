//! Attackers of a scene: a crowd that floods with SYNs, and somebody beside the path who forges the
//! client's segments. Neither has a stack; they write packets.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use synfin_core::wire::tcp::{Header, Options, fill_checksum};
use synfin_core::wire::{Ipv4Header, SeqNum, checksum, protocol};
use synfin_core::{Flags, Route, SegmentRecord};
use synfin_sim::{HostId, LinkConfig, LinkId, Sim};
use synfin_trace::Packet;

use super::run::{CLIENT, SERVER};

/// Where the crowd lives.
const CROWD: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 0);

/// How long a SYN of the crowd travels.
const CROWD_DELAY: Duration = Duration::from_millis(5);

/// `count` SYNs, one each millisecond, from as many hosts, none of which answers.
pub(crate) fn flood(sim: &mut Sim, server: HostId, from_ms: u64, count: u32) {
    let crowd = sim.add_remote("crowd");
    let link = sim.link(crowd, server, LinkConfig::new().delay(CROWD_DELAY));
    sim.leave_out(link);
    let device = sim.device(server, 1);
    let route = Route::on_link(IpAddr::V4(CROWD), 16, device);
    sim.stack_mut(server).add_route(route);
    for number in 0..count {
        let at = Duration::from_millis(from_ms + u64::from(number));
        sim.after(at, move |sim| sim.forge(crowd, link, syn_of_crowd(number)));
    }
}

/// What the server has to say about it, as a note.
pub(crate) fn report(sim: &mut Sim, server: HostId) {
    let stack = sim.stack(server);
    let counters = stack.counters();
    let half_open = stack.totals()[synfin_core::State::SynReceived];
    let (sent, came_back) = (counters.syn_cookies_sent, counters.syn_cookies_recv);
    let now = sim.now();
    let text = format!("{half_open} half open, {sent} cookies, {came_back} back");
    sim.note(server, now, text);
}

fn syn_of_crowd(number: u32) -> Vec<u8> {
    let src = Ipv4Addr::from_bits(CROWD.to_bits() + 1 + number);
    let header = Header {
        src_port: 1024 + number as u16,
        dst_port: 80,
        seq: SeqNum::new(number.wrapping_mul(0x9E37_79B9)),
        flags: Flags::SYN,
        wnd: 64_240,
        options: Options {
            mss: Some(1460),
            ..Options::default()
        },
        ..Header::default()
    };
    packet(src, &header)
}

/// A segment in the client's name: these control bits, `offset` beyond the number that the server
/// expects next.
pub(crate) fn forge(sim: &mut Sim, client: HostId, link: LinkId, flags: Flags, offset: i32) {
    let timeline = sim.timeline();
    let of_client = |packet: &&Packet| !packet.forged && packet.arrived().is_some();
    let sent = timeline.packets.iter().filter(of_client);
    let mut last = sent.filter_map(|packet| {
        let tuple = packet.tuple.filter(|tuple| tuple.local.ip() == CLIENT)?;
        Some((tuple, packet.segment?))
    });
    let Some((tuple, segment)) = last.next_back() else {
        return;
    };
    let header = Header {
        src_port: tuple.local.port(),
        dst_port: tuple.remote.port(),
        seq: SeqNum::new(end(&segment).raw().wrapping_add(offset as u32)),
        flags,
        wnd: 1000,
        ..Header::default()
    };
    let IpAddr::V4(src) = CLIENT else { return };
    sim.forge(client, link, packet(src, &header));
}

/// The number after the last one of a segment.
fn end(segment: &SegmentRecord) -> SeqNum {
    let has = |flag| u32::from(segment.flags.contains(flag));
    segment.seq + segment.text_len + has(Flags::SYN) + has(Flags::FIN)
}

fn packet(src: Ipv4Addr, header: &Header) -> Vec<u8> {
    let mut packet = vec![0; 20 + header.header_len()];
    let (ip, segment) = packet.split_at_mut(20);
    header.emit(segment);
    let len = segment.len() as u32;
    let mut sum = checksum::pseudo_header(IpAddr::V4(src), SERVER, protocol::TCP, len);
    sum.add(segment);
    fill_checksum(segment, sum);
    let IpAddr::V4(dst) = SERVER else {
        return packet;
    };
    Ipv4Header::new(src, dst, protocol::TCP).emit(segment.len(), ip);
    packet
}
