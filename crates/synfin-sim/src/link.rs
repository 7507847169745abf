//! Links: what happens to a packet between two hosts. Without I/O or clock: a packet and an
//! instant go in, what becomes of it comes out.

use std::time::Duration;

use synfin_core::Instant;

use crate::fragment;
use crate::random::Random;

/// Names a link of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(pub(crate) usize);

/// How packets are lost by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// Each with the same probability, from 0 to 1.
    Uniform(f64),
    /// In bursts (Gilbert-Elliott): a good and a bad state, each with its probability of loss,
    /// and for each packet a probability to change over.
    Bursts {
        /// From good to bad.
        begin: f64,
        /// From bad to good.
        end: f64,
        /// Loss in the good state.
        good: f64,
        /// Loss in the bad state.
        bad: f64,
    },
}

/// What a link is like, the same in both directions. The default is perfect: no delay, any rate,
/// no loss, packets of up to 1500 octets.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct LinkConfig {
    pub(crate) rate: Option<u64>,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    pub(crate) queue: usize,
    pub(crate) policer: Option<(u64, usize)>,
    pub(crate) mark_above: Option<usize>,
    pub(crate) loss: Loss,
    pub(crate) reorder: f64,
    pub(crate) reorder_by: Duration,
    pub(crate) reorder_spread: bool,
    pub(crate) duplicate: f64,
    pub(crate) corrupt: f64,
    pub(crate) mtu: u32,
    pub(crate) path_mtu: Option<u32>,
    /// The router does not say what it drops.
    pub(crate) silent: bool,
    pub(crate) fragment: Option<u32>,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            queue: 1 << 20,
            policer: None,
            mark_above: None,
            loss: Loss::Uniform(0.0),
            reorder: 0.0,
            reorder_by: Duration::from_millis(1),
            reorder_spread: false,
            duplicate: 0.0,
            corrupt: 0.0,
            mtu: 1500,
            path_mtu: None,
            silent: false,
            fragment: None,
        }
    }
}

impl LinkConfig {
    /// A perfect link.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bits per second; above 0. What waits for its turn stands in the queue.
    pub fn rate(mut self, bits_per_second: u64) -> Self {
        self.rate = Some(bits_per_second.max(1));
        self
    }

    /// How long a packet travels, one way.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Up to so much more, drawn for each packet; packets keep their order.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Octets that may wait before the link; what comes beyond is lost. 1 MiB by default.
    pub fn queue(mut self, octets: usize) -> Self {
        self.queue = octets;
        self
    }

    /// A policer before the queue: what exceeds `bits_per_second` is lost at once, but for bursts
    /// of up to `burst` octets (a token bucket, full at the start).
    pub fn police(mut self, bits_per_second: u64, burst: usize) -> Self {
        self.policer = Some((bits_per_second, burst));
        self
    }

    /// A packet that finds more than so many octets waiting is marked CE, if its sender said that
    /// it may be (RFC 3168 section 5); nothing is marked by default.
    pub fn mark_above(mut self, octets: usize) -> Self {
        self.mark_above = Some(octets);
        self
    }

    /// How packets are lost by chance.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// With probability `p`, from 0 to 1, a packet comes later by `by` and others overtake it.
    pub fn reorder(mut self, p: f64, by: Duration) -> Self {
        self.reorder = p;
        self.reorder_by = by;
        self.reorder_spread = false;
        self
    }

    /// With probability `p`, from 0 to 1, a packet comes later by up to `within`, drawn for each.
    pub fn reorder_within(mut self, p: f64, within: Duration) -> Self {
        self.reorder = p;
        self.reorder_by = within;
        self.reorder_spread = true;
        self
    }

    /// With this probability a packet comes twice.
    pub fn duplicate(mut self, p: f64) -> Self {
        self.duplicate = p;
        self
    }

    /// With this probability a bit of a packet flips.
    pub fn corrupt(mut self, p: f64) -> Self {
        self.corrupt = p;
        self
    }

    /// The largest packet in octets, for the hosts' devices too. 1500 by default.
    pub fn mtu(mut self, octets: u32) -> Self {
        self.mtu = octets;
        self
    }

    /// The largest packet that a router on the way passes on. The devices of the hosts do not know
    /// it. A longer packet is lost, and its sender hears so by ICMP (RFC 1191, RFC 8201); IPv4
    /// without DF goes on in fragments.
    pub fn path_mtu(mut self, octets: u32) -> Self {
        self.path_mtu = Some(octets);
        self.silent = false;
        self
    }

    /// The same with a router that says nothing, or whose messages do not come through: a black
    /// hole (RFC 2923 section 2.1).
    pub fn black_hole(self, octets: u32) -> Self {
        Self {
            silent: true,
            ..self.path_mtu(octets)
        }
    }

    /// Packets of more than so many octets, at least 68, go on in fragments, each with a fate of
    /// its own: IPv4 whatever DF says, IPv6 as if its sender had cut them, as through a tunnel
    /// whose far end does not put them together. What is recorded of a packet is the fate of its
    /// first fragment.
    pub fn fragment(mut self, octets: u32) -> Self {
        self.fragment = Some(octets.max(68));
        self
    }

    /// How long the fragments of a packet are, if it goes on in fragments.
    pub(crate) fn cuts(&self, packet: &[u8]) -> Option<usize> {
        let len = packet.len();
        let by_router = self
            .path_mtu
            .filter(|most| len > *most as usize && fragment::may_be_cut(packet));
        let by_tunnel = self.fragment.filter(|most| len > *most as usize);
        by_router
            .into_iter()
            .chain(by_tunnel)
            .min()
            .map(|most| most as usize)
    }

    /// The largest packet that goes through.
    fn limit(&self) -> u32 {
        self.path_mtu.map_or(self.mtu, |path| path.min(self.mtu))
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It is lost, and why: `MTU`, `policer`, `queue` or `chance`.
    Lost(&'static str),
    /// It reaches the other end.
    Arrives {
        /// When.
        at: Instant,
        /// When it comes a second time.
        again: Option<Instant>,
        /// Which bit flips, as a fraction of the packet.
        flip: Option<f64>,
        /// The queue was long enough to be told of.
        congested: bool,
    },
}

/// How many packets a link carried and lost, in one direction. Packets that meet a fault or a cut
/// link are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkCounts {
    /// Packets that went through.
    pub carried: u64,
    /// Lost by chance.
    pub chance: u64,
    /// Lost because the queue was full.
    pub queue: u64,
    /// Lost because they were longer than the MTU.
    pub mtu: u64,
    /// Lost to a policer.
    pub policer: u64,
}

impl LinkCounts {
    /// Counts what became of a packet.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Arrives { .. } => self.carried += 1,
            Verdict::Lost("chance") => self.chance += 1,
            Verdict::Lost("queue") => self.queue += 1,
            Verdict::Lost("policer") => self.policer += 1,
            Verdict::Lost(_) => self.mtu += 1,
        }
    }

    /// Packets that were lost.
    pub fn lost(&self) -> u64 {
        self.chance + self.queue + self.mtu + self.policer
    }
}

/// One direction of a link, usable without a [`Sim`](crate::Sim): whoever drives it offers packets
/// and carries out what it says.
#[derive(Debug)]
pub struct Way {
    random: Random,
    /// The link is sending until then.
    pub(crate) busy_until: Option<Instant>,
    /// The policer's bucket: when it was last looked at, and octets in it then, in octets * 8e9.
    bucket: Option<(Instant, u128)>,
    /// No packet that keeps its order arrives before this one.
    last_arrival: Option<Instant>,
    in_burst: bool,
}

impl Way {
    /// An empty direction that draws its chance from `random`.
    pub fn new(random: Random) -> Self {
        Self {
            random,
            busy_until: None,
            bucket: None,
            last_arrival: None,
            in_burst: false,
        }
    }

    /// Decides about a packet of `len` octets that is offered at `now`.
    pub fn offer(&mut self, config: &LinkConfig, now: Instant, len: usize) -> Verdict {
        if len > config.limit() as usize {
            return Verdict::Lost("MTU");
        }
        if !self.conforms(config, now, len) {
            return Verdict::Lost("policer");
        }
        let Some((left, congested)) = self.leave(config, now, len) else {
            return Verdict::Lost("queue");
        };
        if self.is_lost(config.loss) {
            return Verdict::Lost("chance");
        }
        let jitter = self.random.below(config.jitter.as_nanos() as u64 + 1);
        let mut at = left + config.delay + Duration::from_nanos(jitter);
        if self.random.chance(config.reorder) {
            at = at + self.late_by(config);
        } else {
            at = self.last_arrival.map_or(at, |last| last.max(at));
            self.last_arrival = Some(at);
        }
        let random = &mut self.random;
        let again = random
            .chance(config.duplicate)
            .then(|| at + config.reorder_by / 2);
        let flip = random.chance(config.corrupt).then(|| random.unit());
        Verdict::Arrives {
            at,
            again,
            flip,
            congested,
        }
    }

    /// Whether the policer lets a packet pass.
    fn conforms(&mut self, config: &LinkConfig, now: Instant, len: usize) -> bool {
        /// Nanoseconds in a second times bits in an octet: no remainder is lost.
        const SCALE: u128 = 8_000_000_000;
        let Some((rate, burst)) = config.policer else {
            return true;
        };
        let full = burst as u128 * SCALE;
        let held = self.bucket.map_or(full, |(at, held)| {
            let nanos = now.saturating_duration_since(at).as_nanos();
            full.min(held + nanos * u128::from(rate))
        });
        let price = len as u128 * SCALE;
        let conforms = held >= price;
        let rest = if conforms { held - price } else { held };
        self.bucket = Some((now, rest));
        conforms
    }

    /// How much later a packet comes that others overtake.
    fn late_by(&mut self, config: &LinkConfig) -> Duration {
        match config.reorder_spread {
            true => {
                Duration::from_nanos(self.random.below(config.reorder_by.as_nanos() as u64 + 1))
            }
            false => config.reorder_by,
        }
    }

    /// When the last bit is on the link, and whether too much waits before it; `None` when the
    /// queue is full.
    fn leave(&mut self, config: &LinkConfig, now: Instant, len: usize) -> Option<(Instant, bool)> {
        let Some(rate) = config.rate else {
            return Some((now, false));
        };
        let start = self.busy_until.map_or(now, |busy| busy.max(now));
        let waits = start.saturating_duration_since(now).as_nanos();
        let waiting = waits * u128::from(rate) / 8_000_000_000;
        if waiting + len as u128 > config.queue as u128 {
            return None;
        }
        let nanos = (len as u64 * 8).saturating_mul(1_000_000_000) / rate;
        let left = start + Duration::from_nanos(nanos);
        self.busy_until = Some(left);
        let congested = config.mark_above.is_some_and(|most| waiting > most as u128);
        Some((left, congested))
    }

    fn is_lost(&mut self, loss: Loss) -> bool {
        match loss {
            Loss::Uniform(p) => self.random.chance(p),
            Loss::Bursts {
                begin,
                end,
                good,
                bad,
            } => {
                let turns = if self.in_burst { end } else { begin };
                self.in_burst ^= self.random.chance(turns);
                let p = if self.in_burst { bad } else { good };
                self.random.chance(p)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way() -> Way {
        Way::new(Random::new(1))
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn rate_delay_and_queue_add_up() {
        let config = LinkConfig::new().rate(8_000_000).delay(ms(10)).queue(2000);
        let (mut way, now) = (way(), Instant::START);
        let arrivals: Vec<Verdict> = (0..3).map(|_| way.offer(&config, now, 1000)).collect();
        let arrives = |after| Verdict::Arrives {
            at: now + ms(after),
            again: None,
            flip: None,
            congested: false,
        };
        assert_eq!(arrivals, [arrives(11), arrives(12), Verdict::Lost("queue")]);
        assert_eq!(way.offer(&config, now + ms(50), 1000), arrives(61));
    }

    #[test]
    fn a_long_queue_is_told_of() {
        let config = LinkConfig::new().rate(8_000_000).mark_above(1500);
        let mut way = way();
        let told: Vec<bool> = (0..4)
            .map(|_| match way.offer(&config, Instant::START, 1000) {
                Verdict::Arrives { congested, .. } => congested,
                Verdict::Lost(why) => panic!("lost: {why}"),
            })
            .collect();
        assert_eq!(told, [false, false, true, true], "0, 1000, 2000, 3000 wait");
    }

    #[test]
    fn jitter_keeps_the_order() {
        let config = LinkConfig::new().delay(ms(10)).jitter(ms(20));
        let mut way = way();
        let mut last = Instant::START;
        for sent in 0..200 {
            match way.offer(&config, Instant::START + ms(sent), 100) {
                Verdict::Arrives { at, .. } => {
                    assert!(at >= last);
                    last = at;
                }
                Verdict::Lost(why) => panic!("lost: {why}"),
            }
        }
    }

    #[test]
    fn a_policer_passes_its_burst_and_then_its_rate() {
        let config = LinkConfig::new().police(8_000_000, 3000);
        let (mut way, mut counts) = (way(), LinkCounts::default());
        for _ in 0..5 {
            counts.count(&way.offer(&config, Instant::START, 1000));
        }
        assert_eq!((counts.carried, counts.policer), (3, 2));
        // 1000 octets a millisecond.
        for at in 1..=20 {
            counts.count(&way.offer(&config, Instant::START + ms(at) / 2, 1000));
        }
        assert_eq!(
            (counts.carried, counts.policer, counts.lost()),
            (13, 12, 12)
        );
    }

    #[test]
    fn late_packets_spread_as_far_as_they_may() {
        let config = LinkConfig::new().reorder_within(1.0, ms(8));
        let mut way = way();
        let late: Vec<Duration> = (0..1000)
            .map(|_| match way.offer(&config, Instant::START, 100) {
                Verdict::Arrives { at, .. } => at.saturating_duration_since(Instant::START),
                Verdict::Lost(why) => panic!("lost: {why}"),
            })
            .collect();
        assert!(late.iter().all(|late| *late <= ms(8)));
        let mean = late.iter().sum::<Duration>() / 1000;
        assert!((ms(3)..ms(5)).contains(&mean), "{mean:?}");
    }

    #[test]
    fn losses_have_their_frequency() {
        let bursts = Loss::Bursts {
            begin: 0.01,
            end: 0.19,
            good: 0.0,
            bad: 1.0,
        };
        for (loss, expected) in [(Loss::Uniform(0.05), 0.05), (bursts, 0.05)] {
            let config = LinkConfig::new().loss(loss);
            let mut way = way();
            let lost = (0..40_000)
                .filter(|_| way.offer(&config, Instant::START, 100) == Verdict::Lost("chance"))
                .count();
            let share = lost as f64 / 40_000.0;
            assert!((share - expected).abs() < 0.01, "{loss:?}: {share}");
        }
        let config = LinkConfig::new().rate(8).queue(200);
        let (mut way, mut counts) = (self::way(), LinkCounts::default());
        for len in [1501, 100, 100, 100] {
            counts.count(&way.offer(&config, Instant::START, len));
        }
        assert_eq!((counts.carried, counts.queue, counts.mtu), (2, 1, 1));
        assert_eq!(counts.lost(), 2);
        let too_big = self::way().offer(&LinkConfig::new(), Instant::START, 1501);
        assert_eq!(too_big, Verdict::Lost("MTU"));
    }
}
