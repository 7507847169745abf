//! How long parts wait, and what is said when the rest does not come.

use core::net::IpAddr;

use synfin_core::DropReason;
use synfin_core::wire::protocol;

use crate::support::wire::ip;
use crate::support::{ms, s};
use crate::{host, part, part_of};

const BEFORE: core::time::Duration = core::time::Duration::from_nanos(59_999_999_999);

/// A minute after the first part that came, whichever it is, the datagram is given up; its sender
/// hears of it if its first part is there to be quoted.
/// covers: 792-1, 1122-9, 8200-6
#[test]
fn sixty_seconds_from_the_first_arrival() {
    for v6 in [false, true] {
        for (offsets, told) in [([0, 64], true), ([64, 0], true), ([64, 128], false)] {
            let mut peer = host(v6);
            let parts = offsets.map(|offset| part(&peer, 1, offset, true, &[5; 64]));
            peer.deliver(&parts[..1]);
            assert_eq!(peer.stack.poll_timeout(), Some(peer.now + s(60)));
            assert_eq!(peer.pass(s(30)), []);
            peer.deliver(&parts[1..]);
            // The second one lengthens nothing.
            assert_eq!(peer.pass(BEFORE - s(30)), []);
            assert!(peer.stack.buffer_bytes() > 0);
            let answers = peer.pass(ms(1));
            assert_eq!(answers.len(), usize::from(told), "{offsets:?}");
            if let Some(answer) = answers.first() {
                let kind = if v6 { 3 } else { 11 };
                assert_eq!(answer.icmp(), (kind, 1, 0));
                let first = offsets.iter().position(|offset| *offset == 0);
                assert_eq!(answer.quote(), &parts[first.expect("it is there")][..]);
                assert_eq!(
                    (answer.src, answer.dst),
                    (peer.local.ip(), peer.remote.ip())
                );
            }
            assert_eq!(peer.stack.buffer_bytes(), 0);
            assert_eq!(peer.dropped(DropReason::ReassemblyTimeout), 2);
            assert_eq!(peer.stack.counters().reasm_timeouts, 1);
            assert_eq!(peer.stack.poll_timeout(), None);
        }
    }
}

/// What comes after that begins anew.
/// covers: 8200-6
#[test]
fn the_last_part_too_late() {
    for (waits, answers) in [(BEFORE, 1), (s(60), 0)] {
        let mut peer = host(false);
        let parts = crate::support::parts::cut(&crate::echo(&peer, 100), 1, &[48]);
        peer.deliver(&parts[1..]);
        peer.pass(waits);
        assert_eq!(peer.answers(&parts[..1]).len(), answers, "{waits:?}");
    }
}

/// Nothing is said of ICMP errors, nor to many.
/// covers: 1122-11, 4443-2, ATT-73
#[test]
fn no_time_exceeded_about_errors() {
    for (v6, error) in [(false, [3, 1]), (true, [1, 0])] {
        let mut peer = host(v6);
        let octets = [&error[..], &[0; 62]].concat();
        let first = part_of(&peer, crate::icmp_of(&peer), (1, 0, true), &octets);
        peer.deliver(&[first]);
        assert_eq!(peer.pass(s(61)), []);
        assert_eq!(peer.dropped(DropReason::ReassemblyTimeout), 1);
    }
}

/// Many of them at once are as many messages as may leave in a second.
/// covers: 792-3, 4443-3
#[test]
fn time_exceeded_is_limited() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        for id in 0..5000 {
            let src = match peer.remote.ip() {
                IpAddr::V4(_) => IpAddr::from([10, 9, (id / 200) as u8, (id % 200) as u8]),
                IpAddr::V6(_) => IpAddr::from([0xfd09, 0, 0, id as u16, 0, 0, 0, 1]),
            };
            peer.remote.set_ip(src);
            let first = part(&peer, id, 0, true, &[0; 64]);
            peer.deliver(&[first]);
        }
        let answers = peer.pass(s(61)).len();
        assert!((500..=1000).contains(&answers), "{answers}");
        assert!(peer.dropped(DropReason::ReplyLimit) >= 24);
    }
}

/// A datagram that is whole asks for nothing any more.
#[test]
fn a_port_where_nobody_listens_is_told_of_once_it_is_whole() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let datagram = ip(peer.remote.ip(), peer.local.ip(), protocol::UDP, &[9; 64]);
        let parts = crate::support::parts::cut(&datagram, 1, &[32]);
        assert_eq!(peer.answers(&parts[..1]), []);
        let answers = peer.answers(&parts[1..]);
        assert_eq!(answers[0].icmp(), if v6 { (1, 4, 0) } else { (3, 3, 0) });
        assert_eq!(peer.pass(s(61)), []);
    }
}
