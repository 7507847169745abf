extern crate std;

use super::{
    ALL_MLDV2_ROUTERS, ALL_NODES, MldEnvelope, MldMessage, MldQuery, MldRecord, MldRecords,
    ROUTER_ALERT, code_of, has_router_alert, record, value_of,
};
use crate::ipv6::Ipv6Header;
use crate::{ParseError, extension, protocol};
use core::net::Ipv6Addr;
use proptest::prelude::*;
use std::vec::Vec;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff12, 0x3456);
const ANY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

fn envelope(src: Ipv6Addr, dst: Ipv6Addr) -> MldEnvelope {
    MldEnvelope {
        src,
        dst,
        hop_limit: 1,
        router_alert: true,
    }
}

fn bytes_of(message: &MldMessage<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let mut bytes = std::vec![0xee; message.message_len()];
    assert_eq!(message.emit(src, dst, &mut bytes), bytes.len());
    bytes
}

fn query(is_v1: bool) -> MldMessage<'static> {
    MldMessage::Query(MldQuery {
        is_v1,
        group: ANY,
        max_response_ms: 10_000,
        robustness: if is_v1 { 0 } else { 2 },
        interval_s: if is_v1 { 0 } else { 125 },
    })
}

#[test]
fn messages_come_back_as_they_were() {
    let mut records = [0; 40];
    for (at, kind) in [record::TO_EXCLUDE, record::TO_INCLUDE]
        .into_iter()
        .enumerate()
    {
        MldRecord { kind, group: GROUP }.emit(&mut records[at * 20..]);
    }
    let records = MldRecords::parse(&records, 2).unwrap();
    let (group, done) = (GROUP, MldMessage::Done { group: GROUP });
    let cases = [
        (query(true), 24, ALL_NODES),
        (query(false), 28, ALL_NODES),
        (MldMessage::ReportV1 { group }, 24, GROUP),
        (done, 24, super::ALL_ROUTERS),
        (MldMessage::Report { records }, 48, ALL_MLDV2_ROUTERS),
    ];
    for (message, len, dst) in cases {
        let bytes = bytes_of(&message, ROUTER, dst);
        assert_eq!(bytes.len(), len);
        assert_eq!(
            MldMessage::parse(&bytes, &envelope(ROUTER, dst)),
            Ok(message)
        );
        for cut in 0..bytes.len() {
            let short = MldMessage::parse(&bytes[..cut], &envelope(ROUTER, dst));
            assert!(short.is_err(), "{cut} octets of {message:?}");
        }
    }
    let kinds: Vec<u8> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [4, 3]);
}

/// RFC 3810 section 6.2. covers: 8504-4
#[test]
fn a_query_is_from_a_router_of_this_link() {
    let bytes = bytes_of(&query(false), ROUTER, ALL_NODES);
    let good = envelope(ROUTER, ALL_NODES);
    let error = |wrong: MldEnvelope| MldMessage::parse(&bytes, &wrong).unwrap_err();
    let far = MldEnvelope {
        hop_limit: 64,
        ..good
    };
    assert_eq!(error(far), ParseError::BadHopLimit);
    let silent = MldEnvelope {
        router_alert: false,
        ..good
    };
    assert_eq!(error(silent), ParseError::BadOption);
    let elsewhere = envelope(ROUTER, GROUP);
    assert_eq!(error(elsewhere), ParseError::BadChecksum);
    for src in [ANY, Ipv6Addr::LOCALHOST] {
        let bytes = bytes_of(&query(false), src, ALL_NODES);
        let error = MldMessage::parse(&bytes, &envelope(src, ALL_NODES));
        assert_eq!(error, Err(ParseError::BadAddress));
    }
    let report = MldMessage::ReportV1 { group: GROUP };
    let bytes = bytes_of(&report, ANY, GROUP);
    assert_eq!(MldMessage::parse(&bytes, &envelope(ANY, GROUP)), Ok(report));
}

#[test]
fn large_numbers_are_coded() {
    // RFC 3810 sections 5.1.3 and 5.1.9.
    assert_eq!(value_of::<12>(0x7fff), 0x7fff);
    assert_eq!(value_of::<12>(0x8000), 0x1000 << 3);
    assert_eq!(value_of::<12>(0xffff), 0x1fff << 10);
    assert_eq!(value_of::<4>(127), 127);
    assert_eq!(value_of::<4>(0xff), 0x1f << 10);
    assert_eq!(code_of::<12>(u32::MAX), 0xffff, "the longest");
    for code in 0..=0xffff {
        assert_eq!(code_of::<12>(value_of::<12>(code)), code);
    }
    for code in 0..=0xff {
        assert_eq!(code_of::<4>(value_of::<4>(code)), code);
    }
}

#[test]
fn sources_and_auxiliary_data_are_passed_over() {
    let mut bytes = [0; 20 + 4 + 16 + 20];
    MldRecord {
        kind: record::IS_EXCLUDE,
        group: GROUP,
    }
    .emit(&mut bytes);
    (bytes[1], bytes[3]) = (1, 1);
    MldRecord {
        kind: record::TO_INCLUDE,
        group: ROUTER,
    }
    .emit(&mut bytes[40..]);
    let records = MldRecords::parse(&bytes, 2).unwrap();
    let kinds: Vec<u8> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [2, 3]);
    bytes[41] = 1;
    let error = MldRecords::parse(&bytes, 2);
    assert_eq!(error, Err(ParseError::Truncated));
}

#[test]
fn the_router_alert_is_found_where_it_may_stand() {
    let header = Ipv6Header {
        src: ROUTER,
        dst: ALL_NODES,
        next_header: protocol::HOP_BY_HOP,
        hop_limit: 1,
        traffic_class: 0,
        flow_label: 0,
        payload_len: 0,
    };
    let packet = |options: &[u8; 8]| {
        let mut packet = [0; 48];
        header.emit(8, &mut packet);
        packet[40..].copy_from_slice(options);
        packet
    };
    let ours = packet(&ROUTER_ALERT);
    let parsed = Ipv6Header::parse(&ours).unwrap();
    let upper = extension::walk(&ours, &parsed).unwrap();
    assert_eq!((upper.protocol, upper.offset), (protocol::ICMPV6, 48));
    assert!(has_router_alert(&ours));
    assert!(has_router_alert(&packet(&[58, 0, 1, 0, 5, 2, 0, 0])));
    assert!(has_router_alert(&packet(&[58, 0, 0, 0, 5, 2, 0, 0])));
    assert!(
        !has_router_alert(&packet(&[58, 0, 5, 2, 0, 1, 1, 0])),
        "for others"
    );
    assert!(!has_router_alert(&packet(&[58, 0, 1, 4, 0, 0, 0, 0])));
    let mut without = ours;
    without[6] = protocol::ICMPV6;
    assert!(!has_router_alert(&without));
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = has_router_alert(&bytes);
        for kind in [130, 131, 132, 143] {
            let mut message = bytes.clone();
            if message.len() < 4 {
                break;
            }
            message[0] = kind;
            message[2..4].fill(0);
            crate::icmpv6::fill_checksum(&mut message, ROUTER, GROUP);
            if let Ok(parsed) = MldMessage::parse(&message, &envelope(ROUTER, GROUP)) {
                let again = bytes_of(&parsed, ROUTER, GROUP);
                prop_assert_eq!(MldMessage::parse(&again, &envelope(ROUTER, GROUP)), Ok(parsed));
            }
        }
    }
}
