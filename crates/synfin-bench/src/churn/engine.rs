//! synfin's lifetimes.

use std::time::Duration;

use synfin_core::{ConnId, Event, ListenerId, RecvOutcome, Shard, State};

use super::{Case, Done};
use crate::pair::engine::{App, Host, Pair, Remote, Setup};
use crate::pair::{Clock, Probe, TURN};
use crate::pattern::{MESSAGE, answer, question};
use crate::population;
use crate::stopwatch::Stopwatch;

const PORT: u16 = 5001;

/// What stands beside it is established.
pub(super) struct Ready<'a, P> {
    case: &'a Case,
    pub(super) pair: Pair<P>,
}

pub(super) fn prepare<P: Probe + Default>(
    case: &Case,
    shard: Shard,
) -> Result<Ready<'_, P>, String> {
    let step = case.step_us.map_or(TURN, Duration::from_micros);
    let mut pair = Pair::<P>::new(Setup {
        addresses: case.addresses,
        time_wait: Some(case.time_wait_max.div_ceil(shard.count.into())),
        shard,
        ..Setup::new(Clock::Steps(step))
    });
    let _standing = population::engine::open(&mut pair, case.standing, 0)?;
    Ok(Ready { case, pair })
}

impl<P: Probe> Ready<'_, P> {
    /// Runs it; tells what it did, and gives the pair back with its probes.
    pub(super) fn measure(self) -> Result<(Done, Pair<P>), String> {
        let Self { case, mut pair } = self;
        if case.is_by_wall() {
            pair.run_by_wall();
        }
        let mut churn = Churn::new(&mut pair, case.in_flight, case.limit.unwrap_or(u64::MAX));
        let packets = pair.packets();
        let warm = pair.now + case.warm_up();
        while pair.now < warm {
            churn.turn(&mut pair)?;
        }
        let warmed_up = pair.client.stack.counters().time_wait;
        pair.client.probe.begin();
        pair.server.probe.begin();
        let watch = Stopwatch::start();
        match case.limit {
            Some(_) => churn.all(&mut pair)?,
            None => {
                let end = pair.now + case.measured();
                while pair.now < end {
                    churn.turn(&mut pair)?;
                }
            }
        }
        let elapsed = watch.elapsed();
        let (drops, retransmissions) = pair.blemishes();
        let counters = pair.client.stack.counters();
        let totals = pair.client.stack.totals();
        let done = Done {
            lifetimes: counters.time_wait - warmed_up,
            lifetimes_all: counters.time_wait,
            wrong: churn.wrong,
            elapsed,
            packets_all: pair.packets() - packets,
            time_wait: totals[State::TimeWait].into(),
            evicted: counters.time_wait_overflow,
            drops,
            retransmissions,
            established: totals[State::Established].into(),
            misdirected: pair.misdirected(),
        };
        Ok((done, pair))
    }
}

/// The applications of both ends.
pub(crate) struct Churn {
    in_flight: u64,
    /// Connections to open in all.
    limit: u64,
    opened: u64,
    wrong: u64,
    listener: ListenerId,
    remote: Remote,
    failed: Option<String>,
}

impl Churn {
    /// Opens `limit` connections, so many at a time.
    pub(crate) fn new<P: Probe>(pair: &mut Pair<P>, in_flight: u32, limit: u64) -> Self {
        Self {
            in_flight: u64::from(in_flight),
            limit,
            opened: 0,
            wrong: 0,
            listener: pair.listen(PORT, 2 * in_flight),
            remote: pair.remote(PORT),
            failed: None,
        }
    }

    pub(crate) fn turn<P: Probe>(&mut self, pair: &mut Pair<P>) -> Result<usize, String> {
        let carried = pair.turn(self);
        match self.failed.take() {
            Some(reason) => Err(reason),
            None if self.wrong > 0 => Err("an answer was wrong".to_owned()),
            None => Ok(carried),
        }
    }

    /// Opens and ends all of them.
    fn all<P: Probe>(&mut self, pair: &mut Pair<P>) -> Result<(), String> {
        while pair.client.stack.counters().time_wait < self.limit {
            if self.turn(pair)? == 0 {
                return Err("a lifetime does not end".to_owned());
            }
        }
        self.settle(pair)
    }

    /// Carries what is still on its way.
    pub(crate) fn settle<P: Probe>(&mut self, pair: &mut Pair<P>) -> Result<(), String> {
        while self.turn(pair)? > 0 {}
        Ok(())
    }

    /// The question of a connection is made of its name, which is never used again.
    fn read_answer<P: Probe>(&mut self, client: &mut Host<P>, id: ConnId) {
        let mut text = [0; MESSAGE];
        let outcome = client.recv(id, &mut text);
        let expected = answer(&question(id.as_u64()));
        let right = outcome == RecvOutcome::Data(MESSAGE) && text == expected;
        self.wrong += u64::from(!right);
        client.close(id);
    }

    fn answer<P: Probe>(server: &mut Host<P>, id: ConnId) {
        let mut text = [0; MESSAGE];
        if server.recv(id, &mut text) == RecvOutcome::Data(MESSAGE) {
            server.send(id, &answer(&text));
        }
    }
}

impl<P: Probe> App<P> for Churn {
    fn begin(&mut self, client: &mut Host<P>) {
        let over = client.stack.counters().time_wait;
        while self.opened < self.limit && self.opened - over < self.in_flight {
            if let Err(reason) = client.connect(&mut self.remote) {
                self.failed = Some(reason);
                return;
            }
            self.opened += 1;
        }
    }

    fn client(&mut self, client: &mut Host<P>, event: Event) {
        match event {
            Event::Connected(id) => {
                client.send(id, &question(id.as_u64()));
            }
            Event::Readable(id) => self.read_answer(client, id),
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }

    fn server(&mut self, server: &mut Host<P>, event: Event) {
        match event {
            Event::Acceptable(_) => while server.accept(self.listener).is_some() {},
            Event::Readable(id) => Self::answer(server, id),
            Event::PeerFinished(id) => server.close(id),
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }
}
