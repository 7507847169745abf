//! Checks of packets by what they say, without a look into the stacks.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use synfin_core::wire::{Ipv4Header, Ipv6Header, ipv4, tcp};
use synfin_core::{Flags, FourTuple, IpEcn, SeqNum};

use crate::ecn;
use crate::fault;

/// What one end of a connection has said so far.
#[derive(Clone, Debug)]
struct Talk {
    /// The SYN's sequence number.
    isn: SeqNum,
    shift: Option<u8>,
    /// The highest acknowledgement sent.
    ack: Option<SeqNum>,
    /// The highest right edge of a window promised.
    edge: Option<SeqNum>,
    /// The end of the text sent so far.
    end: SeqNum,
}

/// Watches every packet that leaves a host.
#[derive(Debug, Default)]
pub(crate) struct WireCheck {
    /// By the sender's address and the receiver's.
    talks: BTreeMap<(SocketAddr, SocketAddr), Talk>,
}

impl WireCheck {
    /// Checks a packet; the error names the rule.
    pub(crate) fn check(&mut self, packet: &[u8], mtu: u32) -> Result<(), String> {
        if packet.len() > mtu as usize {
            return Err(format!("INV-8: {} octets on an MTU of {mtu}", packet.len()));
        }
        let (src, dst) = addresses(packet)?;
        let Some(payload) = fault::payload(packet) else {
            return Ok(());
        };
        if !tcp::Segment::verify_checksum(payload, src, dst) {
            return Err("INV-8: wrong TCP checksum".to_owned());
        }
        let segment = tcp::Segment::parse(payload).map_err(|error| format!("INV-8: {error}"))?;
        if segment.options.malformed {
            return Err("INV-8: malformed options".to_owned());
        }
        let tuple = FourTuple {
            local: (src, segment.src_port).into(),
            remote: (dst, segment.dst_port).into(),
        };
        if ecn::field(packet) != IpEcn::NotEct {
            self.capable(tuple, &segment)?;
        }
        self.segment(tuple, &segment)
    }

    /// Only new text may be ECN-capable. covers: 3168-3
    fn capable(&self, tuple: FourTuple, segment: &tcp::Segment<'_>) -> Result<(), String> {
        let talk = self.talks.get(&(tuple.local, tuple.remote));
        let control = segment.syn() || segment.has(Flags::RST) || segment.text.is_empty();
        let again = talk.is_some_and(|talk| segment.seq.before(talk.end));
        if control || again {
            let (flags, seq) = (segment.flags, segment.seq);
            return Err(format!(
                "3168-3: {flags} seq={seq} is ECN-capable and no new text ({tuple})"
            ));
        }
        Ok(())
    }

    fn segment(&mut self, tuple: FourTuple, segment: &tcp::Segment<'_>) -> Result<(), String> {
        if segment.has(Flags::RST) {
            return Ok(());
        }
        if segment.syn() {
            let talk = Talk {
                isn: segment.seq,
                shift: segment.options.window_scale,
                ack: None,
                edge: None,
                end: segment.seq,
            };
            let known = self
                .talks
                .entry((tuple.local, tuple.remote))
                .or_insert_with(|| talk.clone());
            if known.isn != segment.seq {
                *known = talk;
            }
        }
        self.within_window(tuple, segment)?;
        if let Some(talk) = self.talks.get_mut(&(tuple.local, tuple.remote)) {
            talk.end = talk.end.max(segment.seq + segment.text.len() as u32);
        }
        self.nothing_taken_back(tuple, segment)
    }

    /// New text stays within what the peer has promised; a probe may be one octet beyond.
    fn within_window(&self, tuple: FourTuple, segment: &tcp::Segment<'_>) -> Result<(), String> {
        let edge = self
            .talks
            .get(&(tuple.remote, tuple.local))
            .and_then(|peer| peer.edge);
        // What has no text may come from TIME-WAIT and answer a peer's new incarnation.
        let (Some(edge), false) = (edge, segment.syn() || segment.text.is_empty()) else {
            return Ok(());
        };
        let end = segment.seq + segment.text.len() as u32;
        let probe = u32::from(segment.text.len() == 1);
        if end.after(edge + probe) {
            return Err(format!(
                "INV-4: text up to {end} beyond the promised window, which ends at {edge} ({tuple})"
            ));
        }
        Ok(())
    }

    fn nothing_taken_back(
        &mut self,
        tuple: FourTuple,
        segment: &tcp::Segment<'_>,
    ) -> Result<(), String> {
        if !segment.has_ack() {
            return Ok(());
        }
        let peer = self.talks.get(&(tuple.remote, tuple.local));
        let scaled = peer.is_some_and(|peer| peer.shift.is_some());
        let Some(talk) = self.talks.get_mut(&(tuple.local, tuple.remote)) else {
            return Ok(());
        };
        if talk.ack.is_some_and(|before| before.after(segment.ack)) {
            let (flags, seq, ack) = (segment.flags, segment.seq, segment.ack);
            return Err(format!(
                "INV-3: ACK taken back by {flags} seq={seq} ack={ack} ({tuple})"
            ));
        }
        let shift = match talk.shift {
            Some(shift) if scaled && !segment.syn() => shift,
            _ => 0,
        };
        let edge = segment.ack + (u32::from(segment.wnd) << shift);
        // A scaled window cannot name every edge: RFC 7323 section 2.4 lets it move by less than
        // a unit.
        let unit = 1u32 << shift;
        if talk
            .edge
            .is_some_and(|before| before.after(edge + (unit - 1)))
        {
            let (flags, ack, wnd) = (segment.flags, segment.ack, segment.wnd);
            return Err(format!(
                "INV-3: the window's edge went back by {flags} ack={ack} wnd={wnd} << {shift} \
                 ({tuple})"
            ));
        }
        talk.ack = Some(segment.ack);
        talk.edge = Some(talk.edge.map_or(edge, |before| before.max(edge)));
        Ok(())
    }
}

fn addresses(packet: &[u8]) -> Result<(IpAddr, IpAddr), String> {
    match packet.first().map(|octet| octet >> 4) {
        Some(4) => {
            let header = Ipv4Header::parse(packet).map_err(|error| format!("INV-8: {error}"))?;
            if !ipv4::verify_checksum(packet) {
                return Err("INV-8: wrong IP header checksum".to_owned());
            }
            Ok((header.src.into(), header.dst.into()))
        }
        Some(6) => {
            let header = Ipv6Header::parse(packet).map_err(|error| format!("INV-8: {error}"))?;
            Ok((header.src.into(), header.dst.into()))
        }
        _ => Err("INV-8: neither IPv4 nor IPv6".to_owned()),
    }
}
