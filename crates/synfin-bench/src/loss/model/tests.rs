//! The model against laws that do not come from it.

use super::*;
use crate::loss::args::Controller::{Bbr, Bbr3, Cubic, Newreno};

/// The mean share of a few seeds.
fn share(cc: Controller, loss: f64) -> f64 {
    let case = Case {
        cc,
        loss,
        seconds: 60,
    };
    let seeds = 1..=4;
    let shares = seeds.map(|seed| case.share(run(case, seed).unwrap().octets));
    shares.sum::<f64>() / 4.0
}

fn within(share: f64, least: f64, most: f64) {
    assert!((least..=most).contains(&share), "{share}: {least}..{most}");
}

#[test]
fn a_clean_link_carries_all_but_headers() {
    for cc in [Newreno, Cubic] {
        within(share(cc, 0.0), 0.95, 0.966);
    }
    within(share(Bbr, 0.0), 0.93, 0.966);
    within(share(Bbr3, 0.0), 0.90, 0.966);
}

/// 1.22 / sqrt(p) segments a round trip (RFC 3649 section 2).
#[test]
fn newreno_follows_the_square_root_law() {
    for loss in [0.001, 0.01, 0.03] {
        let window = 1.22 / f64::sqrt(loss);
        let law = window * 1448.0 * 8.0 / 0.040 / 100e6;
        within(share(Newreno, loss), law * 0.8, law * 1.3);
    }
}

#[test]
fn cubic_is_no_slower_than_newreno() {
    for loss in [0.001, 0.01, 0.03] {
        let newreno = share(Newreno, loss);
        within(share(Cubic, loss), newreno * 0.95, newreno * 1.6);
    }
}

/// Beyond what the link loses: about 2 % for looks at the delay, 1 % for the pacing margin, and
/// a rate estimate that knows of delivered packets only, most of the loss once more.
#[test]
fn bbr_loses_what_the_link_loses_and_little_more() {
    for loss in [0.001, 0.01, 0.03] {
        let ceiling = (1.0 - loss) * 1448.0 / 1500.0;
        within(share(Bbr, loss), ceiling * (0.96 - loss), ceiling);
    }
}

/// 2 % of loss in a flight is where it yields.
#[test]
fn bbr3_keeps_the_rate_below_its_threshold_only() {
    within(share(Bbr3, 0.001), 0.75, 0.966);
    within(share(Bbr3, 0.01), 0.35, 0.90);
    within(share(Bbr3, 0.03), 0.02, 0.30);
}

#[test]
fn nothing_is_sent_again_in_vain() {
    for cc in [Newreno, Cubic, Bbr, Bbr3] {
        let case = Case {
            cc,
            loss: 0.01,
            seconds: 5,
        };
        let outcome = run(case, 7).unwrap();
        assert!(outcome.retransmissions <= outcome.drops(), "{outcome:?}");
        assert_eq!(run(case, 7), Some(outcome));
        assert_ne!(run(case, 8), Some(outcome));
    }
}
