//! How often connections challenge, alone and together.

use core::net::SocketAddr;
use core::time::Duration;

use synfin_core::wire::tcp::Options;
use synfin_core::{
    CloseReason, ConnId, ConnectOptions, DeviceCaps, DeviceId, Flags, Instant, ListenAddr,
    ListenOptions, Memory, Stack, StackConfig, State,
};

use crate::support::{Peer, Setup, Stage, ms};
use crate::target::Target;

/// Connections with a listener, each with the number that it expects next.
fn connections(target: &mut Target, count: u16) -> Vec<SocketAddr> {
    let sources = (1..=count).map(|port| SocketAddr::from(([10, 0, 0, 9], port)));
    let sources: Vec<SocketAddr> = sources.collect();
    for from in &sources {
        assert!(target.connect(*from).is_some());
    }
    sources
}

/// RSTs in the window but not at its edge, one for each connection in turn; tells how many were
/// challenged.
fn probe(target: &mut Target, sources: &[SocketAddr], rounds: u32) -> u64 {
    let before = target.tally.others;
    for _ in 0..rounds {
        for from in sources {
            let reset = target.packet(*from, 5002, 0, Flags::RST, Options::default());
            target.throw(&[reset]);
        }
    }
    target.tally.others - before
}

/// What an attacker counts on a connection of its own is the same whether its forged segments hit
/// somebody else's or not.
/// covers: ATT-9, DEC-6, 5961-8
#[test]
fn challenges_on_one_connection_tell_nothing_of_another() {
    let counts = [false, true].map(|hits| {
        let mut target = Target::new(ListenOptions::default(), |_| {});
        let sources = connections(&mut target, 2);
        let victim = if hits {
            sources[0]
        } else {
            SocketAddr::from(([10, 0, 0, 9], 77))
        };
        let on_victim = probe(&mut target, &[victim], 1000);
        assert_eq!(on_victim, if hits { 5 } else { 0 });
        probe(&mut target, &sources[1..], 1000)
    });
    assert_eq!(counts, [5, 5]);
}

/// All connections together have a limit as well, a different one each second that nobody can
/// foresee: what is missing on one's own connections is no measure of the others'.
/// covers: ATT-9, DEC-6
#[test]
fn the_limit_of_all_connections_is_drawn_anew_each_second() {
    let run = |seed_of_load: u16, per_second: u32| {
        let mut target = Target::new(ListenOptions::default(), |config| {
            config.tcp.challenge.per_second = per_second;
            config.tcp.challenge.burst = 20;
        });
        let sources = connections(&mut target, seed_of_load);
        let mut counts = Vec::new();
        for _ in 0..10 {
            target.wait(Duration::from_secs(10));
            counts.push(probe(&mut target, &sources, 20));
        }
        counts
    };
    let counts = run(40, 100);
    assert!(counts.iter().all(|n| (50..=150).contains(n)), "{counts:?}");
    let mut distinct = counts.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() >= 7, "{counts:?}");
    // Without a limit, and below it, each has its own and nothing else.
    assert_eq!(run(40, 0), [800; 10]);
    assert_eq!(run(2, 100), [40; 10]);
}

/// Somebody keeps the limit of a connection used up. A peer that has restarted is challenged within
/// a second all the same, and the connection gives way.
/// covers: ATT-25, 5961-5, 5961-8, AB-8
#[test]
fn a_restart_is_recognised_while_the_limit_is_used_up() {
    let mut peer = Peer::reach(Setup::default(), Stage::Established);
    for _ in 0..100 {
        peer.on("{RST seq=R+1}");
    }
    peer.expect("{SYN seq=50000}", "");
    let begin = peer.now;
    while peer.stack.conn(peer.id()).expect("a handle").state() != State::Closed {
        assert!(peer.now.saturating_duration_since(begin) <= ms(1000));
        peer.now = peer.now + ms(10);
        peer.stack.handle_timeout(peer.now);
        for _ in 0..10 {
            if peer.on("{RST seq=R+1}").contains("ack=11}") {
                // The host knows no such connection any more.
                peer.on("{RST seq=R}");
                break;
            }
        }
    }
    peer.ended(CloseReason::ResetByPeer);
    peer.on("{SYN seq=50000}");
}

/// Two stacks on a wire without delay.
struct Wire {
    ends: [(Stack, DeviceId); 2],
    now: Instant,
    packets: u32,
    last: Instant,
}

impl Wire {
    fn new() -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let ends = [1, 2].map(|last| {
            let mut config = StackConfig::default();
            config.tcp.options.timestamps = false;
            let mut stack = Stack::new(config, Memory::default(), [last; 32]).expect("sound");
            let device = stack.add_device(DeviceCaps::ip(1500));
            stack.add_address(device, [10, 0, 0, last].into(), 24);
            (stack, device)
        });
        Self {
            ends,
            now,
            packets: 0,
            last: now,
        }
    }

    /// Carries packets until there are none, at most so many.
    fn carry(&mut self, most: u32) {
        let limit = self.packets + most;
        loop {
            let before = self.packets;
            for from in [0, 1] {
                let mut sent = Vec::new();
                let (stack, device) = &mut self.ends[from];
                while let Some(frame) = stack.poll_transmit(self.now, *device) {
                    let mut bytes = vec![0; frame.len()];
                    frame.copy_into(&mut bytes);
                    sent.push(bytes);
                }
                self.packets += sent.len() as u32;
                for bytes in sent {
                    self.last = self.now;
                    self.deliver(1 - from, &bytes);
                }
            }
            if self.packets == before {
                return;
            }
            assert!(self.packets < limit, "a storm of {most} packets");
        }
    }

    fn deliver(&mut self, to: usize, bytes: &[u8]) {
        let (stack, device) = &mut self.ends[to];
        let frame = stack.frame_from(bytes);
        stack.handle_frame(self.now, *device, frame);
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now = self.now + ms(10);
            for (stack, _) in &mut self.ends {
                stack.handle_timeout(self.now);
            }
            self.carry(100);
        }
    }
}

/// Text was slipped in on both sides, so that each end waits for what the other takes for old: the
/// two do not acknowledge each other for ever.
/// covers: ATT-26, 1337-3, 5961-8
#[test]
fn two_ends_that_disagree_fall_silent() {
    let mut wire = Wire::new();
    let (server, client) = (SocketAddr::from(([10, 0, 0, 2], 80)), [10, 0, 0, 1]);
    let listener = wire.ends[1]
        .0
        .listen(ListenAddr::port(80), ListenOptions::default())
        .expect("a free port");
    let options = ConnectOptions {
        local_port: Some(5000),
        ..ConnectOptions::default()
    };
    let id = wire.ends[0].0.connect(wire.now, server, options);
    let ids: [ConnId; 2] = {
        let client_id = id.expect("a connection");
        wire.carry(100);
        [
            client_id,
            wire.ends[1].0.accept(listener).expect("a connection"),
        ]
    };
    for (end, id) in ids.into_iter().enumerate() {
        // Forged text for one end: in sequence, with a good acknowledgement.
        let info = wire.ends[end].0.conn(id).expect("a handle").info(wire.now);
        let (from, to) = if end == 0 {
            (server, SocketAddr::from((client, 5000)))
        } else {
            (SocketAddr::from((client, 5000)), server)
        };
        let header = synfin_core::wire::tcp::Header {
            src_port: from.port(),
            dst_port: to.port(),
            seq: info.rcv_nxt,
            ack: info.snd_nxt,
            flags: Flags::ACK,
            wnd: 1000,
            urgent: 0,
            options: Options::default(),
        };
        let forged = crate::support::wire::packet(from.ip(), to.ip(), &header, b"forged");
        wire.deliver(end, &forged);
    }
    let before = wire.packets;
    wire.carry(100);
    wire.wait(Duration::from_secs(60));
    let packets = wire.packets - before;
    // Two bursts of five, and what refills while they last.
    assert!(packets <= 20, "{packets} packets");
    let silent = wire.now.saturating_duration_since(wire.last);
    assert!(silent > Duration::from_secs(50), "silent for {silent:?}");
    for (end, id) in ids.into_iter().enumerate() {
        let conn = wire.ends[end].0.conn(id).expect("a handle");
        assert_eq!(conn.state(), State::Established);
    }
}
