//! Groups are reported to multicast routers (RFC 3810).

use core::net::Ipv6Addr;
use core::time::Duration;

use synfin_core::wire::ethernet::ethertype;
use synfin_core::wire::mld::{
    ALL_MLDV2_ROUTERS, MldEnvelope, MldMessage, MldQuery, ROUTER_ALERT, has_router_alert, record,
};
use synfin_core::wire::ndp::solicited_node;
use synfin_core::wire::{Ipv6Header, MacAddress, protocol};
use synfin_core::{DropReason, Ipv6Config};

use super::advertised::{ROUTER, ROUTER_MAC};
use super::link::{ALL_NODES, Link, OWN_V6, Sent, frame, s, v6};

fn query(hop_limit: u8, alert: bool) -> Vec<u8> {
    let message = MldMessage::Query(MldQuery {
        is_v1: false,
        group: Ipv6Addr::UNSPECIFIED,
        max_response_ms: 2000,
        robustness: 2,
        interval_s: 125,
    });
    let mut body = if alert { ROUTER_ALERT.to_vec() } else { vec![] };
    let start = body.len();
    body.resize(start + message.message_len(), 0);
    message.emit(ROUTER, ALL_NODES, &mut body[start..]);
    let next = if alert {
        protocol::HOP_BY_HOP
    } else {
        protocol::ICMPV6
    };
    let packet = v6(ROUTER, ALL_NODES, hop_limit, next, &body);
    let to = MacAddress::of_ipv6_multicast(ALL_NODES);
    frame(to, ROUTER_MAC, ethertype::IPV6, &packet)
}

/// Source, kind and group of each record of a report.
fn report(sent: &Sent) -> Option<Vec<(Ipv6Addr, u8, Ipv6Addr)>> {
    let header = Ipv6Header::parse(&sent.payload).ok()?;
    (header.next_header == protocol::HOP_BY_HOP).then(|| {
        assert_eq!(header.dst, ALL_MLDV2_ROUTERS);
        assert_eq!(
            sent.header.dst,
            MacAddress::of_ipv6_multicast(ALL_MLDV2_ROUTERS)
        );
        let envelope = MldEnvelope {
            src: header.src,
            dst: header.dst,
            hop_limit: header.hop_limit,
            router_alert: has_router_alert(&sent.payload),
        };
        let message = MldMessage::parse(&sent.payload[48..], &envelope);
        let Ok(MldMessage::Report { records }) = message else {
            panic!("{message:?}");
        };
        let of = |one: synfin_core::wire::mld::MldRecord| (header.src, one.kind, one.group);
        records.iter().map(of).collect()
    })
}

fn reports(sent: &[(Duration, Sent)]) -> Vec<(Ipv6Addr, u8, Ipv6Addr)> {
    let reports = sent.iter().filter_map(|(_, frame)| report(frame));
    reports.flatten().collect()
}

/// covers: 8504-4
#[test]
fn a_group_is_reported_when_it_is_joined_asked_for_and_left() {
    let mut link = Link::with_ipv6(Ipv6Config::default());
    link.stack.add_address(link.device, OWN_V6.into(), 64);
    let joined = reports(&link.pass(s(5)));
    let own = link.link_local();
    let groups = [solicited_node(own), solicited_node(OWN_V6)];
    for group in groups {
        let told = joined.iter().filter(|(_, _, of)| *of == group);
        assert!(told.clone().count() >= 2, "{joined:?}");
        let kinds: Vec<u8> = told.map(|(_, kind, _)| *kind).collect();
        assert!(kinds.iter().all(|kind| *kind == record::TO_EXCLUDE));
    }
    let sources: Vec<Ipv6Addr> = joined.iter().map(|(src, _, _)| *src).collect();
    assert_eq!(sources.first(), Some(&Ipv6Addr::UNSPECIFIED));
    assert_eq!(sources.last(), Some(&own), "as soon as there is an address");

    link.inject(&query(1, true));
    let answer = reports(&link.pass(s(2)));
    assert_eq!(answer.len(), 2, "{answer:?}");
    assert!(
        answer
            .iter()
            .all(|(_, kind, _)| *kind == record::IS_EXCLUDE)
    );
    assert_eq!(link.stack.counters().listener_queries_in, 1);

    link.stack.remove_address(OWN_V6.into());
    let left = reports(&link.pass(s(5)));
    let end = (own, record::TO_INCLUDE, groups[1]);
    assert_eq!(left, [end, end]);
}

/// covers: 8504-4
#[test]
fn a_query_from_elsewhere_is_not_answered() {
    for (hop_limit, alert) in [(64, true), (1, false)] {
        let mut link = Link::with_ipv6(Ipv6Config::default());
        link.pass(s(5));
        link.inject(&query(hop_limit, alert));
        assert_eq!(link.dropped(DropReason::BadListenerMessage), 1);
        assert!(reports(&link.pass(s(3))).is_empty());
    }
}

#[test]
fn where_reports_are_off_a_query_is_not_answered() {
    let mut link = Link::new();
    link.inject(&query(1, true));
    assert!(link.pass(s(100)).is_empty());
}
