//! Packets between hosts: faults first, then the link.

use synfin_trace::{EndId, Fate, PacketId, Trip};

use crate::ecn;
use crate::fault::{self, Treatment};
use crate::host::HostId;
use crate::link::{LinkId, Verdict};
use crate::port::Outgoing;
use crate::sim::{Arrival, Due, Sim};
use crate::too_big;
use crate::window;

/// A packet that a host sends, and where it goes.
struct Passing {
    from: usize,
    to: (usize, usize),
    link: usize,
    side: usize,
    packet: Option<PacketId>,
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
        let Outgoing { mut octets, trace } = outgoing;
        self.packets += 1;
        self.digest.add_number(self.now.as_nanos());
        self.digest.add_number(from as u64);
        self.digest.add(&octets);
        self.check_packet(link, side, &octets);
        let treatment = self.treatment(from, &octets);
        if let Some(Treatment::Window(field)) = treatment {
            window::write(&mut octets, field);
        }
        let to = self.links[link].ends[1 - side];
        let packet = self.record_packet_on(link, |sent| Trip {
            from: EndId(from),
            to: EndId(to.0),
            sent,
            fate: Fate::UnderWay,
            octets: octets.clone(),
            trace,
            copy_of: None,
            forged: false,
        });
        let passing = Passing {
            from,
            to,
            link,
            side,
            packet,
        };
        self.treat(&passing, octets, treatment);
    }

    /// Slips a packet in that a host seems to have sent on a link: it arrives when one that the
    /// host sends now would, without a queue, and nothing happens to it on the way.
    ///
    /// # Panics
    /// When the host is not on the link.
    pub fn forge(&mut self, from: HostId, link: LinkId, octets: Vec<u8>) {
        let ends = self.links[link.0].ends;
        let side = ends.iter().position(|end| end.0 == from.0);
        let side = side.expect("the host is on the link");
        let to = ends[1 - side];
        let packet = self.record_packet_on(link.0, |sent| Trip {
            from: EndId(from.0),
            to: EndId(to.0),
            sent,
            fate: Fate::UnderWay,
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

    fn treat(&mut self, passing: &Passing, mut octets: Vec<u8>, treatment: Option<Treatment>) {
        if treatment == Some(Treatment::Drop) {
            return self.lose(passing, "fault");
        }
        if self.links[passing.link].cut {
            return self.lose(passing, "cut");
        }
        let verdict = self.offer(passing, octets.len());
        let (at, mut again, mut flip, congested) = match verdict {
            Verdict::Lost(why) => {
                if why == "MTU" {
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
        if congested {
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
            self.send_copy(passing, again, &octets);
        }
        if let Some(place) = flip {
            corrupt(&mut octets, place);
        }
        let arrival = Arrival {
            host: passing.to.0,
            attachment: passing.to.1,
            octets,
            packet: passing.packet,
            corrupted: flip.is_some(),
        };
        self.schedule.push(arrives, Due::Packet(arrival));
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

    fn send_copy(&mut self, passing: &Passing, at: synfin_core::Instant, octets: &[u8]) {
        let copy_of = passing.packet;
        let packet = self.record_packet(|sent| Trip {
            from: EndId(passing.from),
            to: EndId(passing.to.0),
            sent,
            fate: Fate::UnderWay,
            octets: octets.to_vec(),
            trace: None,
            copy_of,
            forged: false,
        });
        let arrival = Arrival {
            host: passing.to.0,
            attachment: passing.to.1,
            octets: octets.to_vec(),
            packet,
            corrupted: false,
        };
        self.schedule.push(at, Due::Packet(arrival));
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
        let (host, attachment) = link.ends[passing.side];
        let arrival = Arrival {
            host,
            attachment,
            octets: error,
            packet: None,
            corrupted: false,
        };
        self.schedule.push(at, Due::Packet(arrival));
    }

    fn lose(&mut self, passing: &Passing, why: &'static str) {
        self.record_fate(passing.packet, Fate::Lost(why));
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
