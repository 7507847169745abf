//! smoltcp's ping-pongs.

use std::collections::VecDeque;

use super::{Case, Done, OUTSTANDING, some};
use crate::pair::smol::Pair;
use crate::pair::{Clock, Family, TURN};
use crate::pattern::{MESSAGE, answer, question};
use crate::population::smol::{Ends, open};
use crate::stopwatch::Stopwatch;

pub(super) fn run(case: &Case) -> Result<Done, String> {
    let family = Family::of(case.family);
    let mut pair = Pair::new(1500, family, usize::MAX, Clock::Steps(TURN));
    let ends = open(&mut pair, family, case.n as usize, 0)?;
    let busy = some(&ends, case.busy);
    let mut pings = Pings::new(&busy, case.limit.unwrap_or(u64::MAX));
    if case.limit.is_none() {
        pair.run_by_wall();
        pings.turns_for(&mut pair, 0.5);
    }
    let (warm, packets) = (pings.answered, pair.packets);
    let watch = Stopwatch::start();
    match case.limit {
        Some(limit) => {
            // Far more turns than it takes.
            for _ in 0..limit {
                pings.turn(&mut pair);
            }
        }
        None => pings.turns_for(&mut pair, f64::from(case.seconds)),
    }
    Ok(Done {
        ping_pongs: pings.answered - warm,
        wrong: pings.wrong,
        elapsed: watch.elapsed(),
        packets: pair.packets - packets,
        misdirected: 0,
    })
}

struct Pings<'a> {
    ring: &'a [Ends],
    /// Places in the ring that nothing is outstanding on, the next to be asked first.
    free: VecDeque<usize>,
    left: u64,
    /// The place in the ring of each that is on its way: nobody looks at the others.
    outstanding: Vec<usize>,
    answered: u64,
    wrong: u64,
}

impl<'a> Pings<'a> {
    fn new(ring: &'a [Ends], limit: u64) -> Self {
        Self {
            ring,
            free: (0..ring.len()).collect(),
            left: limit,
            outstanding: Vec::new(),
            answered: 0,
            wrong: 0,
        }
    }

    fn turns_for(&mut self, pair: &mut Pair, seconds: f64) {
        let start = std::time::Instant::now();
        while start.elapsed().as_secs_f64() < seconds {
            self.turn(pair);
        }
    }

    fn turn(&mut self, pair: &mut Pair) {
        while self.left > 0 && self.outstanding.len() < OUTSTANDING.min(self.ring.len()) {
            let Some(place) = self.free.pop_front() else {
                break;
            };
            self.left -= 1;
            self.outstanding.push(place);
            let socket = pair.client.socket(self.ring[place].0);
            let sent = socket.send_slice(&question(place as u64));
            assert_eq!(sent, Ok(MESSAGE), "there is room for a message");
        }
        pair.turn();
        let mut text = [0; MESSAGE];
        let (ring, before) = (self.ring, self.outstanding.len());
        let (wrong, free) = (&mut self.wrong, &mut self.free);
        self.outstanding.retain(|place| {
            let (client, server) = ring[*place];
            let socket = pair.server.socket(server);
            if socket.can_recv() && socket.recv_slice(&mut text) == Ok(MESSAGE) {
                let sent = socket.send_slice(&answer(&text));
                assert_eq!(sent, Ok(MESSAGE), "there is room for a message");
            }
            let socket = pair.client.socket(client);
            if !socket.can_recv() {
                return true;
            }
            let read = socket.recv_slice(&mut text);
            let right = read == Ok(MESSAGE) && text == answer(&question(*place as u64));
            *wrong += u64::from(!right);
            free.push_back(*place);
            false
        });
        self.answered += (before - self.outstanding.len()) as u64;
    }
}
