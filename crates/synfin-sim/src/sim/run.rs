//! The loop: jump to the next instant, and there go on until nothing more is due.

use std::time::Duration;

use synfin_core::Instant;

use crate::host::HostId;
use crate::sim::{Arrival, Due, Ran, Sim};

/// Rounds at one instant before a run counts as stuck.
const ROUNDS: u32 = 100_000;

impl Sim {
    /// Runs for so long.
    pub fn run_for(&mut self, duration: Duration) -> Ran {
        self.run_until(self.now + duration)
    }

    /// Runs until nothing is due any more, at most for `limit`.
    pub fn run_until_idle(&mut self, limit: Duration) -> Ran {
        let until = self.now + limit;
        loop {
            match self.next_instant() {
                None => return Ran::Idle,
                Some(at) if at > until => return Ran::TimeOver,
                Some(at) => self.step(at),
            }
        }
    }

    /// Runs to an instant; the clock stands there afterwards.
    pub fn run_until(&mut self, until: Instant) -> Ran {
        loop {
            match self.next_instant() {
                Some(at) if at <= until => self.step(at),
                next => {
                    self.now = self.now.max(until);
                    self.clock.set(self.now);
                    return if next.is_some() {
                        Ran::TimeOver
                    } else {
                        Ran::Idle
                    };
                }
            }
        }
    }

    /// Runs until `done` says so, looking after each instant; at most for `limit`. Tells whether
    /// it did.
    pub fn run_while(
        &mut self,
        limit: Duration,
        mut goes_on: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let until = self.now + limit;
        while goes_on(self) {
            match self.next_instant() {
                Some(at) if at <= until => self.step(at),
                _ => return false,
            }
        }
        true
    }

    fn next_instant(&self) -> Option<Instant> {
        if self.is_busy() {
            return Some(self.now);
        }
        let hosts = self
            .hosts
            .iter()
            .filter_map(|host| host.engine.as_ref()?.deadline);
        [self.schedule.first(), self.clock.first()]
            .into_iter()
            .flatten()
            .chain(hosts)
            .min()
            .map(|at| at.max(self.now))
    }

    /// Something is to be done before time can pass.
    fn is_busy(&self) -> bool {
        self.executor.is_ready()
            || self.hosts.iter().any(|host| {
                host.attachments.iter().any(|at| at.port.has_outgoing())
                    || match &host.engine {
                        Some(engine) => host.touched || engine.is_due(self.now),
                        None => false,
                    }
            })
    }

    fn step(&mut self, at: Instant) {
        self.now = at;
        self.clock.set(at);
        for _ in 0..ROUNDS {
            while let Some(due) = self.schedule.pop_due(at) {
                self.carry_out(due);
            }
            self.executor.run();
            for host in 0..self.hosts.len() {
                self.turn(host);
            }
            if !self.is_busy() && self.schedule.first().is_none_or(|next| next > at) {
                return;
            }
        }
        panic!("seed {}: stuck at {:?}", self.seed, self.elapsed());
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Packet(arrival) => self.arrive(arrival),
            Due::Wake { host, life, token } => {
                let host = &mut self.hosts[host];
                if let (Some(engine), true) = (&mut host.engine, host.life == life) {
                    engine.due_wakes.push(token);
                    host.touched = true;
                }
            }
            Due::Call(act) => act(self),
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        self.note_arrival(&arrival);
        let host = &mut self.hosts[arrival.host];
        if host.crashed {
            return;
        }
        host.touched = true;
        host.attachments[arrival.attachment]
            .port
            .deliver(arrival.octets);
    }

    /// Gives a host its turn, if one is due, and takes what it sends.
    fn turn(&mut self, index: usize) {
        let now = self.now;
        let host = &mut self.hosts[index];
        if let Some(engine) = &mut host.engine {
            if host.touched || engine.is_due(now) {
                host.touched = false;
                let wants = engine.turn(host.config.reads(now), &mut host.attachments);
                engine.deadline = engine.deadline.map(|at| host.config.reaches(at));
                let life = host.life;
                for (at, token) in wants.wakes {
                    let host = index;
                    self.schedule
                        .push(at.max(now), Due::Wake { host, life, token });
                }
                self.take_packets(index);
                self.after_turn(index);
                for text in wants.notes {
                    self.note(HostId(index), now, text);
                }
                return;
            }
        }
        self.take_packets(index);
    }

    /// Records and checks.
    fn after_turn(&mut self, index: usize) {
        self.record_traces(index);
        if self.checks.connections {
            if let Some(engine) = &self.hosts[index].engine {
                engine.stack.check();
            }
        }
    }
}
