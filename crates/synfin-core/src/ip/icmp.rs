//! ICMP in both directions (RFC 792, RFC 4443, RFC 1122 section 3.2.2).

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use synfin_wire::icmpv4::{self, Icmpv4Message};
use synfin_wire::icmpv6::{self, Icmpv6Message};
use synfin_wire::{
    FourTuple, Ipv4Header, Ipv6Header, Quote, SeqNum, extension, ipv6, parse_quote, protocol,
};

use crate::counters::DropReason;
use crate::event::SoftError;
use crate::ip::input::Packet;

/// A message to be sent, checksum included.
#[derive(Debug)]
pub(crate) struct IcmpMessage {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) bytes: Vec<u8>,
    /// How much of it has left, under which identification; a message that is longer than the path
    /// takes leaves in parts.
    pub(crate) sent: Option<(usize, u32)>,
}

/// What a received message means.
#[derive(Debug)]
pub(crate) enum IcmpIn {
    /// An echo request, with its answer.
    Echo(IcmpMessage),
    /// An error about something we sent.
    Error(IcmpError),
    /// Nothing.
    Drop(DropReason),
}

/// An error about something we sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// The addresses of the quoted packet as we know them: ours first.
    pub(crate) quoted: FourTuple,
    pub(crate) protocol: u8,
    pub(crate) seq: SeqNum,
    pub(crate) kind: IcmpKind,
}

impl IcmpError {
    /// The error about a packet of ours.
    pub(crate) const fn about(quote: &Quote, kind: IcmpKind) -> Self {
        Self {
            quoted: FourTuple {
                local: SocketAddr::new(quote.src, quote.src_port),
                remote: SocketAddr::new(quote.dst, quote.dst_port),
            },
            protocol: quote.protocol,
            seq: quote.seq,
            kind,
        }
    }
}

/// Classes of errors (conformance list 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IcmpKind {
    Soft(SoftError),
    Hard(SoftError),
    Administrative(SoftError),
    /// The next hop takes packets of `mtu` octets; 0 when it does not say.
    PacketTooBig {
        mtu: u32,
    },
}

/// What the sender of a packet is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    HostUnreachable,
    NetUnreachable,
    PortUnreachable,
    ProtocolUnreachable,
    Prohibited,
    /// The rest of a datagram did not come in time.
    ReassemblyTimeout,
    /// A parameter problem.
    BadHeader {
        code: u8,
        pointer: u32,
    },
}

/// Octets of an IPv4 error, and of an IPv6 one, headers included.
const ERROR_MAX_V4: usize = 576;
const ERROR_MAX_V6: usize = 1280;

/// The code of Time Exceeded for datagrams in fragments, of both families.
const IN_REASSEMBLY: u8 = 1;

/// Reads a message that came in a packet. covers: 792-2, 1122-13, 1122-14, 1122-21, 4443-1, -4
pub(crate) fn handle(packet: &Packet, bytes: &[u8]) -> IcmpIn {
    match (packet.src, packet.dst, packet.protocol) {
        (IpAddr::V4(_), IpAddr::V4(_), protocol::ICMP) => handle_v4(packet, bytes),
        (IpAddr::V6(src), IpAddr::V6(dst), protocol::ICMPV6) => handle_v6(src, dst, bytes),
        _ => IcmpIn::Drop(DropReason::UnknownProtocol),
    }
}

fn handle_v4(packet: &Packet, bytes: &[u8]) -> IcmpIn {
    use icmpv4::unreachable as code;
    let Ok(message) = Icmpv4Message::parse(bytes) else {
        return IcmpIn::Drop(DropReason::BadIcmp);
    };
    let (kind, quote) = match message {
        Icmpv4Message::EchoRequest { id, seq, data } => {
            let reply = Icmpv4Message::EchoReply { id, seq, data };
            let mut bytes = vec![0; reply.message_len()];
            reply.emit(&mut bytes);
            let (src, dst) = (packet.dst, packet.src);
            return IcmpIn::Echo(IcmpMessage {
                src,
                dst,
                protocol: protocol::ICMP,
                bytes,
                sent: None,
            });
        }
        Icmpv4Message::DestinationUnreachable {
            code,
            next_hop_mtu,
            quote,
        } => {
            let kind = match code {
                code::NETWORK => IcmpKind::Soft(SoftError::NetUnreachable),
                code::HOST => IcmpKind::Soft(SoftError::HostUnreachable),
                code::SOURCE_ROUTE_FAILED => IcmpKind::Soft(SoftError::SourceRouteFailed),
                code::PROTOCOL => IcmpKind::Hard(SoftError::ProtocolUnreachable),
                code::PORT => IcmpKind::Hard(SoftError::PortUnreachable),
                code::FRAGMENTATION_NEEDED => IcmpKind::PacketTooBig {
                    mtu: u32::from(next_hop_mtu),
                },
                code::NETWORK_PROHIBITED | code::HOST_PROHIBITED | code::PROHIBITED => {
                    IcmpKind::Administrative(SoftError::Prohibited)
                }
                6 | 8 | 11 => IcmpKind::Soft(SoftError::NetUnreachable),
                _ => IcmpKind::Soft(SoftError::HostUnreachable),
            };
            (kind, quote)
        }
        Icmpv4Message::TimeExceeded { quote, .. } => {
            (IcmpKind::Soft(SoftError::TimeExceeded), quote)
        }
        Icmpv4Message::ParameterProblem { quote, .. } => {
            (IcmpKind::Soft(SoftError::ParameterProblem), quote)
        }
        // covers: 9293-MUST-55, 5927-3 (source quench), 1122-18 (redirect)
        _ => return IcmpIn::Drop(DropReason::IgnoredIcmp),
    };
    error(kind, quote)
}

fn handle_v6(src: Ipv6Addr, dst: Ipv6Addr, bytes: &[u8]) -> IcmpIn {
    use icmpv6::unreachable as code;
    let Ok(message) = Icmpv6Message::parse(bytes, src, dst) else {
        return IcmpIn::Drop(DropReason::BadIcmp);
    };
    let (kind, quote) = match message {
        Icmpv6Message::EchoRequest { id, seq, data } => {
            let reply = Icmpv6Message::EchoReply { id, seq, data };
            let mut bytes = vec![0; reply.message_len()];
            reply.emit(dst, src, &mut bytes);
            let (src, dst) = (dst.into(), src.into());
            return IcmpIn::Echo(IcmpMessage {
                src,
                dst,
                protocol: protocol::ICMPV6,
                bytes,
                sent: None,
            });
        }
        Icmpv6Message::DestinationUnreachable { code, quote } => {
            let kind = match code {
                code::NO_ROUTE => IcmpKind::Soft(SoftError::NetUnreachable),
                code::PORT => IcmpKind::Hard(SoftError::PortUnreachable),
                code::PROHIBITED | code::SOURCE_POLICY | code::REJECT_ROUTE => {
                    IcmpKind::Administrative(SoftError::Prohibited)
                }
                _ => IcmpKind::Soft(SoftError::HostUnreachable),
            };
            (kind, quote)
        }
        Icmpv6Message::PacketTooBig { mtu, quote } => (IcmpKind::PacketTooBig { mtu }, quote),
        Icmpv6Message::TimeExceeded { quote, .. } => {
            (IcmpKind::Soft(SoftError::TimeExceeded), quote)
        }
        Icmpv6Message::ParameterProblem { quote, .. } => {
            (IcmpKind::Soft(SoftError::ParameterProblem), quote)
        }
        // covers: 4443-4 (the quote stands where it does in all others, behind four octets)
        Icmpv6Message::Unknown { body, .. } if message.is_error() => {
            let quote = body.get(4..).unwrap_or_default();
            (IcmpKind::Soft(SoftError::UnknownError), quote)
        }
        _ => return IcmpIn::Drop(DropReason::IgnoredIcmp),
    };
    error(kind, quote)
}

/// covers: 5927-5, 1122-16
fn error(kind: IcmpKind, quote: &[u8]) -> IcmpIn {
    let Some(quote) = parse_quote(quote) else {
        return IcmpIn::Drop(DropReason::BadIcmp);
    };
    IcmpIn::Error(IcmpError::about(&quote, kind))
}

/// An error message about a packet, from `source`; `None` where nothing may be said.
/// covers: 1122-11, 1122-12, 4443-1, 4443-2
pub(crate) fn error_about(problem: Problem, packet: &[u8], source: IpAddr) -> Option<IcmpMessage> {
    match source {
        IpAddr::V4(source) => error_v4(problem, packet, source),
        IpAddr::V6(source) => error_v6(problem, packet, source),
    }
}

fn error_v4(problem: Problem, packet: &[u8], source: Ipv4Addr) -> Option<IcmpMessage> {
    use icmpv4::unreachable as code;
    let header = Ipv4Header::parse(packet).ok()?;
    let payload = header.payload(packet);
    let about_error =
        header.protocol == protocol::ICMP && payload.first().is_none_or(|kind| is_error_v4(*kind));
    let to_many = header.dst.is_multicast() || header.dst.is_broadcast();
    let from_many = header.src.is_multicast()
        || header.src.is_broadcast()
        || header.src.is_unspecified()
        || header.src.is_loopback();
    if about_error || to_many || from_many || header.fragment_offset > 0 {
        return None;
    }
    let whole = usize::from(header.header_len) + payload.len();
    let quote = &packet[..whole.min(ERROR_MAX_V4 - 28)];
    let unreachable = |code| Icmpv4Message::DestinationUnreachable {
        code,
        next_hop_mtu: 0,
        quote,
    };
    let message = match problem {
        Problem::HostUnreachable => unreachable(code::HOST),
        Problem::NetUnreachable => unreachable(code::NETWORK),
        Problem::PortUnreachable => unreachable(code::PORT),
        Problem::ProtocolUnreachable => unreachable(code::PROTOCOL),
        Problem::Prohibited => unreachable(code::PROHIBITED),
        Problem::ReassemblyTimeout => Icmpv4Message::TimeExceeded {
            code: IN_REASSEMBLY,
            quote,
        },
        Problem::BadHeader { code, pointer } => Icmpv4Message::ParameterProblem {
            code,
            pointer: pointer as u8,
            quote,
        },
    };
    let mut bytes = vec![0; message.message_len()];
    message.emit(&mut bytes);
    let (src, dst) = (source.into(), header.src.into());
    Some(IcmpMessage {
        src,
        dst,
        protocol: protocol::ICMP,
        bytes,
        sent: None,
    })
}

/// Everything but questions and answers.
const fn is_error_v4(kind: u8) -> bool {
    !matches!(kind, 0 | 8 | 13 | 14)
}

fn error_v6(problem: Problem, packet: &[u8], source: Ipv6Addr) -> Option<IcmpMessage> {
    use icmpv6::unreachable as code;
    let header = Ipv6Header::parse(packet).ok()?;
    let payload = header.payload(packet);
    let about_error = leads_to_error_v6(packet, header.next_header);
    let option_to_many = matches!(problem, Problem::BadHeader { code: 2, .. });
    let to_many = header.dst.is_multicast() && !option_to_many;
    let from_many = header.src.is_multicast() || header.src.is_unspecified();
    if about_error || to_many || from_many {
        return None;
    }
    let len = (packet.len() - payload.len()).max(40) + payload.len();
    let quote = &packet[..len.min(packet.len()).min(ERROR_MAX_V6 - 48)];
    let unreachable = |code| Icmpv6Message::DestinationUnreachable { code, quote };
    let message = match problem {
        Problem::HostUnreachable => unreachable(code::ADDRESS),
        Problem::NetUnreachable => unreachable(code::NO_ROUTE),
        Problem::PortUnreachable | Problem::ProtocolUnreachable => unreachable(code::PORT),
        Problem::Prohibited => unreachable(code::PROHIBITED),
        Problem::ReassemblyTimeout => Icmpv6Message::TimeExceeded {
            code: IN_REASSEMBLY,
            quote,
        },
        Problem::BadHeader { code, pointer } => Icmpv6Message::ParameterProblem {
            code,
            pointer,
            quote,
        },
    };
    let mut bytes = vec![0; message.message_len()];
    message.emit(source, header.src, &mut bytes);
    let (src, dst) = (source.into(), header.src.into());
    Some(IcmpMessage {
        src,
        dst,
        protocol: protocol::ICMPV6,
        bytes,
        sent: None,
    })
}

/// Whether the headers lead to an ICMPv6 error or a redirect, or may do so in a part that does not
/// tell. They are stepped over, not judged: something is wrong with them. covers: 4443-2, ATT-73
fn leads_to_error_v6(packet: &[u8], mut next_header: u8) -> bool {
    const REDIRECT: u8 = 137;
    let mut rest = packet.get(ipv6::HEADER_LEN..).unwrap_or_default();
    loop {
        let len = match (next_header, rest) {
            (
                protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS,
                [_, n, ..],
            ) => 8 + usize::from(*n) * 8,
            (protocol::FRAGMENT, [next, _, high, low, ..]) => {
                if *high > 0 || *low & 0xf8 > 0 {
                    return *next == protocol::ICMPV6;
                }
                extension::FRAGMENT_HEADER_LEN
            }
            (protocol::ICMPV6, [kind, ..]) => return *kind < 128 || *kind == REDIRECT,
            _ => return next_header == protocol::ICMPV6,
        };
        next_header = rest[0];
        rest = rest.get(len..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::input;
    use crate::ip::output::IpMeta;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn packet(src: &str, dst: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = (ip(src), ip(dst));
        let meta = IpMeta {
            src,
            dst,
            protocol,
            ttl: 64,
            tos: 0,
            flow_label: 0,
            fragment_id: None,
        };
        let mut bytes = vec![0; meta.header_len()];
        meta.emit(payload.len(), &mut bytes);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn receive(bytes: &[u8]) -> IcmpIn {
        let parsed = input::parse(bytes).expect("a packet");
        handle(&parsed, &bytes[parsed.payload_start..])
    }

    /// covers: 792-1, 1122-14, 4443-1
    #[test]
    fn echo_comes_back_as_it_was() {
        for len in [0, 1, 1472] {
            let data = vec![7; len];
            let request = Icmpv4Message::EchoRequest {
                id: 3,
                seq: 4,
                data: &data,
            };
            let mut bytes = vec![0; request.message_len()];
            request.emit(&mut bytes);
            let IcmpIn::Echo(reply) = receive(&packet("10.0.0.2", "10.0.0.1", 1, &bytes)) else {
                panic!("an answer");
            };
            assert_eq!((reply.src, reply.dst), (ip("10.0.0.1"), ip("10.0.0.2")));
            let parsed = Icmpv4Message::parse(&reply.bytes);
            assert_eq!(
                parsed,
                Ok(Icmpv4Message::EchoReply {
                    id: 3,
                    seq: 4,
                    data: &data
                })
            );
            bytes[len / 2 + 4] ^= 1;
            let damaged = receive(&packet("10.0.0.2", "10.0.0.1", 1, &bytes));
            assert!(matches!(damaged, IcmpIn::Drop(DropReason::BadIcmp)));
        }
    }

    /// covers: 9293-MUST-54, 9293-MUST-56
    #[test]
    fn an_error_about_a_segment_names_its_flow() {
        let quoted = [
            0x9c, 0x41, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0,
        ];
        for (src, dst, protocol) in [("10.0.0.1", "10.0.0.2", 6), ("fd00::1", "fd00::2", 6)] {
            let sent = packet(src, dst, protocol, &quoted);
            let error = error_about(Problem::HostUnreachable, &sent, ip(dst)).expect("allowed");
            let bytes = packet(dst, src, error.protocol, &error.bytes);
            let IcmpIn::Error(error) = receive(&bytes) else {
                panic!("an error")
            };
            assert_eq!(error.quoted.local, SocketAddr::new(ip(src), 40_001));
            assert_eq!(error.quoted.remote, SocketAddr::new(ip(dst), 80));
            assert_eq!((error.seq, error.protocol), (SeqNum::new(9), 6));
            assert_eq!(error.kind, IcmpKind::Soft(SoftError::HostUnreachable));
        }
    }

    /// covers: 1122-11, 4443-2
    #[test]
    fn nothing_is_said_about_errors_or_to_many() {
        let about = |bytes: &[u8], source| error_about(Problem::PortUnreachable, bytes, ip(source));
        let first = packet("10.0.0.2", "10.0.0.1", 17, &[0; 12]);
        let error = about(&first, "10.0.0.1").expect("allowed");
        let answer = packet("10.0.0.1", "10.0.0.2", error.protocol, &error.bytes);
        assert!(about(&answer, "10.0.0.2").is_none(), "about an error");
        for (src, dst) in [("10.0.0.2", "224.0.0.1"), ("0.0.0.0", "10.0.0.1")] {
            assert!(
                about(&packet(src, dst, 17, &[0; 12]), "10.0.0.1").is_none(),
                "{src} {dst}"
            );
        }
        let first = packet("fd00::2", "fd00::1", 17, &[0; 3000]);
        let error = about(&first, "fd00::1").expect("allowed");
        assert_eq!(error.bytes.len() + 40, 1280);
        let answer = packet("fd00::1", "fd00::2", error.protocol, &error.bytes);
        assert!(about(&answer, "fd00::2").is_none(), "about an error");
    }
}
