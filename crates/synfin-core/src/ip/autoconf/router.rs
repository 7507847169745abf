//! The default router list (RFC 4861 section 6.3.6, RFC 4191 section 3.2).

use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::time::Duration;

use synfin_wire::ndp::RouterPreference;

use crate::time::Instant;

/// How long a router that did not answer is passed over, unless it shows itself (RFC 4191 section
/// 3.5: at most one probe a minute).
const AVOIDED_FOR: Duration = Duration::from_secs(60);

/// A default router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Router {
    pub(super) addr: Ipv6Addr,
    pub(super) preference: RouterPreference,
    pub(super) until: Instant,
    /// It does not answer; until then others are tried.
    avoid_until: Option<Instant>,
}

/// What an advertisement did to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Added,
    Renewed,
    Removed,
    /// It is no router, and was none.
    Nothing,
    /// There is no room for another one.
    Full,
}

/// All default routers of a device, in the order in which they were found.
#[derive(Clone, Debug)]
pub(super) struct Routers {
    list: Vec<Router>,
    most: usize,
    current: Option<Ipv6Addr>,
}

impl Routers {
    pub(super) const fn new(most: u8) -> Self {
        Self {
            list: Vec::new(),
            most: most as usize,
            current: None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Router> {
        self.list.iter()
    }

    /// The one that packets go to.
    pub(super) const fn current(&self) -> Option<Ipv6Addr> {
        self.current
    }

    /// covers: 4861-8, ATT-70
    pub(super) fn on_advertised(
        &mut self,
        now: Instant,
        addr: Ipv6Addr,
        lifetime: u16,
        preference: RouterPreference,
    ) -> Listed {
        let at = self.list.iter().position(|router| router.addr == addr);
        let until = now + Duration::from_secs(u64::from(lifetime));
        match at {
            Some(at) if lifetime == 0 => {
                self.list.remove(at);
                Listed::Removed
            }
            None if lifetime == 0 => Listed::Nothing,
            Some(at) => {
                self.list[at] = Router {
                    addr,
                    preference,
                    until,
                    // It shows itself.
                    avoid_until: None,
                };
                Listed::Renewed
            }
            // Those that were there first stay: who comes later may be anybody.
            None if self.list.len() >= self.most => Listed::Full,
            None => {
                self.list.push(Router {
                    addr,
                    preference,
                    until,
                    avoid_until: None,
                });
                Listed::Added
            }
        }
    }

    /// Takes a router off the list; tells whether it was there.
    pub(super) fn remove(&mut self, addr: Ipv6Addr) -> bool {
        let before = self.list.len();
        self.list.retain(|router| router.addr != addr);
        self.list.len() < before
    }

    /// A router did not answer neighbour unreachability detection.
    pub(super) fn on_unreachable(&mut self, now: Instant, addr: Ipv6Addr) {
        if let Some(router) = self.list.iter_mut().find(|router| router.addr == addr) {
            router.avoid_until = Some(now + AVOIDED_FOR);
        }
    }

    /// Takes one that has expired off the list.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Ipv6Addr> {
        let at = self.list.iter().position(|router| router.until <= now)?;
        Some(self.list.remove(at).addr)
    }

    /// Chooses again; the new choice if it is another one. One that answers goes before one that
    /// does not, then preference counts, and then the choice stays. covers: 4861-8
    pub(super) fn select(&mut self, now: Instant) -> Option<Option<Ipv6Addr>> {
        for router in &mut self.list {
            router.avoid_until = router.avoid_until.filter(|until| *until > now);
        }
        let rank = |router: &Router| (router.avoid_until.is_none(), router.preference);
        let best = self.list.iter().map(rank).max();
        let chosen = best.and_then(|best| {
            let usable = |router: &&Router| rank(router) == best;
            let stays = |router: &&Router| Some(router.addr) == self.current;
            let silent = !best.0;
            if silent {
                // Nobody answers: each is tried in its turn.
                return self.longest_avoided();
            }
            let mut of_best = self.list.iter().filter(usable);
            of_best.clone().find(stays).or_else(|| of_best.next())
        });
        let chosen = chosen.map(|router| router.addr);
        (chosen != self.current).then(|| {
            self.current = chosen;
            chosen
        })
    }

    fn longest_avoided(&self) -> Option<&Router> {
        self.list.iter().min_by_key(|router| router.avoid_until)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let times = |router: &Router| [Some(router.until), router.avoid_until];
        self.list.iter().flat_map(times).flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RouterPreference::{High, Low, Medium};

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn router(n: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n)
    }

    fn with(preferences: &[RouterPreference]) -> Routers {
        let mut routers = Routers::new(8);
        for (n, preference) in (1..).zip(preferences) {
            let listed = routers.on_advertised(at(1), router(n), 1800, *preference);
            assert_eq!(listed, Listed::Added);
        }
        routers
    }

    /// covers: 4861-8
    #[test]
    fn a_lifetime_of_zero_removes_and_time_does_too() {
        let mut routers = with(&[Medium, Medium]);
        assert_eq!(routers.select(at(1)), Some(Some(router(1))));
        let listed = routers.on_advertised(at(2), router(1), 0, High);
        assert_eq!(listed, Listed::Removed);
        assert_eq!(routers.select(at(2)), Some(Some(router(2))));
        let again = routers.on_advertised(at(2), router(1), 0, Medium);
        assert_eq!(again, Listed::Nothing);
        assert_eq!(routers.deadline(), Some(at(1801)));
        assert_eq!(routers.pop_expired(at(1800)), None);
        assert_eq!(routers.pop_expired(at(1801)), Some(router(2)));
        assert_eq!(routers.select(at(1801)), Some(None));
    }

    #[test]
    fn preference_counts_and_the_choice_is_steady() {
        let mut routers = with(&[Low, Medium, Medium]);
        assert_eq!(routers.select(at(1)), Some(Some(router(2))));
        assert_eq!(routers.select(at(1)), None);
        routers.on_advertised(at(2), router(2), 1800, Medium);
        assert_eq!(routers.select(at(2)), None);
        routers.on_advertised(at(3), router(3), 1800, High);
        assert_eq!(routers.select(at(3)), Some(Some(router(3))));
    }

    #[test]
    fn one_that_answers_goes_before_one_that_is_preferred() {
        let mut routers = with(&[High, Low]);
        routers.select(at(1));
        routers.on_unreachable(at(5), router(1));
        assert_eq!(routers.select(at(5)), Some(Some(router(2))));
        assert_eq!(routers.deadline(), Some(at(65)), "it is tried again");
        assert_eq!(routers.select(at(64)), None);
        assert_eq!(routers.select(at(65)), Some(Some(router(1))));
        routers.on_unreachable(at(70), router(1));
        assert_eq!(routers.select(at(70)), Some(Some(router(2))));
        routers.on_advertised(at(71), router(1), 1800, High);
        assert_eq!(routers.select(at(71)), Some(Some(router(1))));
    }

    #[test]
    fn where_nobody_answers_each_is_tried_in_its_turn() {
        let mut routers = with(&[Medium, Medium, Low]);
        assert_eq!(routers.select(at(1)), Some(Some(router(1))));
        for (second, next) in [(2, 2), (3, 3), (4, 1), (5, 2)] {
            let current = routers.current().expect("one");
            routers.on_unreachable(at(second), current);
            assert_eq!(routers.select(at(second)), Some(Some(router(next))));
        }
    }

    /// covers: ATT-70
    #[test]
    fn a_flood_does_not_drive_out_those_that_were_there() {
        let mut routers = with(&[Low]);
        for n in 2..10_000 {
            routers.on_advertised(at(2), router(n), 9000, High);
        }
        assert_eq!(routers.iter().count(), 8);
        assert_eq!(routers.iter().next().map(|r| r.addr), Some(router(1)));
    }
}
