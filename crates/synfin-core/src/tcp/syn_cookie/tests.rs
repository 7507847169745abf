use core::time::Duration;

use super::*;
use crate::config::EcnMode;
use crate::tcp::ecn::{IpEcn, ace_flags};
use synfin_wire::Flags;
use synfin_wire::tcp::Options;

const NOW: Instant = Instant::from_nanos(10_000 * 64_000_000_000 + 5_000_000_000);

struct Host {
    secrets: Secrets,
    cookies: SynCookies,
}

impl Host {
    fn new(seed: u8) -> Self {
        let secrets = Secrets::new([seed; 32]);
        let cookies = SynCookies::new(&secrets);
        Self { secrets, cookies }
    }

    fn bake(&mut self, now: Instant, tuple: &FourTuple, syn: &Seg, offer: Offer) -> Baked {
        self.cookies.bake(&self.secrets, now, tuple, syn, offer)
    }

    fn recall(&mut self, now: Instant, tuple: &FourTuple, ack: &Seg) -> Option<Recalled> {
        self.cookies.recall(&self.secrets, now, tuple, ack)
    }
}

fn tuple(v6: bool) -> FourTuple {
    let (local, remote) = if v6 {
        ("[fd00::1]:80", "[fd00::2]:4000")
    } else {
        ("10.0.0.1:80", "10.0.0.2:4000")
    };
    FourTuple {
        local: local.parse().expect("an address"),
        remote: remote.parse().expect("an address"),
    }
}

fn seg(seq: u32, ack: u32, flags: Flags, options: Options) -> Seg {
    Seg {
        seq: SeqNum::new(seq),
        ack: SeqNum::new(ack),
        flags,
        wnd: 1000,
        urgent: 0,
        text_len: 0,
        options,
        ecn: IpEcn::NotEct,
        handshake: flags.contains(Flags::SYN),
    }
}

fn syn(mss: Option<u16>, tsval: Option<u32>) -> Seg {
    let options = Options {
        mss,
        timestamps: tsval.map(|val| Timestamps { val, ecr: 0 }),
        ..Options::default()
    };
    seg(77, 0, Flags::SYN, options)
}

/// The third segment of a client that got this.
fn answer(baked: &Baked) -> Seg {
    let options = Options {
        timestamps: baked.timestamps.map(|t| Timestamps {
            val: t.ecr + 5,
            ecr: t.val,
        }),
        ..Options::default()
    };
    seg(78, (baked.iss + 1).raw(), Flags::ACK, options)
}

fn offer(scale: Option<u8>, sack: bool, ecn: Answer) -> Offer {
    Offer {
        window_scale: scale,
        timestamps: true,
        sack,
        ecn,
    }
}

/// Never more than the client takes, and exactly that where the table has it.
/// covers: 4987-6
#[test]
fn the_mss_comes_back_rounded_down() {
    let mut host = Host::new(1);
    for v6 in [false, true] {
        let table = mss_table(v6);
        let default = if v6 { 1220 } else { 536 };
        assert_eq!(table[1], default, "without the option");
        for mss in (0..=10_000).chain([u16::MAX]) {
            let baked = host.bake(NOW, &tuple(v6), &syn(Some(mss), None), Offer::NONE);
            let got = host.recall(NOW, &tuple(v6), &answer(&baked));
            let got = got.expect("our cookie").mss;
            let meant = if mss == 0 { default } else { mss.max(88) };
            assert!(got <= meant, "{mss}: {got}");
            assert_eq!(table.contains(&meant), got == meant, "{mss}: {got}");
        }
        let baked = host.bake(NOW, &tuple(v6), &syn(None, None), Offer::NONE);
        let got = host.recall(NOW, &tuple(v6), &answer(&baked));
        assert_eq!(got.expect("our cookie").mss, default);
    }
}

/// Whatever was agreed comes back, and the clock is never ahead of itself.
/// covers: 4987-6, 7323-21
#[test]
fn options_come_back_in_the_timestamp() {
    let mut host = Host::new(2);
    let asks = |ace, ip| {
        let mut asking = syn(None, None);
        asking.flags |= ace_flags(ace);
        asking.ecn = ip;
        Answer::of(&asking, EcnMode::Accurate)
    };
    let answers = [
        (asks(0, IpEcn::NotEct), 0),
        (asks(0b011, IpEcn::NotEct), 1),
        (asks(0b111, IpEcn::Ect0), 2),
        (asks(0b011, IpEcn::Ce), 3),
    ];
    let scales = (0..=14).map(Some).chain([None]);
    for (ms, scale) in scales.enumerate() {
        for sack in [false, true] {
            for (ecn, bits) in answers {
                let now = NOW + Duration::from_millis(37 * ms as u64);
                let clock = crate::tcp::recv::timestamps::clock(
                    host.secrets
                        .timestamp_offset(tuple(false).local.ip(), tuple(false).remote.ip()),
                    now,
                );
                let asking = syn(Some(1460), Some(9));
                let baked = host.bake(now, &tuple(false), &asking, offer(scale, sack, ecn));
                let sent = baked.timestamps.expect("the SYN had timestamps");
                assert_eq!(sent.ecr, 9);
                assert!(clock.wrapping_sub(sent.val) < 128, "{clock} {}", sent.val);
                let got = host.recall(now, &tuple(false), &answer(&baked));
                let got = got.expect("our cookie").offer;
                assert!(got.timestamps);
                assert_eq!((got.window_scale, got.sack), (scale, sack));
                assert_eq!(got.ecn.to_bits(), bits);
                assert_eq!(got.ecn.feedback, ecn.feedback);
            }
        }
    }
}

/// Without timestamps nothing is promised that cannot be kept.
/// covers: 4987-6
#[test]
fn without_timestamps_options_are_not_offered() {
    let mut host = Host::new(3);
    let mut taken = offer(Some(7), true, Answer::from_bits(1));
    taken.timestamps = false;
    let baked = host.bake(NOW, &tuple(false), &syn(Some(1460), None), taken);
    let kept = baked.offer;
    assert_eq!(
        (kept.window_scale, kept.sack, kept.timestamps),
        (None, false, false)
    );
    assert_eq!(kept.ecn.to_bits(), 0);
    assert!(baked.timestamps.is_none());
}

/// Every field is vouched for, the index of the MSS and the step too, and a client that suddenly
/// has timestamps is none of ours.
/// covers: 4987-4
#[test]
fn what_was_changed_is_refused() {
    let mut host = Host::new(4);
    for v6 in [false, true] {
        let good = host.bake(NOW, &tuple(v6), &syn(Some(1460), None), Offer::NONE);
        let ack = answer(&good);
        assert!(host.recall(NOW, &tuple(v6), &ack).is_some());
        for bit in 0..32 {
            let mut changed = ack;
            changed.ack = SeqNum::new(((ack.ack.raw() - 1) ^ 1 << bit) + 1);
            assert!(
                host.recall(NOW, &tuple(v6), &changed).is_none(),
                "bit {bit}"
            );
            changed = ack;
            changed.seq = SeqNum::new(ack.seq.raw() ^ 1 << bit);
            assert!(
                host.recall(NOW, &tuple(v6), &changed).is_none(),
                "ISN bit {bit}"
            );
        }
        let mut with_timestamps = ack;
        with_timestamps.options.timestamps = Some(Timestamps::default());
        assert!(host.recall(NOW, &tuple(v6), &with_timestamps).is_none());
        let mut other = tuple(v6);
        other.remote.set_port(4001);
        assert!(host.recall(NOW, &other, &ack).is_none());
        other = tuple(v6);
        other.local.set_port(81);
        assert!(host.recall(NOW, &other, &ack).is_none());
        other = tuple(v6);
        core::mem::swap(&mut other.local, &mut other.remote);
        assert!(host.recall(NOW, &other, &ack).is_none());
        assert!(
            Host::new(5).recall(NOW, &tuple(v6), &ack).is_none(),
            "another seed"
        );
    }
}

/// Good for a step at least and two at most. covers: 4987-5
#[test]
fn cookies_grow_old() {
    let mut host = Host::new(6);
    let start = Instant::from_nanos(10_000 * STEP_NANOS);
    for second in 0..64 {
        let baked_at = start + Duration::from_secs(second);
        let baked = host.bake(baked_at, &tuple(false), &syn(None, None), Offer::NONE);
        for age in 0..300 {
            let good = host
                .recall(
                    baked_at + Duration::from_secs(age),
                    &tuple(false),
                    &answer(&baked),
                )
                .is_some();
            assert_eq!(good, second + age < 128, "made at {second} s, {age} s old");
        }
    }
}

/// The key changes every 32 steps; what the last one has made is good for its time all the same.
/// covers: 4987-11
#[test]
fn keys_change_under_a_handshake() {
    let mut host = Host::new(7);
    let change = Instant::from_nanos(313 * KEY_STEPS * STEP_NANOS);
    let (before, after) = (
        change - Duration::from_secs(1),
        change + Duration::from_secs(1),
    );
    let old = host.bake(before, &tuple(false), &syn(None, None), Offer::NONE);
    let new = host.bake(after, &tuple(false), &syn(None, None), Offer::NONE);
    for at in [before, after, change + Duration::from_secs(63)] {
        assert!(host.recall(at, &tuple(false), &answer(&old)).is_some());
    }
    assert!(host.recall(after, &tuple(false), &answer(&new)).is_some());
    let key = |epoch: u64| {
        let SipKey(a, b) = host.secrets.syn_cookie_key(epoch);
        (a, b)
    };
    assert_ne!(key(312), key(313));
    assert_ne!(key(0), (0, 0));
}

/// Of a million guesses none is right, where 28 bits let 1 in 268 million be; and every bit of the
/// MAC depends on the client's number.
/// covers: 4987-4, ATT-5, ATT-19
#[test]
fn guesses_fail() {
    let mut host = Host::new(8);
    let mut state = 1_u64;
    let mut right = 0;
    for _ in 0..1_000_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let guess = seg(
            (state >> 32) as u32,
            state as u32,
            Flags::ACK,
            Options::default(),
        );
        right += u32::from(host.recall(NOW, &tuple(false), &guess).is_some());
    }
    assert_eq!(right, 0);
    let mut ones = [0_u32; 28];
    for isn in 0..10_000 {
        let asking = seg(isn, 0, Flags::SYN, Options::default());
        let baked = host.bake(NOW, &tuple(false), &asking, Offer::NONE);
        for (bit, count) in ones.iter_mut().enumerate() {
            *count += baked.iss.raw() >> (bit + 4) & 1;
        }
    }
    // 5000 expected; 6 standard deviations are 300.
    assert!(ones.iter().all(|n| n.abs_diff(5000) < 300), "{ones:?}");
}
