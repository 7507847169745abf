//! smoltcp's flows.

use smoltcp::iface::SocketHandle;

use super::{Case, Done};
use crate::pair::smol::Pair;
use crate::pair::{BATCH, Clock, Family, TURN};
use crate::pattern::{BLOCK, Stream};
use crate::stopwatch::Stopwatch;

const PORT: u16 = 5001;
const LOCAL_PORT: u16 = 20_000;

/// The two ends of a flow.
struct Flow {
    sender: SocketHandle,
    receiver: SocketHandle,
    written: u64,
    read: u64,
    ended: bool,
}

pub(super) fn run(case: &Case) -> Result<Done, String> {
    let clock = Clock::Steps(TURN);
    let mut pair = Pair::new(case.mtu as usize, Family::V4, BATCH, clock);
    let mut flows: Vec<Flow> = (0..case.flows)
        .map(|n| open(&mut pair, n as u16, case.buffer as usize))
        .collect();
    let stream = Stream::new();
    let mut block = vec![0; BLOCK];
    let mut done = Done::default();
    let watch = Stopwatch::start();
    while !flows.iter().all(|flow| flow.ended) {
        if pair.turn() == 0 {
            pair.jump();
        }
        for flow in &mut flows {
            write(&mut pair, flow, &stream, case.of_flow());
            done.wrong += read(&mut pair, flow, &stream, &mut block, case);
        }
    }
    done.elapsed = watch.elapsed();
    done.octets = flows.iter().map(|flow| flow.read).sum();
    done.packets = pair.packets;
    Ok(done)
}

/// Each flow has a port of the server of its own: a listening socket becomes the connection.
fn open(pair: &mut Pair, n: u16, buffer: usize) -> Flow {
    let receiver = pair.server.add_listener(buffer, PORT + n);
    let sender = pair.client.add_socket(buffer);
    let to = (Family::V4.server(), PORT + n);
    pair.client.connect(sender, to, LOCAL_PORT + n);
    Flow {
        sender,
        receiver,
        written: 0,
        read: 0,
        ended: false,
    }
}

fn write(pair: &mut Pair, flow: &mut Flow, stream: &Stream, of_flow: u64) {
    let socket = pair.client.socket(flow.sender);
    while flow.written < of_flow && socket.can_send() {
        let text = stream.from(flow.written);
        let left = usize::try_from(of_flow - flow.written).unwrap_or(usize::MAX);
        let queued = socket.send_slice(&text[..text.len().min(left)]);
        let queued = queued.expect("an open connection takes text");
        flow.written += queued as u64;
        if flow.written == of_flow {
            socket.close();
        }
    }
}

/// Tells how many reads were wrong.
fn read(pair: &mut Pair, flow: &mut Flow, stream: &Stream, block: &mut [u8], case: &Case) -> u64 {
    let socket = pair.server.socket(flow.receiver);
    let mut wrong = 0;
    while socket.can_recv() {
        let len = socket.recv_slice(block).expect("text is there");
        wrong += u64::from(!stream.agrees(flow.read, &block[..len], case.verify));
        flow.read += len as u64;
    }
    if !flow.ended && flow.read > 0 && !socket.may_recv() {
        flow.ended = true;
        socket.close();
    }
    wrong
}
