//! Established connections of smoltcp.

use std::collections::HashMap;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use crate::pair::Family;
use crate::pair::smol::Pair;

/// Octets of each socket buffer: little, for smoltcp holds them while a connection is idle.
pub(crate) const BUFFER: usize = 512;
/// Listening sockets at a time; each packet is shown to every socket before its own.
const WINDOW: usize = 64;
/// Connections with one port of the server.
const PER_PORT: usize = 50_000;
const FIRST_PORT: u16 = 10_000;

/// The sockets of a connection, the client's first.
pub(crate) type Ends = (SocketHandle, SocketHandle);

/// Opens `n` connections, each of which carries `octets` each way.
pub(crate) fn open(
    pair: &mut Pair,
    family: Family,
    n: usize,
    octets: usize,
) -> Result<Vec<Ends>, String> {
    let mut ready: Vec<Ends> = Vec::with_capacity(n);
    while ready.len() < n {
        let mut fresh = open_some(pair, family, ready.len(), n as u32)?;
        exchange(pair, &fresh, octets)?;
        ready.append(&mut fresh);
    }
    Ok(ready)
}

/// Opens the next few of `n` connections, of which there are `from`.
pub(crate) fn open_some(
    pair: &mut Pair,
    family: Family,
    from: usize,
    n: u32,
) -> Result<Vec<Ends>, String> {
    // No window spans two ports.
    let port_ends = (from / PER_PORT + 1) * PER_PORT;
    let to = (from + WINDOW).min(n as usize).min(port_ends);
    connect(pair, family, from..to)
}

fn connect(
    pair: &mut Pair,
    family: Family,
    numbers: std::ops::Range<usize>,
) -> Result<Vec<Ends>, String> {
    let port = FIRST_PORT + (numbers.start / PER_PORT) as u16;
    let mut clients = Vec::new();
    let mut servers = Vec::new();
    for n in numbers {
        servers.push(pair.server.add_listener(BUFFER, port));
        let handle = pair.client.add_socket(BUFFER);
        let local_port = FIRST_PORT + (n % PER_PORT) as u16;
        pair.client
            .connect(handle, (family.server(), port), local_port);
        clients.push((local_port, handle));
    }
    settle(pair, "connected", |pair| {
        let established = |state| state == State::Established;
        let client = |&(_, handle): &(u16, _)| established(pair.client.socket(handle).state());
        let connected = clients.iter().all(client);
        connected
            && servers
                .iter()
                .all(|at| established(pair.server.socket(*at).state()))
    })?;
    let by_port: HashMap<u16, SocketHandle> = servers
        .iter()
        .filter_map(|at| Some((pair.server.socket(*at).remote_endpoint()?.port, *at)))
        .collect();
    let ends = clients
        .iter()
        .map(|(port, client)| (*client, by_port[port]));
    Ok(ends.collect())
}

/// Each carries `octets` each way.
pub(crate) fn exchange(pair: &mut Pair, ends: &[Ends], octets: usize) -> Result<(), String> {
    let text = vec![0xa5; octets];
    let mut block = vec![0; BUFFER];
    let mut progress = vec![(0, 0); ends.len()];
    settle(pair, "exchanged", |pair| {
        for ((client, server), (sent, back)) in ends.iter().zip(&mut progress) {
            let socket = pair.client.socket(*client);
            if *sent < octets && socket.can_send() {
                *sent += socket.send_slice(&text[*sent..]).expect("it is open");
            }
            if socket.can_recv() {
                *back += socket.recv_slice(&mut block).expect("text is there");
            }
            let socket = pair.server.socket(*server);
            let room = socket.send_capacity() - socket.send_queue();
            if socket.can_recv() && room > 0 {
                let len = socket
                    .recv_slice(&mut block[..room])
                    .expect("text is there");
                let sent = socket.send_slice(&block[..len]);
                assert_eq!(sent, Ok(len), "there is room for it");
            }
        }
        progress.iter().all(|(_, back)| *back == octets)
    })
}

/// Turns until `is_done`.
pub(crate) fn settle(
    pair: &mut Pair,
    what: &str,
    mut is_done: impl FnMut(&mut Pair) -> bool,
) -> Result<(), String> {
    for _ in 0..100_000 {
        if is_done(pair) {
            return Ok(());
        }
        if pair.turn() == 0 {
            pair.jump();
        }
    }
    Err(format!("smoltcp has not {what} in 100,000 turns"))
}
