//! synfin's ping-pongs.

use synfin_core::Shard;

use super::{Case, Done, OUTSTANDING, some};
use crate::exchange::Exchange;
use crate::pair::engine::{Pair, Setup};
use crate::pair::{Clock, Family, TURN, Unobserved};
use crate::pattern::MESSAGE;
use crate::population;
use crate::stopwatch::Stopwatch;

/// Some turns between two looks at the clock.
const TURNS: usize = 64;

/// Everything is established.
pub(super) struct Ready<'a> {
    case: &'a Case,
    pair: Pair<Unobserved>,
    exchange: Exchange,
}

pub(super) fn prepare(case: &Case, shard: Shard) -> Result<Ready<'_>, String> {
    let mut pair = Pair::<Unobserved>::new(Setup {
        family: Family::of(case.family),
        addresses: population::addresses(case.n, shard.count),
        shard,
        ..Setup::new(Clock::Steps(TURN))
    });
    let ids = population::engine::open(&mut pair, case.n, 0)?;
    let busy = some(&ids, case.busy);
    let questions = case.limit.unwrap_or(u64::MAX);
    let exchange = Exchange::new(&busy, MESSAGE, OUTSTANDING, questions);
    Ok(Ready {
        case,
        pair,
        exchange,
    })
}

impl Ready<'_> {
    pub(super) fn measure(self) -> Result<Done, String> {
        let Self {
            case,
            mut pair,
            mut exchange,
        } = self;
        if case.limit.is_none() {
            pair.run_by_wall();
            turns_for(&mut pair, &mut exchange, 0.5)?;
        }
        let (warm, packets) = (exchange.answered, pair.packets());
        let watch = Stopwatch::start();
        match case.limit {
            Some(_) => {
                while !exchange.is_over() && exchange.failed.is_none() {
                    if pair.turn(&mut exchange) == 0 {
                        return Err("an answer is missing".to_owned());
                    }
                }
            }
            None => turns_for(&mut pair, &mut exchange, f64::from(case.seconds))?,
        }
        let elapsed = watch.elapsed();
        match exchange.failed {
            Some(reason) => Err(reason),
            None => Ok(Done {
                ping_pongs: exchange.answered - warm,
                wrong: exchange.wrong,
                elapsed,
                packets: pair.packets() - packets,
                misdirected: pair.misdirected(),
            }),
        }
    }
}

fn turns_for(
    pair: &mut Pair<Unobserved>,
    exchange: &mut Exchange,
    seconds: f64,
) -> Result<(), String> {
    let start = std::time::Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        for _ in 0..TURNS {
            pair.turn(exchange);
        }
        if let Some(reason) = exchange.failed.take() {
            return Err(reason);
        }
    }
    Ok(())
}
