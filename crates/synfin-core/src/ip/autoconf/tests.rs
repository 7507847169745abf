use super::*;
use crate::ip::autoconf::mld::Report;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use synfin_wire::MacAddress;
use synfin_wire::ndp::{NdpOption, RouterPreference};

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xaaaa);
const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;
const OWN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// What can go on besides addresses is off.
fn quiet() -> Ipv6Config {
    Ipv6Config {
        autoconf: false,
        link_local: false,
        ..Ipv6Config::default()
    }
}

/// A device on a link, in virtual time that begins at ten seconds.
struct Bench {
    autoconf: Autoconf,
    now: Instant,
}

/// Events and messages, without the reports.
#[derive(Debug, Default)]
struct Heard {
    events: Vec<Ipv6Event>,
    probes: Vec<(u64, Ipv6Addr)>,
    solicitations: Vec<u64>,
    reports: usize,
}

impl Bench {
    fn new(config: Ipv6Config) -> Self {
        Self::seeded(config, 1)
    }

    fn seeded(config: Ipv6Config, seed: u64) -> Self {
        let ids = InterfaceIds::new([7; 16], MacAddress([2, 0, 0, 0, 0, 1]));
        Self {
            autoconf: Autoconf::new(config, 1500, ids, Chance::new((seed, 9))),
            now: at(10_000),
        }
    }

    /// Lets time pass, step by step.
    fn run(&mut self, time: Duration) -> Heard {
        let end = self.now + time;
        let mut heard = Heard::default();
        self.drain(&mut heard);
        let mut steps = 0;
        while let Some(due) = self.autoconf.deadline().filter(|due| *due <= end) {
            steps += 1;
            assert!(steps < 10_000, "it does not come to rest");
            self.now = self.now.max(due);
            self.autoconf.handle_timeout(self.now);
            self.drain(&mut heard);
        }
        self.now = end;
        heard
    }

    fn drain(&mut self, heard: &mut Heard) {
        while let Some(output) = self.autoconf.poll() {
            match output {
                Output::Event(event) => heard.events.push(event),
                Output::Send(Outgoing::Probe { target, .. }) => {
                    heard.probes.push((self.now.millis(), target));
                }
                Output::Send(Outgoing::RouterSolicitation { .. }) => {
                    heard.solicitations.push(self.now.millis());
                }
                Output::Send(Outgoing::Report { .. }) => heard.reports += 1,
            }
        }
    }

    fn advertise(&mut self, says: RouterAdvertisement, options: &[NdpOption<'_>]) {
        self.advertise_from(ROUTER, says, options);
    }

    fn advertise_from(
        &mut self,
        router: Ipv6Addr,
        says: RouterAdvertisement,
        options: &[NdpOption<'_>],
    ) {
        let mut bytes = Vec::new();
        for option in options {
            let start = bytes.len();
            bytes.resize(start + option.option_len(), 0);
            option.emit(&mut bytes[start..]);
        }
        let options = NdpOptions::parse(&bytes).expect("good options");
        self.autoconf
            .on_router_advertisement(self.now, router, true, &says, options);
    }

    fn state(&self, addr: Ipv6Addr) -> Option<AddressState> {
        let mut addresses = self.autoconf.addresses();
        addresses.find(|own| own.addr == addr).map(|own| own.state)
    }

    /// The address that was formed from a prefix.
    fn formed(&self) -> Option<Ipv6Address> {
        let formed = |own: &Ipv6Address| own.origin == AddressOrigin::Advertised;
        self.autoconf.addresses().find(formed)
    }
}

fn router(lifetime: u16) -> RouterAdvertisement {
    RouterAdvertisement {
        lifetime,
        ..RouterAdvertisement::default()
    }
}

fn prefix(n: u16, valid_lifetime: u32, preferred_lifetime: u32) -> PrefixInformation {
    PrefixInformation {
        prefix: Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0),
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        valid_lifetime,
        preferred_lifetime,
    }
}

/// covers: 4862-1
#[test]
fn an_address_is_used_after_one_probe_and_a_second_of_silence() {
    let mut delays = vec![];
    for seed in 0..30 {
        let mut bench = Bench::seeded(quiet(), seed);
        assert!(bench.autoconf.add_address(OWN, 64));
        assert!(!bench.autoconf.add_address(OWN, 64), "twice");
        let heard = bench.run(ms(0));
        assert_eq!(heard.events, [Ipv6Event::Tentative { addr: OWN }]);
        let heard = bench.run(ms(5000));
        let [(sent, target)] = heard.probes[..] else {
            panic!("{heard:?}");
        };
        assert_eq!(target, OWN);
        assert!((10_000..=11_000).contains(&sent));
        delays.push(sent);
        let prefix_len = 64;
        let assigned = Ipv6Event::Assigned {
            addr: OWN,
            prefix_len,
        };
        assert_eq!(heard.events, [assigned]);
    }
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 20, "the delay is random");
}

/// covers: 4862-1
#[test]
fn it_is_not_used_a_moment_before() {
    let mut bench = Bench::new(quiet());
    bench.autoconf.add_address(OWN, 64);
    while bench.state(OWN) == Some(AddressState::Tentative) {
        assert!(bench.now < at(20_000), "it is never used");
        let heard = bench.run(ms(1));
        if let Some((sent, _)) = heard.probes.first() {
            assert!(*sent <= 11_000);
            assert!(bench.run(ms(998)).events.is_empty());
            assert_eq!(bench.state(OWN), Some(AddressState::Tentative));
            bench.run(ms(2));
            assert_eq!(bench.state(OWN), Some(AddressState::Preferred));
        }
    }
    assert_eq!(bench.state(OWN), Some(AddressState::Preferred));
}

#[test]
fn a_second_address_does_not_wait_again() {
    let mut bench = Bench::new(quiet());
    bench.autoconf.add_address(OWN, 64);
    bench.run(ms(5000));
    let other = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
    bench.autoconf.add_address(other, 64);
    assert_eq!(bench.run(ms(5000)).probes, [(15_000, other)]);
    let none = Ipv6Config {
        dad_probes: 0,
        ..quiet()
    };
    let mut bench = Bench::new(none);
    bench.autoconf.add_address(OWN, 64);
    assert_eq!(bench.state(OWN), Some(AddressState::Preferred));
    assert!(bench.run(ms(5000)).probes.is_empty());
}

/// covers: 4862-1
#[test]
fn somebody_who_has_it_or_wants_it_too_keeps_us_from_it() {
    // What comes, and what becomes of the address.
    let advertised = |bench: &mut Bench| bench.autoconf.on_advertisement(bench.now, OWN);
    let wanted = |bench: &mut Bench| {
        let now = bench.now;
        bench.autoconf.on_solicitation(now, NOBODY, OWN, None)
    };
    let wanted_with_nonce = |bench: &mut Bench| {
        let now = bench.now;
        let nonce = Some(&[1, 2, 3, 4, 5, 6][..]);
        bench.autoconf.on_solicitation(now, NOBODY, OWN, nonce)
    };
    let asked_for = |bench: &mut Bench| {
        let now = bench.now;
        bench.autoconf.on_solicitation(now, ROUTER, OWN, None)
    };
    type Comes<'a> = &'a dyn Fn(&mut Bench) -> Claim;
    let cases: [(Comes<'_>, Claim); 4] = [
        (&advertised, Claim::Duplicate),
        (&wanted, Claim::Duplicate),
        (&wanted_with_nonce, Claim::Duplicate),
        (&asked_for, Claim::Unanswered),
    ];
    // Before the probe and after it.
    for probed in [false, true] {
        for (comes, expected) in &cases {
            let mut bench = Bench::new(quiet());
            bench.autoconf.add_address(OWN, 64);
            let mut sent = bench.run(ms(0)).probes.len();
            for _ in 0..1000 {
                if probed && sent == 0 {
                    sent += bench.run(ms(1)).probes.len();
                }
            }
            assert_eq!(sent, usize::from(probed));
            assert_eq!(comes(&mut bench), *expected);
            let heard = bench.run(ms(100_000));
            if *expected == Claim::Duplicate {
                assert_eq!(heard.events, [Ipv6Event::Duplicate { addr: OWN }]);
                assert_eq!(bench.state(OWN), Some(AddressState::Duplicate));
                assert_eq!(
                    comes(&mut bench),
                    Claim::None,
                    "it is nothing to us any more"
                );
            } else {
                assert_eq!(bench.state(OWN), Some(AddressState::Preferred));
                assert_eq!(comes(&mut bench), Claim::None, "it is answered as usual");
            }
        }
    }
}

#[test]
fn a_probe_that_comes_back_is_known_and_probing_goes_on() {
    let mut bench = Bench::new(quiet());
    bench.autoconf.add_address(OWN, 64);
    let nonce = loop {
        let due = bench.autoconf.deadline().expect("something is due");
        bench.now = bench.now.max(due);
        bench.autoconf.handle_timeout(bench.now);
        let mut outputs = core::iter::from_fn(|| bench.autoconf.poll());
        let probe = outputs.find_map(|output| match output {
            Output::Send(Outgoing::Probe { nonce, .. }) => Some(nonce),
            _ => None,
        });
        if let Some(nonce) = probe {
            break nonce;
        }
    };
    let now = bench.now;
    let claim = bench
        .autoconf
        .on_solicitation(now, NOBODY, OWN, Some(&nonce));
    assert_eq!(claim, Claim::Looped);
    assert_eq!(bench.state(OWN), Some(AddressState::Tentative));
    let heard = bench.run(ms(20_000));
    let sent: Vec<u64> = heard.probes.iter().map(|(sent, _)| *sent).collect();
    let first = now.millis();
    assert_eq!(sent, [first + 1000, first + 2000, first + 3000]);
    assert_eq!(bench.state(OWN), Some(AddressState::Preferred));
    assert_eq!(heard.events[0], Ipv6Event::ProbeLooped { addr: OWN });
}

/// covers: ATT-69
#[test]
fn whoever_claims_everything_gets_it_and_we_stay_alive() {
    let mut bench = Bench::new(Ipv6Config::default());
    bench.autoconf.add_address(OWN, 64);
    bench.run(ms(0));
    bench.advertise(router(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    let mut duplicates = 0;
    let mut probes = 0;
    for _ in 0..60 {
        let heard = bench.run(ms(500));
        probes += heard.probes.len();
        for (_, target) in heard.probes {
            bench.autoconf.on_advertisement(bench.now, target);
            duplicates += 1;
        }
    }
    assert_eq!((probes, duplicates), (9, 9), "four each, and the one given");
    let states: Vec<AddressState> = bench.autoconf.addresses().map(|own| own.state).collect();
    assert_eq!(states, [AddressState::Duplicate; 3]);
    // The prefix comes again: it was tried.
    bench.advertise(router(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    assert!(bench.run(ms(10_000)).probes.is_empty());
    bench.autoconf.remove_address(OWN);
    bench.autoconf.add_address(OWN, 64);
    bench.run(ms(10_000));
    assert_eq!(bench.state(OWN), Some(AddressState::Preferred));
}

/// covers: 4862-2, 4862-4, 4861-9
#[test]
fn a_router_gives_an_address_a_prefix_and_a_way_out() {
    let mut bench = Bench::new(Ipv6Config::default());
    let heard = bench.run(ms(3000));
    assert_eq!(heard.solicitations.len(), 1);
    let link_local = bench.autoconf.addresses().next().expect("one");
    assert!(link_local.addr.is_unicast_link_local());
    assert_eq!(link_local.state, AddressState::Preferred);
    bench.advertise(router(1800), &[NdpOption::Prefix(prefix(1, 7200, 3600))]);
    let heard = bench.run(ms(3000));
    let formed = bench.formed().expect("an address");
    let addr = formed.addr;
    let on_link = Ipv6Event::OnLink {
        prefix: prefix(1, 0, 0).prefix,
        prefix_len: 64,
    };
    let router = ROUTER;
    assert_eq!(
        heard.events,
        [
            Ipv6Event::RouterAdded { router },
            on_link,
            Ipv6Event::Tentative { addr },
            Ipv6Event::DefaultRouter {
                router: Some(router)
            },
            Ipv6Event::Assigned {
                addr,
                prefix_len: 64
            },
        ]
    );
    assert!(
        heard.solicitations.is_empty(),
        "the answer ends the questions"
    );
    let mut again = Bench::seeded(Ipv6Config::default(), 77);
    again.advertise(
        super::tests::router(1800),
        &[NdpOption::Prefix(prefix(1, 7200, 3600))],
    );
    assert_eq!(again.formed().map(|own| own.addr), Some(addr), "as before");
}

/// covers: 4862-2, 4862-3
#[test]
fn an_address_is_deprecated_then_gone_unless_it_is_renewed() {
    let mut bench = Bench::new(Ipv6Config::default());
    bench.run(ms(3000));
    let begun = bench.now.millis();
    let advertise = |bench: &mut Bench, valid, preferred| {
        bench.advertise(
            router(9000),
            &[NdpOption::Prefix(prefix(1, valid, preferred))],
        );
    };
    advertise(&mut bench, 100, 50);
    bench.run(ms(49_999));
    let addr = bench.formed().expect("an address").addr;
    assert_eq!(bench.state(addr), Some(AddressState::Preferred));
    assert_eq!(bench.run(ms(1)).events, [Ipv6Event::Deprecated { addr }]);
    advertise(&mut bench, 200, 60);
    assert_eq!(bench.run(ms(0)).events, [Ipv6Event::Preferred { addr }]);
    // Valid lifetimes only grow down here, preferred ones are as told.
    advertise(&mut bench, 60, 0);
    assert_eq!(bench.run(ms(0)).events, [Ipv6Event::Deprecated { addr }]);
    let end = begun + 50_000 + 200_000;
    let heard = bench.run(ms(end - bench.now.millis() - 1));
    assert_eq!(bench.state(addr), Some(AddressState::Deprecated));
    let off_link = Ipv6Event::OffLink {
        prefix: prefix(1, 0, 0).prefix,
        prefix_len: 64,
    };
    assert_eq!(heard.events, [off_link], "that follows the last word");
    assert_eq!(bench.run(ms(1)).events, [Ipv6Event::Expired { addr }]);
    assert_eq!(bench.state(addr), None);
    advertise(&mut bench, 100, 0);
    let heard = bench.run(ms(5000));
    assert!(heard.events.contains(&Ipv6Event::Deprecated { addr }));
    assert_eq!(bench.state(addr), Some(AddressState::Deprecated));
}

/// covers: 4861-8
#[test]
fn a_lifetime_of_zero_takes_everything_back() {
    let mut bench = Bench::new(Ipv6Config::default());
    bench.run(ms(3000));
    bench.advertise(
        router(1800),
        &[
            NdpOption::Prefix(prefix(1, 9000, 9000)),
            NdpOption::Mtu(1400),
        ],
    );
    let events = bench.run(ms(5000)).events;
    assert!(events.contains(&Ipv6Event::LinkMtu { mtu: 1400 }));
    bench.advertise(router(0), &[NdpOption::Prefix(prefix(1, 0, 0))]);
    let addr = bench.formed().expect("two hours are left").addr;
    let expected = [
        Ipv6Event::RouterRemoved { router: ROUTER },
        Ipv6Event::OffLink {
            prefix: prefix(1, 0, 0).prefix,
            prefix_len: 64,
        },
        Ipv6Event::Deprecated { addr },
        Ipv6Event::DefaultRouter { router: None },
    ];
    assert_eq!(bench.run(ms(0)).events, expected);
    let heard = bench.run(ms(7_200_000));
    assert!(heard.events.contains(&Ipv6Event::Expired { addr }));
}

/// covers: 4861-10, ATT-71
#[test]
fn only_the_first_hop_redirects() {
    let mut bench = Bench::new(Ipv6Config::default());
    bench.advertise(router(1800), &[]);
    let far = Ipv6Addr::new(0x2001, 0xdb8, 9, 9, 0, 0, 0, 9);
    let better = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xbbbb);
    let redirect =
        |bench: &mut Bench, from, hop| bench.autoconf.on_redirect(from, hop, far, better);
    assert!(!redirect(&mut bench, better, Some(ROUTER)));
    assert!(!redirect(&mut bench, ROUTER, None));
    let own = bench.autoconf.addresses().next().expect("one").addr;
    let to_us = bench.autoconf.on_redirect(ROUTER, Some(ROUTER), far, own);
    assert!(!to_us, "we are no router");
    assert_eq!(bench.autoconf.redirected(far), None);
    assert!(redirect(&mut bench, ROUTER, Some(ROUTER)));
    assert_eq!(bench.autoconf.redirected(far), Some(better));
    bench.autoconf.on_unreachable(bench.now, better);
    assert_eq!(
        bench.autoconf.redirected(far),
        None,
        "the routers decide again"
    );
    let deaf = Ipv6Config {
        redirects: false,
        ..Ipv6Config::default()
    };
    assert!(!redirect(&mut Bench::new(deaf), ROUTER, Some(ROUTER)));
}

#[test]
fn a_router_that_does_not_answer_gives_way() {
    let mut bench = Bench::new(Ipv6Config::default());
    let second = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xbbbb);
    bench.advertise(router(1800), &[]);
    let low = RouterAdvertisement {
        preference: RouterPreference::Low,
        ..router(1800)
    };
    bench.advertise_from(second, low, &[]);
    bench.run(ms(0));
    bench.autoconf.on_unreachable(bench.now, ROUTER);
    let expected = [
        Ipv6Event::RouterUnreachable { router: ROUTER },
        Ipv6Event::DefaultRouter {
            router: Some(second),
        },
    ];
    let events = bench.run(ms(0)).events;
    assert_eq!(events, expected);
    let current: Vec<bool> = bench.autoconf.routers().map(|r| r.is_current).collect();
    assert_eq!(current, [false, true]);
    let heard = bench.run(ms(60_000));
    let back = Ipv6Event::DefaultRouter {
        router: Some(ROUTER),
    };
    assert!(heard.events.contains(&back));
}

/// covers: 8504-4
#[test]
fn groups_are_reported_when_an_address_is_probed_and_left_with_the_last_one() {
    let mut bench = Bench::new(quiet());
    bench.autoconf.add_address(OWN, 64);
    // Its identifier ends in the same three octets.
    let twin = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 1);
    bench.autoconf.add_address(twin, 64);
    let heard = bench.run(ms(20_000));
    assert_eq!(heard.reports, 2, "one group, told twice");
    bench.autoconf.remove_address(OWN);
    assert_eq!(bench.run(ms(20_000)).reports, 0);
    bench.autoconf.remove_address(twin);
    assert_eq!(bench.run(ms(20_000)).reports, 2);
}

/// covers: 8504-4
#[test]
fn what_was_reported_from_nowhere_is_reported_from_the_link_local_address() {
    let config = Ipv6Config {
        autoconf: false,
        ..Ipv6Config::default()
    };
    let mut bench = Bench::new(config);
    let mut sources = Vec::new();
    while let Some(due) = bench.autoconf.deadline() {
        bench.now = bench.now.max(due);
        bench.autoconf.handle_timeout(bench.now);
        while let Some(output) = bench.autoconf.poll() {
            if let Output::Send(Outgoing::Report { src, report }) = output {
                assert!(matches!(report, Report::Records(_)));
                sources.push(src);
            }
        }
    }
    let link_local = bench.autoconf.addresses().next().map(|own| own.addr);
    assert_eq!(sources.first(), Some(&None));
    assert_eq!(sources.last(), Some(&link_local));
}

/// covers: ATT-70
#[test]
fn a_flood_of_advertisements_is_bounded_in_all_it_does() {
    let mut bench = Bench::new(Ipv6Config::default());
    bench.run(ms(3000));
    let mut sent = 0;
    let mut moved = 0;
    for n in 0..100_000_u32 {
        let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 1, (n >> 16) as u16, n as u16);
        let prefix = PrefixInformation {
            prefix: Ipv6Addr::new(0x2001, 0xdb8, (n >> 16) as u16, n as u16, 0, 0, 0, 0),
            ..prefix(0, 9000, 9000)
        };
        let options = [NdpOption::Prefix(prefix), NdpOption::Mtu(1280 + n % 200)];
        bench.advertise_from(from, router(9000), &options);
        let heard = bench.run(Duration::from_micros(100));
        sent += heard.probes.len() + heard.solicitations.len() + heard.reports;
        let limit = |event: &&Ipv6Event| !matches!(event, Ipv6Event::LimitReached(_));
        moved += heard.events.iter().filter(limit).count();
    }
    let formed = |own: &Ipv6Address| own.origin == AddressOrigin::Advertised;
    let addresses = bench.autoconf.addresses().filter(formed).count();
    let kept = (
        addresses,
        bench.autoconf.routers().count(),
        bench.autoconf.prefixes.len(),
    );
    assert_eq!(kept, (16, 8, 16), "memory");
    // Ten seconds: routers, prefixes, addresses twice, one router chosen, two MTUs.
    assert!(moved <= 8 + 16 + 2 * 16 + 1 + 2, "work: {moved}");
    // A probe each, and reports that take several groups together.
    assert!(sent <= 16 + 2 * 17 + 1, "replies: {sent}");
    assert!(bench.autoconf.output.is_empty());
}
