//! smoltcp's lifetimes.
//!
//! Its TIME-WAIT takes a whole socket that every packet is shown to, for 10 s: nobody could hold a
//! minute of them. The client gives a socket in TIME-WAIT up at once and uses it again.

use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use super::{Case, Done};
use crate::pair::smol::Pair;
use crate::pair::{Clock, Family, TURN};
use crate::pattern::{MESSAGE, answer, question};
use crate::population::smol::{BUFFER, open};
use crate::stopwatch::Stopwatch;

const PORT: u16 = 5001;
const FIRST_LOCAL_PORT: u16 = 1024;

pub(super) fn run(case: &Case) -> Result<Done, String> {
    let step = case.step_us.map_or(TURN, Duration::from_micros);
    let mut pair = Pair::new(1500, Family::V4, usize::MAX, Clock::Steps(step));
    let standing = open(&mut pair, Family::V4, case.standing as usize, 0)?;
    if case.is_by_wall() {
        pair.run_by_wall();
    }
    let mut churn = Churn::new(&mut pair, case.in_flight as usize);
    let packets = pair.packets;
    let warm = pair.now + case.warm_up();
    while pair.now < warm {
        churn.turn(&mut pair);
    }
    let warmed_up = churn.lifetimes;
    let watch = Stopwatch::start();
    match case.limit {
        // Those that are in flight at the end are not counted.
        Some(limit) => {
            while churn.lifetimes < limit {
                churn.turn(&mut pair);
            }
        }
        None => {
            let end = pair.now + case.measured();
            while pair.now < end {
                churn.turn(&mut pair);
            }
        }
    }
    let elapsed = watch.elapsed();
    let established = standing
        .iter()
        .filter(|(client, _)| pair.client.socket(*client).state() == State::Established);
    Ok(Done {
        lifetimes: churn.lifetimes - warmed_up,
        lifetimes_all: churn.lifetimes,
        wrong: churn.wrong,
        elapsed,
        packets_all: pair.packets - packets,
        established: established.count() as u64,
        ..Done::default()
    })
}

struct Churn {
    clients: Vec<Client>,
    servers: Vec<SocketHandle>,
    next_port: u16,
    next_question: u64,
    lifetimes: u64,
    wrong: u64,
}

struct Client {
    handle: SocketHandle,
    question: u64,
    asked: bool,
}

impl Churn {
    fn new(pair: &mut Pair, in_flight: usize) -> Self {
        let mut client = || Client {
            handle: pair.client.add_socket(BUFFER),
            question: 0,
            asked: false,
        };
        let clients = (0..in_flight).map(|_| client()).collect();
        let mut server = || pair.server.add_listener(BUFFER, PORT);
        let servers = (0..in_flight).map(|_| server()).collect();
        Self {
            clients,
            servers,
            next_port: FIRST_LOCAL_PORT,
            next_question: 0,
            lifetimes: 0,
            wrong: 0,
        }
    }

    fn turn(&mut self, pair: &mut Pair) {
        for n in 0..self.clients.len() {
            self.client(pair, n);
            server(pair, self.servers[n]);
        }
        pair.turn();
    }

    fn client(&mut self, pair: &mut Pair, n: usize) {
        let Client {
            handle,
            question: number,
            asked,
        } = &mut self.clients[n];
        let socket = pair.client.socket(*handle);
        match socket.state() {
            State::Established if !*asked => {
                let sent = socket.send_slice(&question(*number));
                *asked = sent == Ok(MESSAGE);
            }
            State::Established if socket.can_recv() => {
                let mut text = [0; MESSAGE];
                let read = socket.recv_slice(&mut text);
                let right = read == Ok(MESSAGE) && text == answer(&question(*number));
                self.wrong += u64::from(!right);
                socket.close();
            }
            State::Closed | State::TimeWait => {
                self.lifetimes += u64::from(*asked);
                socket.abort();
                *asked = false;
                *number = self.next_question;
                self.next_question += 1;
                let to = (Family::V4.server(), PORT);
                pair.client.connect(*handle, to, self.next_port);
                self.next_port = self.next_port.wrapping_add(1).max(FIRST_LOCAL_PORT);
            }
            _ => {}
        }
    }
}

fn server(pair: &mut Pair, handle: SocketHandle) {
    let socket = pair.server.socket(handle);
    if socket.can_recv() {
        let mut text = [0; MESSAGE];
        if socket.recv_slice(&mut text) == Ok(MESSAGE) {
            let sent = socket.send_slice(&answer(&text));
            assert_eq!(sent, Ok(MESSAGE), "there is room for an answer");
        }
    }
    match socket.state() {
        State::CloseWait => socket.close(),
        State::Closed => socket.listen(PORT).expect("a closed socket listens"),
        _ => {}
    }
}
