//! ICMP errors about what the stack emitted last.

use core::net::IpAddr;

use synfin_core::wire::icmpv4::Icmpv4Message;
use synfin_core::wire::icmpv6::Icmpv6Message;
use synfin_core::wire::protocol;

use super::Peer;
use super::wire::ip;

impl Peer {
    /// An ICMPv4 error of this type, code and MTU.
    pub(crate) fn icmp4(&mut self, kind: u8, code: u8, next_hop_mtu: u16) {
        let packet = self.last_packet.clone();
        let quote = &packet[..packet.len().min(28)];
        let message = match kind {
            3 => Icmpv4Message::DestinationUnreachable {
                code,
                next_hop_mtu,
                quote,
            },
            4 => Icmpv4Message::SourceQuench { quote },
            11 => Icmpv4Message::TimeExceeded { code, quote },
            12 => Icmpv4Message::ParameterProblem {
                code,
                pointer: 0,
                quote,
            },
            _ => panic!("not an error: {kind}"),
        };
        let mut bytes = vec![0; message.message_len()];
        message.emit(&mut bytes);
        bytes[2] ^= u8::from(self.corrupt_icmp);
        let router = "10.0.0.254".parse().expect("an address");
        let bytes = ip(router, self.local.ip(), protocol::ICMP, &bytes);
        self.deliver(&[bytes]);
    }

    /// An ICMPv6 error of this type, code and MTU.
    pub(crate) fn icmp6(&mut self, kind: u8, code: u8, mtu: u32) {
        let packet = self.last_packet.clone();
        let quote = &packet[..packet.len().min(1000)];
        let message = match kind {
            1 => Icmpv6Message::DestinationUnreachable { code, quote },
            2 => Icmpv6Message::PacketTooBig { mtu, quote },
            3 => Icmpv6Message::TimeExceeded { code, quote },
            4 => Icmpv6Message::ParameterProblem {
                code,
                pointer: 0,
                quote,
            },
            _ => panic!("not an error: {kind}"),
        };
        let router = "fd00::fe".parse().expect("an address");
        let IpAddr::V6(local) = self.local.ip() else {
            panic!("an IPv6 connection");
        };
        let mut bytes = vec![0; message.message_len()];
        message.emit(router, local, &mut bytes);
        bytes[2] ^= u8::from(self.corrupt_icmp);
        let bytes = ip(router.into(), local.into(), protocol::ICMPV6, &bytes);
        self.deliver(&[bytes]);
    }
}
