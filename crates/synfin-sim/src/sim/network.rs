//! Packets between hosts: faults first, then the link.

use synfin_core::{Instant, TraceSeq};
use synfin_trace::{EndId, Fate, PacketId, Trip};

use crate::ecn;
use crate::fault::{self, Treatment};
use crate::fragment;
use crate::host::HostId;
use crate::link::{LinkId, Verdict};
use crate::port::Outgoing;
use crate::sim::segment::{self, Split};
use crate::sim::{Arrival, Due, Sim};
use crate::too_big;
use crate::window;

/// A packet that a host sends, and where it goes.
struct Passing {
    from: usize,
    /// Each receiver with the name of its packet.
    to: Vec<((usize, usize), Option<PacketId>)>,
    link: usize,
    side: usize,
    header: Vec<u8>,
    is_ip: bool,
}

impl Sim {
    /// Takes what a host has put on its links.
    pub(super) fn take_packets(&mut self, host: usize) {
        for index in 0..self.hosts[host].attachments.len() {
            let attachment = &self.hosts[host].attachments[index];
            if !attachment.port.has_outgoing() {
                continue;
            }
            let (link, side) = (attachment.link.0, attachment.side);
            for outgoing in attachment.port.take_outgoing() {
                self.pass(host, link, side, outgoing);
            }
        }
    }

    fn pass(&mut self, from: usize, link: usize, side: usize, outgoing: Outgoing) {
        let Outgoing { octets, trace } = outgoing;
        self.packets += 1;
        self.digest.add_number(self.now.as_nanos());
        self.digest.add_number(from as u64);
        self.digest.add(&octets);
        let Split {
            header,
            packet: mut octets,
            is_ip,
        } = segment::split(&self.links[link], octets);
        let mut treatment = None;
        if is_ip {
            self.check_packet(link, side, &octets);
            treatment = self.treatment(from, &octets);
        }
        if let Some(Treatment::Window(field)) = treatment {
            window::write(&mut octets, field);
        }
        let mut passing = Passing {
            from,
            to: Vec::new(),
            link,
            side,
            header,
            is_ip,
        };
        for to in segment::receivers(&self.links[link], side, &passing.header) {
            let packet = self.record_trip(&passing, to, &octets, (trace, None));
            passing.to.push((to, packet));
        }
        self.treat(passing, octets, treatment);
    }

    fn record_trip(
        &mut self,
        passing: &Passing,
        to: (usize, usize),
        octets: &[u8],
        (trace, copy_of): (Option<TraceSeq>, Option<PacketId>),
    ) -> Option<PacketId> {
        self.record_packet_on(passing.link, |sent| Trip {
            from: EndId(passing.from),
            to: EndId(to.0),
            sent,
            fate: Fate::UnderWay,
            link_header: passing.header.clone(),
            octets: octets.to_vec(),
            trace,
            copy_of,
            forged: false,
        })
    }

    /// Slips a packet in that a host seems to have sent on a link: it arrives when one that the
    /// host sends now would, without a queue, and nothing happens to it on the way.
    ///
    /// # Panics
    /// When the host is not on the link, or the link carries frames.
    pub fn forge(&mut self, from: HostId, link: LinkId, octets: Vec<u8>) {
        let ends = &self.links[link.0].ends;
        let side = ends.iter().position(|end| end.0 == from.0);
        let side = side.expect("the host is on the link");
        assert!(ends.len() == 2 && self.links[link.0].stations.is_empty());
        let to = ends[1 - side];
        let packet = self.record_packet_on(link.0, |sent| Trip {
            from: EndId(from.0),
            to: EndId(to.0),
            sent,
            fate: Fate::UnderWay,
            link_header: Vec::new(),
            octets: octets.clone(),
            trace: None,
            copy_of: None,
            forged: true,
        });
        let arrival = Arrival {
            host: to.0,
            attachment: to.1,
            octets,
            packet,
            corrupted: false,
        };
        let at = self.now + self.links[link.0].configs[side].delay;
        self.schedule.push(at, Due::Packet(arrival));
    }

    fn check_packet(&mut self, link: usize, side: usize, octets: &[u8]) {
        if !self.checks.wire {
            return;
        }
        let mtu = self.links[link].configs[side].mtu;
        if let Err(rule) = self.wire_check.check(octets, mtu) {
            panic!("seed {}, after {:?}: {rule}", self.seed, self.elapsed());
        }
    }

    fn treat(&mut self, mut passing: Passing, octets: Vec<u8>, treatment: Option<Treatment>) {
        if treatment == Some(Treatment::Drop) {
            return self.lose(&passing, "fault");
        }
        let link = &self.links[passing.link];
        if link.cut {
            return self.lose(&passing, "cut");
        }
        let config = &link.configs[passing.side];
        let most = config.cuts(&octets).filter(|_| passing.is_ip);
        // Where the sender gave no identification, the count of packets is one.
        let parts = most.and_then(|most| fragment::cut(&octets, most, self.packets as u32));
        let Some(parts) = parts else {
            return self.carry(&passing, octets, treatment);
        };
        for part in parts {
            self.carry(&passing, part, treatment);
            // The record is that of the whole packet, which its first part stands for.
            for (_, packet) in &mut passing.to {
                *packet = None;
            }
        }
    }

    fn carry(&mut self, passing: &Passing, mut octets: Vec<u8>, treatment: Option<Treatment>) {
        let verdict = self.offer(passing, octets.len());
        let (at, mut again, mut flip, congested) = match verdict {
            Verdict::Lost(why) => {
                if why == "MTU" && passing.is_ip {
                    self.tell_path_mtu(passing, &octets);
                }
                return self.lose(passing, why);
            }
            Verdict::Arrives {
                at,
                again,
                flip,
                congested,
            } => (at, again, flip, congested),
        };
        if congested && passing.is_ip {
            ecn::mark(&mut octets);
        }
        let mut arrives = at;
        match treatment {
            Some(Treatment::Delay(by)) => arrives = at + by,
            Some(Treatment::Duplicate) => again = again.or(Some(at)),
            Some(Treatment::Corrupt) => flip = flip.or(Some(0.5)),
            Some(Treatment::Mark) => ecn::mark(&mut octets),
            Some(Treatment::ClearField) => ecn::clear_field(&mut octets),
            Some(Treatment::ClearFlags) => ecn::clear_flags(&mut octets),
            Some(Treatment::Drop | Treatment::Window(_)) | None => {}
        }
        if let Some(again) = again {
            self.send_copies(passing, again, &octets);
        }
        if let Some(place) = flip {
            if !passing.is_ip {
                // Nothing but the check sequence of the frame would find it.
                return self.lose(passing, "corrupted");
            }
            corrupt(&mut octets, place);
        }
        for (to, packet) in &passing.to {
            let frame = segment::join(&passing.header, &octets);
            self.schedule_arrival(*to, arrives, frame, (*packet, flip.is_some()));
        }
    }

    fn schedule_arrival(
        &mut self,
        (host, attachment): (usize, usize),
        at: Instant,
        octets: Vec<u8>,
        (packet, corrupted): (Option<PacketId>, bool),
    ) {
        let arrival = Arrival {
            host,
            attachment,
            octets,
            packet,
            corrupted,
        };
        self.schedule.push(at, Due::Packet(arrival));
    }

    /// Offers a packet to its link.
    fn offer(&mut self, passing: &Passing, len: usize) -> Verdict {
        let side = passing.side;
        let bottleneck = self.links[passing.link].queue_of;
        if let Some(of) = bottleneck {
            let until = self.links[of].ways[side].busy_until;
            self.links[passing.link].ways[side].busy_until = until;
        }
        let link = &mut self.links[passing.link];
        let verdict = link.ways[side].offer(&link.configs[side], self.now, len);
        link.counts[side].count(&verdict);
        if let Some(of) = bottleneck {
            let until = link.ways[side].busy_until;
            self.links[of].ways[side].busy_until = until;
        }
        verdict
    }

    fn treatment(&mut self, from: usize, octets: &[u8]) -> Option<Treatment> {
        if self.faults.is_empty() {
            return None;
        }
        let (kind, seq) = fault::kind_of(octets)?;
        let name = &self.hosts[from].name;
        let mut treatment = None;
        for fault in &mut self.faults {
            // Each fault counts, also when another one strikes first.
            treatment = treatment.or(fault.strikes(name, kind, seq));
        }
        treatment
    }

    fn send_copies(&mut self, passing: &Passing, at: Instant, octets: &[u8]) {
        for (to, original) in &passing.to {
            let packet = self.record_trip(passing, *to, octets, (None, *original));
            let frame = segment::join(&passing.header, octets);
            self.schedule_arrival(*to, at, frame, (packet, false));
        }
    }

    /// A router in the middle of the link tells the sender, if one is there and the packet must
    /// not be fragmented.
    fn tell_path_mtu(&mut self, passing: &Passing, octets: &[u8]) {
        let link = &self.links[passing.link];
        let config = &link.configs[passing.side];
        let mtu = config.path_mtu.filter(|_| !config.silent);
        let Some(error) = mtu.and_then(|mtu| too_big::answer(octets, mtu)) else {
            return;
        };
        // Half the way there and half the way back.
        let at = self.now + config.delay;
        let to = link.ends[passing.side];
        let frame = segment::join(&segment::answer(&passing.header), &error);
        self.schedule_arrival(to, at, frame, (None, false));
    }

    fn lose(&mut self, passing: &Passing, why: &'static str) {
        for (_, packet) in &passing.to {
            self.record_fate(*packet, Fate::Lost(why));
        }
    }
}

/// Flips one bit, at a place from 0 to 1.
fn corrupt(octets: &mut [u8], place: f64) {
    let bits = octets.len() * 8;
    let bit = ((bits as f64 * place) as usize).min(bits.saturating_sub(1));
    if let Some(octet) = octets.get_mut(bit / 8) {
        *octet ^= 1 << (bit % 8);
    }
}
