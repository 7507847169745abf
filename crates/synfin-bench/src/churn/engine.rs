//! synfin's lifetimes.

use std::time::Instant;

use synfin_core::{CloseReason, ConnId, Event, ListenerId, RecvOutcome, State};

use super::{Case, Done};
use crate::pair::engine::{App, Host, Pair, Remote, Setup};
use crate::pair::{Clock, Probe, START};
use crate::pattern::{MESSAGE, answer, question};
use crate::population;

const PORT: u16 = 5001;

/// Runs it; tells what it did, and gives the pair back with its probes.
pub(crate) fn run<P: Probe + Default>(case: &Case) -> Result<(Done, Pair<P>), String> {
    let clock = case.step_us.map_or_else(Clock::wall, |us| {
        Clock::Steps(std::time::Duration::from_micros(us))
    });
    let mut pair = Pair::<P>::new(Setup {
        addresses: case.addresses,
        time_wait: Some(case.time_wait_max),
        ..Setup::new(clock)
    });
    let _standing = population::engine::open(&mut pair, case.standing, 0)?;
    let listener = pair.listen(PORT, 2 * case.in_flight);
    let mut churn = Churn {
        in_flight: u64::from(case.in_flight),
        opened: 0,
        wrong: 0,
        listener,
        remote: pair.remote(PORT),
        failed: None,
    };
    let packets = pair.packets();
    let warm = pair.now.max(START) + case.warm_up();
    while pair.now < warm {
        churn.turn(&mut pair)?;
    }
    let warmed_up = pair.client.stack.counters().time_wait;
    pair.client.probe.begin();
    pair.server.probe.begin();
    let start = Instant::now();
    let end = pair.now + case.measured();
    while pair.now < end {
        churn.turn(&mut pair)?;
    }
    let nanos = start.elapsed().as_nanos() as u64;
    let (drops, retransmissions) = pair.blemishes();
    let counters = pair.client.stack.counters();
    let totals = pair.client.stack.totals();
    let done = Done {
        lifetimes: counters.time_wait - warmed_up,
        lifetimes_all: counters.time_wait,
        wrong: churn.wrong,
        nanos,
        packets_all: pair.packets() - packets,
        time_wait: totals[State::TimeWait].into(),
        evicted: counters.time_wait_overflow,
        drops,
        retransmissions,
        established: totals[State::Established].into(),
    };
    Ok((done, pair))
}

/// The applications of both ends.
pub(crate) struct Churn {
    in_flight: u64,
    opened: u64,
    wrong: u64,
    listener: ListenerId,
    remote: Remote,
    failed: Option<CloseReason>,
}

impl Churn {
    fn turn<P: Probe>(&mut self, pair: &mut Pair<P>) -> Result<(), String> {
        pair.turn(self);
        match self.failed {
            Some(reason) => Err(format!("a connection failed: {reason}")),
            None => Ok(()),
        }
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
        while self.opened - over < self.in_flight {
            client.connect(&mut self.remote);
            self.opened += 1;
        }
    }

    fn client(&mut self, client: &mut Host<P>, event: Event) {
        match event {
            Event::Connected(id) => {
                client.send(id, &question(id.as_u64()));
            }
            Event::Readable(id) => self.read_answer(client, id),
            Event::Closed { reason, .. } => self.failed = Some(reason),
            _ => {}
        }
    }

    fn server(&mut self, server: &mut Host<P>, event: Event) {
        match event {
            Event::Acceptable(_) => while server.accept(self.listener).is_some() {},
            Event::Readable(id) => Self::answer(server, id),
            Event::PeerFinished(id) => server.close(id),
            Event::Closed { reason, .. } => self.failed = Some(reason),
            _ => {}
        }
    }
}
