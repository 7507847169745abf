//! What a device sends to configure itself, as messages and as octets.

use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

use synfin_wire::mld::{self, MldMessage, MldRecord, MldRecords};
use synfin_wire::ndp::{self, NdpMessage, NdpOption, NdpOptions, solicited_node};
use synfin_wire::{MacAddress, protocol};

use crate::ip::autoconf::mld::Report;
use crate::ip::icmp::IcmpMessage;
use crate::link::discovery;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Does anybody use this address?
    Probe { target: Ipv6Addr, nonce: [u8; 6] },
    /// Is there a router? From nowhere while there is no address.
    RouterSolicitation { src: Option<Ipv6Addr> },
    /// What is listened to. From nowhere while there is no address.
    Report {
        src: Option<Ipv6Addr>,
        report: Report,
    },
}

impl Outgoing {
    pub(crate) const fn hop_limit(&self) -> u8 {
        match self {
            Self::Probe { .. } | Self::RouterSolicitation { .. } => ndp::HOP_LIMIT,
            Self::Report { .. } => mld::HOP_LIMIT,
        }
    }

    /// The octets behind the IP header; `own` is the station that sends them.
    pub(crate) fn to_icmp(&self, own: MacAddress) -> IcmpMessage {
        match self {
            Self::Probe { target, nonce } => {
                let (src, dst) = (Ipv6Addr::UNSPECIFIED, solicited_node(*target));
                with_option(Some(NdpOption::Nonce(nonce)), |options| {
                    let target = *target;
                    discovery::icmp(
                        src,
                        dst,
                        &NdpMessage::NeighborSolicitation { target, options },
                    )
                })
            }
            Self::RouterSolicitation { src } => {
                let option = src.map(|_| NdpOption::SourceLinkAddress(own));
                with_option(option, |options| {
                    let src = src.unwrap_or(Ipv6Addr::UNSPECIFIED);
                    let message = NdpMessage::RouterSolicitation { options };
                    discovery::icmp(src, mld::ALL_ROUTERS, &message)
                })
            }
            Self::Report { src, report } => {
                let src = src.unwrap_or(Ipv6Addr::UNSPECIFIED);
                match report {
                    Report::Records(records) => report_v2(src, records),
                    Report::Listens(group) => {
                        let message = MldMessage::ReportV1 { group: *group };
                        listener(src, *group, &message)
                    }
                    Report::Done(group) => {
                        let message = MldMessage::Done { group: *group };
                        listener(src, mld::ALL_ROUTERS, &message)
                    }
                }
            }
        }
    }
}

fn with_option<R>(option: Option<NdpOption<'_>>, build: impl FnOnce(NdpOptions<'_>) -> R) -> R {
    let mut bytes = [0; 8];
    let len = option.map_or(0, |option| option.emit(&mut bytes));
    // One whole option is an option.
    build(NdpOptions::parse(&bytes[..len]).unwrap_or_default())
}

fn report_v2(src: Ipv6Addr, records: &[MldRecord]) -> IcmpMessage {
    let mut bytes: Vec<u8> = vec![0; records.len() * mld::RECORD_LEN];
    for (record, at) in records.iter().zip(bytes.chunks_exact_mut(mld::RECORD_LEN)) {
        record.emit(at);
    }
    // Reports are cut to less than 2^16 records long before.
    let records = MldRecords::parse(&bytes, records.len() as u16).unwrap_or_default();
    listener(src, mld::ALL_MLDV2_ROUTERS, &MldMessage::Report { records })
}

fn listener(src: Ipv6Addr, dst: Ipv6Addr, message: &MldMessage<'_>) -> IcmpMessage {
    let start = mld::ROUTER_ALERT.len();
    let mut bytes = vec![0; start + message.message_len()];
    bytes[..start].copy_from_slice(&mld::ROUTER_ALERT);
    message.emit(src, dst, &mut bytes[start..]);
    IcmpMessage {
        src: src.into(),
        dst: dst.into(),
        protocol: protocol::HOP_BY_HOP,
        bytes,
        sent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use synfin_wire::mld::{MldEnvelope, record};
    use synfin_wire::ndp::NdpEnvelope;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    fn addresses(message: &IcmpMessage) -> (Ipv6Addr, Ipv6Addr) {
        match (message.src, message.dst) {
            (core::net::IpAddr::V6(src), core::net::IpAddr::V6(dst)) => (src, dst),
            other => panic!("{other:?}"),
        }
    }

    /// covers: 4862-1
    #[test]
    fn a_probe_comes_from_nowhere_and_goes_to_whoever_may_have_the_address() {
        let target = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12ab, 0xcdef);
        let nonce = [1, 2, 3, 4, 5, 6];
        let probe = Outgoing::Probe { target, nonce };
        let message = probe.to_icmp(OWN);
        let (src, dst) = addresses(&message);
        assert_eq!(src, Ipv6Addr::UNSPECIFIED);
        assert_eq!(dst.to_string(), "ff02::1:ffab:cdef");
        let hop_limit = probe.hop_limit();
        let parsed = NdpMessage::parse(
            &message.bytes,
            &NdpEnvelope {
                src,
                dst,
                hop_limit,
            },
        );
        let Ok(NdpMessage::NeighborSolicitation {
            target: asked,
            options,
        }) = parsed
        else {
            panic!("{parsed:?}");
        };
        assert_eq!((asked, options.nonce()), (target, Some(&nonce[..])));
        assert_eq!(options.source_link_address(), None);
    }

    /// covers: 4861-9
    #[test]
    fn a_router_solicitation_names_its_station_when_it_has_an_address() {
        for src in [None, Some(LINK_LOCAL)] {
            let solicitation = Outgoing::RouterSolicitation { src };
            let message = solicitation.to_icmp(OWN);
            let (from, dst) = addresses(&message);
            assert_eq!(dst, mld::ALL_ROUTERS);
            let envelope = NdpEnvelope {
                src: from,
                dst,
                hop_limit: 255,
            };
            let parsed = NdpMessage::parse(&message.bytes, &envelope).expect("a good one");
            let names = parsed.options().source_link_address();
            assert_eq!(names, src.map(|_| OWN));
        }
    }

    /// covers: 8504-4
    #[test]
    fn reports_go_to_routers_behind_a_router_alert() {
        let group = solicited_node(LINK_LOCAL);
        let records = vec![MldRecord {
            kind: record::TO_EXCLUDE,
            group,
        }];
        let cases = [
            (Report::Records(records), "ff02::16"),
            (Report::Listens(group), "ff02::1:ff00:1"),
            (Report::Done(group), "ff02::2"),
        ];
        for (report, to) in cases {
            let src = Some(LINK_LOCAL);
            let outgoing = Outgoing::Report { src, report };
            let message = outgoing.to_icmp(OWN);
            let (src, dst) = addresses(&message);
            assert_eq!(message.protocol, protocol::HOP_BY_HOP);
            assert_eq!(dst.to_string(), to);
            let envelope = MldEnvelope {
                src,
                dst,
                hop_limit: outgoing.hop_limit(),
                router_alert: true,
            };
            let parsed = MldMessage::parse(&message.bytes[8..], &envelope);
            assert!(parsed.is_ok(), "{parsed:?}");
        }
    }
}
