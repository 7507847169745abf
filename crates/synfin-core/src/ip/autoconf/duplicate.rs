//! Duplicate address detection at work (RFC 4862 section 5.4, RFC 7527 section 4), and the ages of
//! addresses.

use core::net::Ipv6Addr;

use synfin_wire::ndp::solicited_node;

use crate::ip::autoconf::address::{Address, PROBES_AFTER_LOOP, Probing};
use crate::ip::autoconf::solicitation::DELAY_MAX;
use crate::ip::autoconf::{AddressOrigin, AddressState, Autoconf, Ipv6Event, Outgoing};
use crate::time::Instant;

/// What a message about an address of ours comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is for those who use addresses: the address is none that is being probed.
    None,
    /// Somebody asks for an address that is not ours yet; nobody answers.
    Unanswered,
    /// It is our own probe that came back.
    Looped,
    /// Somebody else uses the address.
    Duplicate,
}

impl Autoconf {
    /// Adds an address that was given; false if it is known already. covers: 4862-1
    pub(crate) fn add_address(&mut self, addr: Ipv6Addr, prefix_len: u8) -> bool {
        if self.addresses.get(addr).is_some() {
            return false;
        }
        let entry = Address::new(addr, prefix_len, AddressOrigin::Manual);
        self.addresses.list.push(entry);
        if self.config.dad_probes > 0 {
            // At once, so that a listener may wait for it.
            self.tell(Ipv6Event::Tentative { addr });
        } else {
            self.listener.join(solicited_node(addr));
            self.tell(Ipv6Event::Assigned { addr, prefix_len });
            if let Some(entry) = self.addresses.get_mut(addr) {
                entry.state = AddressState::Preferred;
            }
        }
        self.reschedule();
        true
    }

    /// Takes an address away; nothing is told of it.
    pub(crate) fn remove_address(&mut self, addr: Ipv6Addr) {
        self.addresses.list.retain(|entry| entry.addr != addr);
        self.leave_group_of(addr);
        self.reschedule();
    }

    /// Does what is due for addresses.
    pub(super) fn run_addresses(&mut self, now: Instant) {
        self.review_ages(now);
        while let Some(at) = self.addresses.first_due(now) {
            let entry = &self.addresses.list[at];
            if entry.valid_until.is_some_and(|until| until <= now) {
                let addr = self.addresses.list.remove(at).addr;
                self.leave_group_of(addr);
                self.tell(Ipv6Event::Expired { addr });
            } else {
                self.probe_on(now, at);
            }
        }
    }

    /// Addresses that are ours follow their preferred lifetime. covers: 4862-3
    fn review_ages(&mut self, now: Instant) {
        for entry in &mut self.addresses.list {
            let state = entry.state_by_age(now);
            if !entry.is_assigned() || entry.state == state {
                continue;
            }
            entry.state = state;
            let addr = entry.addr;
            self.output
                .push_back(super::Output::Event(if state == AddressState::Deprecated {
                    Ipv6Event::Deprecated { addr }
                } else {
                    Ipv6Event::Preferred { addr }
                }));
        }
    }

    /// The next step of an address that is TENTATIVE. covers: 4862-1
    fn probe_on(&mut self, now: Instant, at: usize) {
        let probes = self.config.dad_probes;
        let entry = &mut self.addresses.list[at];
        let addr = entry.addr;
        match entry.probing {
            Probing::ToBegin => {
                let delayed = entry.delayed || !self.has_probed;
                if entry.origin != AddressOrigin::Manual {
                    self.tell(Ipv6Event::Tentative { addr });
                }
                let wait = delayed && probes > 0;
                let until = if wait {
                    now + self.chance.up_to(DELAY_MAX)
                } else {
                    now
                };
                self.addresses.list[at].probing = Probing::Until(until);
            }
            Probing::Until(_) => {
                self.listener.join(solicited_node(addr));
                if probes == 0 {
                    self.assign(now, at);
                } else {
                    self.send_probe(now, at, probes - 1);
                }
            }
            Probing::Sent { left, .. } if left > 0 => self.send_probe(now, at, left - 1),
            Probing::Sent { .. } if entry.looped => {
                entry.looped = false;
                self.send_probe(now, at, PROBES_AFTER_LOOP - 1);
            }
            Probing::Sent { .. } => self.assign(now, at),
        }
    }

    fn send_probe(&mut self, now: Instant, at: usize, left: u8) {
        self.has_probed = true;
        let [_, _, nonce @ ..] = self.chance.number().to_be_bytes();
        let until = now + self.link.retransmit;
        let entry = &mut self.addresses.list[at];
        entry.nonce = Some(nonce);
        entry.probing = Probing::Sent { until, left };
        let target = entry.addr;
        self.send(Outgoing::Probe { target, nonce });
    }

    fn assign(&mut self, now: Instant, at: usize) {
        let entry = &mut self.addresses.list[at];
        entry.state = entry.state_by_age(now);
        let (addr, prefix_len, state) = (entry.addr, entry.prefix_len, entry.state);
        self.tell(Ipv6Event::Assigned { addr, prefix_len });
        if state == AddressState::Deprecated {
            self.tell(Ipv6Event::Deprecated { addr });
        }
        if addr.is_unicast_link_local() {
            self.listener.on_link_local();
        }
    }

    /// A solicitation for `target`, from nobody if `src` is unspecified. covers: 4862-1
    pub(crate) fn on_solicitation(
        &mut self,
        now: Instant,
        src: Ipv6Addr,
        target: Ipv6Addr,
        nonce: Option<&[u8]>,
    ) -> Claim {
        let Some(entry) = self.addresses.get_mut(target) else {
            return Claim::None;
        };
        if !entry.is_tentative() {
            return Claim::None;
        }
        if !src.is_unspecified() {
            return Claim::Unanswered;
        }
        if nonce.is_some() && nonce == entry.nonce.as_ref().map(<[u8; 6]>::as_slice) {
            entry.looped = true;
            self.tell(Ipv6Event::ProbeLooped { addr: target });
            return Claim::Looped;
        }
        self.disable(now, target);
        Claim::Duplicate
    }

    /// An advertisement of `target` by somebody else. covers: 4862-1, ATT-69
    pub(crate) fn on_advertisement(&mut self, now: Instant, target: Ipv6Addr) -> Claim {
        if !self
            .addresses
            .get(target)
            .is_some_and(Address::is_tentative)
        {
            return Claim::None;
        }
        self.disable(now, target);
        Claim::Duplicate
    }

    /// The address is not ours. One that we made ourselves is made anew, a few times.
    /// covers: 4862-1, ATT-69
    fn disable(&mut self, now: Instant, addr: Ipv6Addr) {
        let Some(entry) = self.addresses.get_mut(addr) else {
            return;
        };
        entry.state = AddressState::Duplicate;
        let another = entry.try_another(now, &self.ids).then_some(entry.addr);
        self.tell(Ipv6Event::Duplicate { addr });
        self.leave_group_of(addr);
        if let Some(addr) = another {
            self.tell(Ipv6Event::Tentative { addr });
        }
        self.reschedule();
    }
}
