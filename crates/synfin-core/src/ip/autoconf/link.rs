//! What routers say of the link itself: MTU, hop limit, times of neighbours (RFC 4861 section
//! 6.3.4).

use core::ops::RangeInclusive;
use core::time::Duration;

use synfin_wire::ndp::RouterAdvertisement;

use crate::ip::autoconf::Ipv6Event;
use crate::time::Instant;

/// The least MTU of a link (RFC 8200 section 5).
const MTU_MIN: u32 = 1280;

/// A change of the MTU looks at all connections, so a router gets it this often and no oftener.
const MTU_CHANGES_APART: Duration = Duration::from_secs(10);

/// `REACHABLE_TIME` and `RETRANS_TIMER` until a router says otherwise.
const REACHABLE_TIME: Duration = Duration::from_secs(30);
const RETRANS_TIMER: Duration = Duration::from_secs(1);

/// Milliseconds that are believed: the most that a router may say (RFC 4861 section 6.2.1), and
/// what keeps us from flooding the link or waiting for ever.
const REACHABLE_MS: RangeInclusive<u32> = 1_000..=3_600_000;
const RETRANS_MS: RangeInclusive<u32> = 100..=60_000;

/// The parameters of a link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    device_mtu: u32,
    mtu: u32,
    wanted_mtu: Option<u32>,
    mtu_settled_until: Option<Instant>,
    hop_limit: Option<u8>,
    hop_limit_min: u8,
    reachable: Duration,
    pub(super) retransmit: Duration,
}

impl Link {
    pub(super) const fn new(device_mtu: u32, hop_limit_min: u8) -> Self {
        Self {
            device_mtu,
            mtu: device_mtu,
            wanted_mtu: None,
            mtu_settled_until: None,
            hop_limit: None,
            hop_limit_min,
            reachable: REACHABLE_TIME,
            retransmit: RETRANS_TIMER,
        }
    }

    /// The device takes packets of so many octets from here on; what a router said of more is
    /// void.
    pub(super) fn set_device_mtu(&mut self, mtu: u32) {
        self.device_mtu = mtu;
        self.mtu = self.mtu.min(mtu);
        self.wanted_mtu = None;
    }

    /// Takes the fixed part of an advertisement. covers: 4861-8
    pub(super) fn on_advertised(
        &mut self,
        router: &RouterAdvertisement,
        mut tell: impl FnMut(Ipv6Event),
    ) {
        let hop_limit = router.hop_limit;
        let acceptable = hop_limit != 0 && hop_limit >= self.hop_limit_min;
        if acceptable && self.hop_limit != Some(hop_limit) {
            self.hop_limit = Some(hop_limit);
            tell(Ipv6Event::HopLimit { hop_limit });
        }
        let ms = |value: u32| Duration::from_millis(u64::from(value));
        let before = (self.reachable, self.retransmit);
        if REACHABLE_MS.contains(&router.reachable_time) {
            self.reachable = ms(router.reachable_time);
        }
        if RETRANS_MS.contains(&router.retransmit_timer) {
            self.retransmit = ms(router.retransmit_timer);
        }
        if before != (self.reachable, self.retransmit) {
            tell(Ipv6Event::NeighborTimes {
                reachable: self.reachable,
                retransmit: self.retransmit,
            });
        }
    }

    /// Takes the MTU option. covers: 4861-8
    pub(super) fn on_mtu(&mut self, mtu: u32) {
        let acceptable = (MTU_MIN..=self.device_mtu).contains(&mtu);
        if acceptable {
            self.wanted_mtu = (mtu != self.mtu).then_some(mtu);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.wanted_mtu?;
        Some(self.mtu_settled_until.unwrap_or(Instant::START))
    }

    /// The new MTU, if it is time for it.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Ipv6Event> {
        if self.mtu_settled_until.is_some_and(|until| until > now) {
            return None;
        }
        self.mtu = self.wanted_mtu.take()?;
        self.mtu_settled_until = Some(now + MTU_CHANGES_APART);
        Some(Ipv6Event::LinkMtu { mtu: self.mtu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    /// covers: 4861-8
    #[test]
    fn an_mtu_between_1280_and_that_of_the_device_is_taken() {
        let mut link = Link::new(1500, 32);
        for refused in [0, 1279, 1501, u32::MAX, 1500] {
            link.on_mtu(refused);
            assert_eq!(link.handle_timeout(at(1)), None, "{refused}");
        }
        link.on_mtu(1280);
        let event = link.handle_timeout(at(1));
        assert_eq!(event, Some(Ipv6Event::LinkMtu { mtu: 1280 }));
        link.set_device_mtu(9000);
        link.on_mtu(9000);
        assert_eq!(link.deadline(), Some(at(11)));
        let event = link.handle_timeout(at(11));
        assert_eq!(event, Some(Ipv6Event::LinkMtu { mtu: 9000 }));
    }

    /// covers: ATT-70
    #[test]
    fn a_router_that_wavers_moves_nothing_but_once_in_ten_seconds() {
        let mut link = Link::new(1500, 32);
        let mut changes = 0;
        for ms in 0..20_000 {
            link.on_mtu(1280 + ms % 200);
            let now = Instant::from_nanos(u64::from(ms) * 1_000_000);
            changes += u32::from(link.handle_timeout(now).is_some());
        }
        assert_eq!(changes, 2);
        link.on_mtu(link.mtu);
        assert_eq!(link.deadline(), None, "it is as it is");
    }

    /// covers: 4861-8
    #[test]
    fn zero_says_nothing_and_nonsense_neither() {
        let mut link = Link::new(1500, 32);
        let mut events = Vec::new();
        let mut take = |hop_limit, reachable_time, retransmit_timer| {
            let router = RouterAdvertisement {
                hop_limit,
                reachable_time,
                retransmit_timer,
                ..RouterAdvertisement::default()
            };
            events.clear();
            link.on_advertised(&router, |event| events.push(event));
            events.clone()
        };
        assert_eq!(take(0, 0, 0), []);
        assert_eq!(take(1, 3_600_001, 1), []);
        assert_eq!(take(31, 999, u32::MAX), []);
        let (reachable, retransmit) = (Duration::from_secs(20), Duration::from_millis(500));
        let expected = [
            Ipv6Event::HopLimit { hop_limit: 100 },
            Ipv6Event::NeighborTimes {
                reachable,
                retransmit,
            },
        ];
        assert_eq!(take(100, 20_000, 500), expected);
        assert_eq!(take(100, 20_000, 500), [], "nothing new");
        assert_eq!(take(0, 0, 0), [], "what was said before holds");
    }
}
