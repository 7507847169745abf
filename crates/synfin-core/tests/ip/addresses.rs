//! Addresses that nobody has who sends a packet, or to which nobody sends one alone.

use core::net::IpAddr;

use synfin_core::wire::icmpv4::Icmpv4Message;
use synfin_core::wire::icmpv6::Icmpv6Message;
use synfin_core::wire::protocol;
use synfin_core::{DropReason, ListenAddr, ListenOptions, State};

use crate::support::parts::Part;
use crate::support::wire::ip;
use crate::support::{Peer, Setup, Stage};
use crate::{echo, host, icmp_of};

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

const NOBODY_V4: [&str; 7] = [
    "224.0.0.1",
    "255.255.255.255",
    "10.0.0.255",
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "240.0.0.1",
];

const NOBODY_V6: [&str; 5] = ["ff02::1", "ff0e::5", "::1", "::", "::ffff:10.0.0.2"];

fn nobody(v6: bool) -> Vec<IpAddr> {
    let all = if v6 { &NOBODY_V6[..] } else { &NOBODY_V4 };
    all.iter().map(|text| addr(text)).collect()
}

/// Multicast, broadcast, loopback, unspecified, reserved and mapped addresses, as the source and as
/// the destination of TCP: nothing is answered and nothing changes, even where a listener takes
/// connections to any address. The packet in parts is refused part by part.
/// covers: ATT-72, ATT-74, 1122-3, 1122-4
#[test]
fn tcp_with_an_address_of_nobody() {
    for v6 in [false, true] {
        for stage in [Stage::Closed, Stage::Listen, Stage::Established] {
            for foreign in [false, true] {
                let mut peer = Peer::reach(
                    Setup {
                        v6,
                        ..Setup::default()
                    },
                    stage,
                );
                if foreign {
                    let options = ListenOptions {
                        foreign: true,
                        ..ListenOptions::default()
                    };
                    let any = ListenAddr {
                        addr: None,
                        port: None,
                    };
                    let listened = peer.stack.listen(any, options);
                    listened.expect("nobody has it");
                }
                let (own, other) = (peer.local, peer.remote);
                for strange in nobody(v6) {
                    for (src, dst) in [
                        (strange, own.ip()),
                        (other.ip(), strange),
                        (strange, strange),
                        (own.ip(), own.ip()),
                    ] {
                        // 240/4 is nobody's source; as a destination it is somebody else's.
                        if foreign && dst == strange && src == other.ip() && is_foreign(dst) {
                            continue;
                        }
                        for segment in ["{SYN seq=0}", "{. seq=R ack=N len=5}", "{RST seq=R}"] {
                            peer.remote.set_ip(src);
                            peer.local.set_ip(dst);
                            let packet = peer.build(segment);
                            let parts = crate::support::parts::cut(&packet, 1, &[]);
                            assert_eq!(peer.answers(&[packet]), [], "{src} to {dst}");
                            if !v6 {
                                assert_eq!(peer.answers(&parts), [], "{src} to {dst}");
                            }
                        }
                    }
                }
                (peer.local, peer.remote) = (own, other);
                peer.is(stage.state());
                assert_eq!(peer.stack.totals()[State::SynReceived], 0);
            }
        }
    }
}

/// What a gateway takes connections to.
fn is_foreign(dst: IpAddr) -> bool {
    matches!(dst, IpAddr::V4(dst) if dst.octets()[0] == 240)
}

/// Parts from nobody, or for nobody, are not kept.
/// covers: ATT-72, ATT-74
#[test]
fn parts_with_an_address_of_nobody() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        for strange in nobody(v6) {
            for (src, dst) in [(strange, peer.local.ip()), (peer.remote.ip(), strange)] {
                let part = Part {
                    src,
                    dst,
                    protocol: protocol::UDP,
                    id: 1,
                    offset: 0,
                    more: true,
                };
                peer.deliver(&[part.packet(&[0; 64])]);
                assert_eq!(peer.stack.buffer_bytes(), 0, "{src} to {dst}");
                assert_eq!(peer.stack.poll_timeout(), None);
            }
        }
    }
}

/// Pings from and to such addresses; among them the broadcast that once made whole networks answer.
/// covers: ATT-73, ATT-74, 1122-14
#[test]
fn echoes_of_nobody() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let good = echo(&peer, 56);
        assert_eq!(peer.answers(&[good]).len(), 1);
        let (own, other) = (peer.local, peer.remote);
        for strange in nobody(v6) {
            for (src, dst) in [(strange, own.ip()), (other.ip(), strange)] {
                peer.local.set_ip(dst);
                peer.remote.set_ip(src);
                let request = echo(&peer, 56);
                assert_eq!(peer.answers(&[request]), [], "{src} to {dst}");
            }
        }
        assert_eq!(peer.stack.counters().icmp_echo, 1);
    }
}

/// A router that is none says where a better one is: nobody listens, and the connection goes on.
/// covers: ATT-71, 1122-18
#[test]
fn a_forged_redirect() {
    for v6 in [false, true] {
        let mut peer = Peer::open(Setup {
            v6,
            ..Setup::default()
        });
        peer.write(100);
        let sent = peer.sent();
        assert_eq!(sent.len(), 1);
        let quote = ip(
            peer.local.ip(),
            peer.remote.ip(),
            protocol::TCP,
            &sent[0].payload,
        );
        for code in 0..4 {
            let message = match (peer.remote.ip(), peer.local.ip()) {
                (IpAddr::V6(src), IpAddr::V6(dst)) => {
                    // Target and destination, and no option.
                    let body = [&[0; 4][..], &src.octets(), &src.octets()].concat();
                    let redirect = Icmpv6Message::Unknown {
                        kind: 137,
                        code,
                        body: &body,
                    };
                    let mut octets = vec![0; redirect.message_len()];
                    redirect.emit(src, dst, &mut octets);
                    octets
                }
                _ => {
                    let redirect = Icmpv4Message::Redirect {
                        code,
                        gateway: "10.0.0.66".parse().expect("an address"),
                        quote: &quote,
                    };
                    let mut octets = vec![0; redirect.message_len()];
                    redirect.emit(&mut octets);
                    octets
                }
            };
            let packet = ip(peer.remote.ip(), peer.local.ip(), icmp_of(&peer), &message);
            assert_eq!(peer.answers(&[packet]), []);
        }
        assert_eq!(peer.dropped(DropReason::IgnoredIcmp), 4);
        peer.expect("{. seq=1 ack=101}", "");
        peer.is(State::Established);
    }
}
