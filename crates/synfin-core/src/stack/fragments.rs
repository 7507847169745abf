//! Parts of packets: kept until the packet is whole, which then goes the way of all packets, or
//! until it is too late.

use crate::buffer::{Chunk, Pressure};
use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::ip::fragment::Part;
use crate::ip::icmp::Problem;
use crate::ip::input::Packet;
use crate::stack::Stack;
use crate::stack::ingress::Via;

impl Stack {
    pub(super) fn take_part(&mut self, part: &Part, chunk: Chunk) {
        self.cx.counters.reasm_reqds += 1;
        match self.fragments.add(&mut self.cx, part, chunk) {
            Ok(None) => {}
            Ok(Some(whole)) => self.deliver_whole(part.device, whole),
            Err(reason) => self.cx.counters.count_drop(reason),
        }
    }

    /// A packet that has become whole is looked at as if it had come so. covers: ATT-62
    fn deliver_whole(&mut self, device: DeviceId, mut chunk: Chunk) {
        self.cx.counters.reasm_oks += 1;
        let accepted = self.accept_packet(device, &mut chunk, Via::Packets);
        let refused = match accepted {
            // A part inside of parts: the walk over the first one has refused it.
            Ok(packet) if packet.fragment.is_some() => DropReason::BadFragment,
            Ok(packet) => {
                if let Some(home) = self.elsewhere(chunk.as_slice()) {
                    return self.hand_on(device, home, chunk);
                }
                let fragmented = true;
                let packet = Packet {
                    fragmented,
                    ..packet
                };
                return self.deliver(device, &packet, chunk);
            }
            Err(reason) => reason,
        };
        self.cx.counters.count_drop(refused);
        self.cx.pool.free(chunk);
    }

    /// Gives up what has waited long enough, and tells its sender if there is something to quote.
    /// covers: 792-1, 1122-9, 8200-6
    pub(super) fn expire_fragments(&mut self) {
        while let Some(datagram) = self.fragments.pop_expired(&self.cx) {
            self.cx.counters.reasm_timeouts += u64::from(!datagram.is_spoiled());
            if let Some(first) = datagram.first_packet() {
                self.answer_with_icmp(datagram.device, Problem::ReassemblyTimeout, first);
            }
            let reason = DropReason::ReassemblyTimeout;
            self.fragments.give_up(&mut self.cx, datagram, reason);
        }
    }

    /// Where text needs the last of the buffers, parts do not stay.
    pub(super) fn relieve_fragments(&mut self) {
        if self.cx.pool.pressure() == Pressure::Hard {
            self.fragments.relieve(&mut self.cx);
        }
    }
}

#[cfg(test)]
mod tests;
