//! synfin under a flood.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use synfin_core::{ConnId, Event, ListenerId, RecvOutcome, Route, State};

use super::generator::{Generator, answers_flood};
use super::{Case, Done, GRACE, LEGITIMATE_EVERY};
use crate::memory;
use crate::pair::engine::{Host, Pair, Remote, Setup};
use crate::pair::{BATCH, Clock, Unobserved};
use crate::pattern::{MESSAGE, answer, question};
use crate::population;

const PORT: u16 = 5001;
/// Both queues of the listener, as by default.
const BACKLOG: u32 = 1024;

pub(super) fn run(case: &Case) -> Result<Done, String> {
    let mut pair = Pair::<Unobserved>::new(Setup {
        addresses: population::addresses(case.standing + 100_000, 1),
        ..Setup::new(Clock::Steps(case.turn()))
    });
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let device = pair.server.device();
    pair.server
        .stack
        .add_route(Route::on_link(everywhere, 0, device));
    let _standing = population::engine::open(&mut pair, case.standing, 0)?;
    let listener = pair.listen(PORT, BACKLOG);
    let IpAddr::V4(server) = pair.family.server() else {
        return Err("the flood is of IPv4".to_owned());
    };
    let mut flood = Flood {
        generator: Generator::new(server, PORT),
        listener,
        remote: pair.remote(PORT),
        to_client: Vec::new(),
        done: Done::default(),
    };
    let before = memory::resident()?;
    let (drops, repeats) = counts(&pair);
    let end = pair.now + case.time();
    let (last, mut due) = (end - GRACE, pair.now);
    while pair.now < end {
        pair.set_now(pair.now + case.turn());
        flood.arrives(&mut pair.server);
        if pair.now < last && pair.now >= due {
            due = due + LEGITIMATE_EVERY;
            pair.client.connect(&mut flood.remote)?;
            flood.done.attempts += 1;
        }
        flood.client(&mut pair);
    }
    let mut done = flood.done;
    let (drops_now, repeats_now) = counts(&pair);
    done.grown = memory::resident()? as i64 - before as i64;
    done.drops = drops_now - drops;
    // What the stack sends again answers no further SYN.
    done.answered = done.answered.saturating_sub(repeats_now - repeats);
    done.established = pair.server.stack.totals()[State::Established];
    Ok(done)
}

/// Drops and retransmissions of the server.
fn counts(pair: &Pair<Unobserved>) -> (u64, u64) {
    let counters = pair.server.stack.counters();
    let drops = counters.drops().map(|(_, n)| n).sum();
    (drops, counters.retrans_segs)
}

struct Flood {
    generator: Generator,
    listener: ListenerId,
    remote: Remote,
    /// Packets for the client.
    to_client: Vec<Vec<u8>>,
    done: Done,
}

impl Flood {
    /// A batch of SYNs, and everything that the server does about them.
    fn arrives(&mut self, server: &mut Host<Unobserved>) {
        let start = Instant::now();
        for _ in 0..BATCH {
            server.push(self.generator.next());
        }
        self.done.syns += BATCH as u64;
        self.done.generator_nanos += nanos(start.elapsed());
        let start = Instant::now();
        server.handle_batch();
        self.serve(server);
        self.done.stack_nanos += nanos(start.elapsed());
    }

    /// Events, timeouts, and what leaves.
    fn serve(&mut self, server: &mut Host<Unobserved>) {
        server.handle_timeout();
        while let Some(event) = server.poll_event() {
            self.server(server, event);
        }
        let to_client = &mut self.to_client;
        let read = |packet: &synfin_core::Transmit<'_>| {
            let answers = answers_flood(packet.header);
            if answers.is_none() {
                let mut octets = vec![0; packet.len()];
                packet.copy_into(&mut octets);
                to_client.push(octets);
            }
            answers
        };
        let mut read = read;
        while let Some(answers) = server.transmit(&mut read) {
            self.done.answered += u64::from(answers == Some(true));
        }
    }

    fn server(&mut self, server: &mut Host<Unobserved>, event: Event) {
        match event {
            Event::Acceptable(_) => while server.accept(self.listener).is_some() {},
            Event::Readable(id) => {
                let mut text = [0; MESSAGE];
                if server.recv(id, &mut text) == RecvOutcome::Data(MESSAGE) {
                    server.send(id, &answer(&text));
                }
            }
            Event::PeerFinished(id) => server.close(id),
            _ => {}
        }
    }

    /// The turn of the client that means it. What it sends reaches the server at once.
    fn client(&mut self, pair: &mut Pair<Unobserved>) {
        pair.client.handle_timeout();
        self.client_events(&mut pair.client);
        while pair.client.carry_to(&mut pair.server) > 0 {
            self.serve(&mut pair.server);
        }
        for packet in self.to_client.drain(..) {
            pair.client.push(&packet);
        }
        pair.client.handle_batch();
        self.client_events(&mut pair.client);
    }

    fn client_events(&mut self, client: &mut Host<Unobserved>) {
        while let Some(event) = client.poll_event() {
            match event {
                Event::Connected(id) => {
                    client.send(id, &question(id.as_u64()));
                }
                Event::Readable(id) => self.read_answer(client, id),
                _ => {}
            }
        }
    }

    fn read_answer(&mut self, client: &mut Host<Unobserved>, id: ConnId) {
        let mut text = [0; MESSAGE];
        let outcome = client.recv(id, &mut text);
        let right = outcome == RecvOutcome::Data(MESSAGE) && text == answer(&question(id.as_u64()));
        self.done.successes += u64::from(right);
        self.done.wrong += u64::from(!right);
        client.close(id);
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}
