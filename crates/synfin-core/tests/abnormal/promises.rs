//! Promises that hold in more than one state: batches, edges of windows, memory, any octets.

use synfin_core::{
    CloseReason, ConnectError, ConnectOptions, Event, Flags, KeepAlive, ListenOptions, Profile,
    Shutdown, StackConfig, State,
};

use crate::support::peer::STACK_PORT;
use crate::support::wire::seal;
use crate::support::{Peer, Setup, Stage, ms, s};

/// A batch is taken whole before anything is acknowledged, in whatever order it stands in it.
/// covers: 9293-MUST-59, 9293-MUST-58, EV-14, BUG-25
#[test]
fn a_batch_is_acknowledged_once() {
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    for setup in Setup::variants() {
        for order in orders {
            let mut peer = Peer::open(setup.clone());
            let all = [
                "{. seq=1 ack=1 len=1000}",
                "{. seq=1001 ack=1 len=1000}",
                "{. seq=2001 ack=1 len=1000}",
                "{FIN. seq=3001 ack=1 len=1000}",
            ];
            peer.batch(&order.map(|n| all[n]));
            assert_eq!(peer.replies(), "{. seq=1 ack=4002}", "{order:?}");
            peer.is(State::CloseWait);
            assert_eq!(peer.read(), 4000);
        }
    }
}

/// A segment that arrives calls forth one acknowledgement at most, whatever it is.
/// covers: INV-9
#[test]
fn one_acknowledgement_for_a_segment() {
    let segments = [
        "{. seq=R-1 ack=N len=1}",
        "{. seq=R ack=N len=10}",
        "{. seq=R+2000 ack=N len=10}",
        "{. seq=E ack=N len=10}",
        "{. seq=R ack=N+1 len=10}",
        "{SYN seq=R}",
        "{RST seq=R+1}",
        "{FIN. seq=R+2000 ack=N}",
    ];
    for stage in Stage::SYNCHRONIZED {
        for segment in segments {
            let mut peer = Peer::reach(Setup::default(), stage);
            let reply = peer.on(segment);
            let count = reply.matches('{').count();
            assert!(count <= 1, "{stage:?}, {segment}: {reply}");
        }
    }
}

/// One octet is not held, neither alone nor behind another one that is in flight.
/// covers: 9293-MUST-60, 9293-MUST-61, 9293-SHLD-7, 9293-MUST-17, 9293-MAY-15
#[test]
fn an_octet_is_not_held() {
    for nodelay in [false, true] {
        let mut peer = Peer::open(Setup::default());
        peer.set(|options| options.nodelay = nodelay);
        peer.write(1);
        let first = peer.drain();
        assert_eq!(peer.text(&first), "{. seq=1 ack=1 len=1}");
        assert!(first[0].has(Flags::PSH), "the last of the queue");
        peer.write(1);
        peer.write(1);
        let (at_once, after_ack) = if nodelay {
            ("{. seq=2 ack=1 len=2}", "")
        } else {
            ("", "{. seq=2 ack=1 len=2}")
        };
        assert_eq!(peer.replies(), at_once);
        peer.expect("{. seq=1 ack=2}", after_ack);
    }
}

/// RST with text in it resets as one without.
/// covers: 9293-SHLD-2, ST-416, RP-5
#[test]
fn reset_with_text() {
    for setup in Setup::variants() {
        for segment in ["{RST seq=R len=20}", "{RST. seq=R ack=N len=20}"] {
            let mut peer = Peer::reach(setup.clone(), Stage::Established);
            peer.expect(segment, "");
            peer.ended(CloseReason::ResetByPeer);
            assert_eq!(peer.read(), 0);
            peer.gone();
        }
    }
}

/// A RST at the right edge of what was received out of order is challenged like any other.
/// covers: RP-10, ST-416
#[test]
fn reset_at_the_edge_of_a_sack_block() {
    for setup in Setup::variants() {
        let mut peer = Peer::open(Setup {
            sack: true,
            ..setup
        });
        peer.expect("{. seq=101 ack=1 len=100}", "{. seq=1 ack=1}");
        peer.expect("{RST seq=201}", "{. seq=1 ack=1}");
        peer.is(State::Established);
        peer.expect("{RST seq=1}", "");
        peer.ended(CloseReason::ResetByPeer);
    }
}

/// Text on a SYN is not taken, and comes again: once in the stream.
/// covers: 9293-U13, 9293-U2, ST-101
#[test]
fn text_on_a_syn() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup.clone(), Stage::Listen);
        peer.expect("{SYN seq=0 len=5}", "{SYN. seq=0 ack=1}");
        peer.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
        assert!(peer.accept());
        assert_eq!(peer.read(), 10);

        let mut peer = Peer::reach(setup, Stage::SynSent);
        let reply = peer.on("{SYN. seq=0 ack=1 len=5}");
        assert!(
            reply.ends_with("ack=1}") || reply.ends_with("ack=6}"),
            "{reply}"
        );
        peer.is(State::Established);
        peer.on("{. seq=1 ack=1 len=10}");
        assert_eq!(peer.read(), 10);
    }
}

/// An MSS of 65 535 stands for no limit: segments are as long as the path takes them.
/// covers: 9293-U14, 9293-SHLD-28
#[test]
fn mss_without_limit() {
    for v6 in [false, true] {
        let mut peer = Peer::reach(
            Setup {
                v6,
                ..Setup::default()
            },
            Stage::SynSent,
        );
        peer.expect("{SYN. seq=0 ack=1 mss=65535}", "{. seq=1 ack=1}");
        peer.set(|options| options.nodelay = true);
        peer.write(5000);
        let sent = peer.drain();
        let lens: Vec<usize> = sent.iter().map(|segment| segment.text.len()).collect();
        let mss = if v6 { 1440 } else { 1460 };
        assert_eq!(lens, [mss, mss, mss, 5000 - 3 * mss]);
    }
}

/// A host that has lost everything needs no quiet time: a number of a four-tuple moves on with
/// the clock, faster than text could have used the old ones up to now.
/// covers: 9293-U10, 9293-MUST-8
#[test]
fn numbers_go_on_after_a_restart() {
    let mut before = Peer::reach(Setup::default(), Stage::SynSent);
    let first = before.iss.expect("a SYN");
    for seconds in [1, 60, 3600] {
        let mut after = Peer::new(Setup::default());
        after.now = before.now + s(seconds);
        after.connect();
        after.drain();
        let second = after.iss.expect("a SYN");
        let steps = (seconds * 250_000) as u32;
        assert_eq!(second.raw().wrapping_sub(first.raw()), steps);
    }
    before.abort();
}

/// The right edge of the window never moves to the left, however slowly the application reads; a
/// scaled one only by what the scale cannot say (RFC 7323 section 2.4).
/// covers: INV-3, 9293-SHLD-14, 9293-U7, 9293-MAY-8
#[test]
fn the_right_edge_never_moves_back() {
    for scale in [None, Some(7)] {
        let mut peer = Peer::open(Setup {
            scale,
            ..Setup::default()
        });
        let shift = u32::from(scale.map_or(0, |_| peer.stack_shift));
        let mut edge = 0;
        let mut buf = [0; 7];
        for step in 0..400_i64 {
            let room = peer.marks.e - peer.marks.r;
            let len = room.min(1 + (step * 131) % 1460);
            peer.batch(&[&format!("{{. seq=R ack=1 len={len}}}")]);
            let mut sent = peer.drain();
            if step % 3 == 0 {
                let id = peer.id();
                let mut conn = peer.stack.conn_mut(id).expect("a handle");
                for _ in 0..step % 40 {
                    let _ = conn.recv(&mut buf);
                }
            }
            sent.extend(peer.wait(ms(50)));
            for segment in sent {
                let (_, ack) = peer.relative(&segment);
                let now = ack + (i64::from(segment.wnd) << shift);
                assert!(now > edge - (1 << shift), "step {step}: {edge} to {now}");
                edge = edge.max(now);
            }
        }
        assert!(edge > 17_000, "the window moved at all: {edge}");
        peer.is(State::Established);
    }
}

/// An application that reads nothing binds no more memory than its buffers, with text in order
/// and in pieces out of order.
/// covers: INV-10
#[test]
fn memory_of_a_connection_is_bounded() {
    let mut peer = Peer::open(Setup::default());
    let bound = {
        let conn = peer.stack.conn(peer.id()).expect("a handle");
        let info = conn.info(peer.now);
        // Text that just fits may lie in chunks with as much room again.
        2 * (info.recv_limit + info.send_limit) as usize + 65_664
    };
    while peer.write(10_000) > 0 {}
    for n in 0..2000_i64 {
        let seq = 1 + (n * 7919) % 20_000;
        peer.batch(&[&format!("{{. seq={seq} ack=1 len={}}}", 1 + n % 3)]);
        peer.drain();
        let bytes = peer.stack.buffer_bytes();
        assert!(
            bytes <= bound,
            "segment {n}: {bytes} octets, at most {bound}"
        );
    }
}

/// Nothing that comes from the network panics: random octets, and segments with random changes.
/// covers: INV-14, ATT-38, ATT-39
#[test]
fn any_octets_are_survived() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let places = [false, true].map(|v6| Stage::ALL.map(|stage| (v6, stage)));
    for (v6, stage) in places.into_iter().flatten() {
        for _ in 0..40 {
            let setup = Setup {
                v6,
                timestamps: true,
                sack: true,
                ..Setup::default()
            };
            let mut peer = Peer::reach(setup, stage);
            for _ in 0..50 {
                let bytes = spoiled(&mut peer, &mut random);
                peer.deliver(&[bytes]);
                while peer.stack.poll_transmit(peer.now, peer.device).is_some() {}
                peer.now = peer.now + ms(random() % 50);
                peer.stack.handle_timeout(peer.now);
            }
            peer.stack.check();
        }
    }
}

/// A segment with some octets changed, and perhaps cut off.
fn spoiled(peer: &mut Peer, random: &mut impl FnMut() -> u64) -> Vec<u8> {
    let mut bytes = peer.build("{. seq=R ack=N len=40}");
    for _ in 0..=random() % 6 {
        let at = (random() % bytes.len() as u64) as usize;
        bytes[at] = random() as u8;
    }
    if random() % 4 == 0 {
        bytes.truncate((random() % bytes.len() as u64) as usize);
    }
    let header = if peer.setup.v6 { 40 } else { 20 };
    if bytes.len() >= header + 20 {
        // The checksum is right, so that the change gets through to TCP.
        bytes[header + 16..header + 18].fill(0);
        let (src, dst) = (peer.remote.ip(), peer.local.ip());
        seal(src, dst, &mut bytes[header..]);
    }
    bytes
}

/// A listener stays one: it is no connection that could send, and a second one is refused.
/// covers: ST-107, 9293-MUST-41
#[test]
fn a_listener_stays_a_listener() {
    let mut peer = Peer::open_passive(Setup::default());
    let at = synfin_core::ListenAddr::port(STACK_PORT);
    assert!(peer.stack.listen(at, ListenOptions::default()).is_err());
    peer.exchange("{. seq=1 ack=1 len=10}");
    assert_eq!(peer.read(), 10, "the live connection is left alone");
    // An OPEN from the same port makes a connection of its own.
    let options = ConnectOptions {
        local_port: Some(STACK_PORT),
        ..ConnectOptions::default()
    };
    let mut other = peer.remote;
    other.set_port(7000);
    let id = peer.stack.connect(peer.now, other, options);
    let id = id.expect("another four-tuple");
    let state = peer.stack.conn(id).expect("a handle").state();
    assert_eq!(state, State::SynSent);
    assert_eq!(peer.stack.totals().listeners, 1);
}

/// A connection from a port to itself is a simultaneous open with one end.
/// covers: ST-214
#[test]
fn a_connection_to_itself() {
    let mut peer = Peer::new(Setup::default());
    let options = ConnectOptions {
        local_port: Some(STACK_PORT),
        ..ConnectOptions::default()
    };
    let own = peer.local;
    match peer.stack.connect(peer.now, own, options) {
        Ok(id) => {
            peer.conn = Some(id);
            peer.remote = own;
            peer.wait(s(1));
            peer.is(State::Established);
            let mut conn = peer.stack.conn_mut(id).expect("a handle");
            conn.send(&[b"self"]).expect("room");
            peer.wait(s(1));
            let mut buf = [0; 8];
            let mut conn = peer.stack.conn_mut(id).expect("a handle");
            let got = conn.recv(&mut buf);
            assert_eq!(got, Ok(synfin_core::RecvOutcome::Data(4)));
        }
        Err(error) => assert_eq!(error, ConnectError::InvalidRemote),
    }
}

/// Half closed for long: probes find that the peer is gone.
/// covers: ST-606, ST-709
#[test]
fn keep_alive_of_a_half_closed_connection() {
    let setting = KeepAlive {
        idle: s(10),
        interval: s(2),
        count: 3,
        octet: false,
    };
    for stage in [Stage::FinWait2, Stage::CloseWait] {
        let mut peer = Peer::reach(Setup::default(), stage);
        if stage == Stage::CloseWait {
            peer.expect("{. seq=12 ack=21}", "");
        }
        assert_eq!(peer.after(s(86_400)), "", "{stage:?}: it stays for ever");
        peer.is(stage.state());
        assert_eq!(peer.stack.totals()[stage.state()], 1, "and is counted");
        peer.set(|options| options.keep_alive = Some(setting));
        let mut probes = 0;
        while let Some(sent) = peer.next(s(60)) {
            assert_eq!(
                peer.text(&sent),
                format!("{{. seq={} ack={}}}", peer.marks.n - 1, peer.marks.r)
            );
            probes += 1;
        }
        assert_eq!(probes, 3);
        peer.ended(CloseReason::KeepAliveTimeout);
        peer.gone();
    }
}

/// Text in CLOSE-WAIT is retransmitted until R2, as before the peer's FIN.
/// covers: ST-708, ST-701
#[test]
fn peer_gone_in_close_wait() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::CloseWait);
        let sent = peer.after(s(3600));
        let again = sent.matches("{. seq=11 ack=12 len=10}").count();
        assert_eq!(again, 15, "{sent}");
        peer.ended(CloseReason::RetransmissionTimeout);
        assert_eq!(
            peer.told(|e| matches!(e, Event::RetransmissionWarning(_))),
            1
        );
        peer.gone();
    }
}

/// At the limit the oldest TIME-WAIT makes room, and that is counted.
/// covers: ST-1009
#[test]
fn the_oldest_time_wait_makes_room() {
    for profile in [Profile::Server, Profile::Strict] {
        let mut config = StackConfig::new(profile);
        config.limits.time_wait = 2;
        let mut peer = Peer::reach(
            Setup {
                config,
                ..Setup::default()
            },
            Stage::Listen,
        );
        let mut ports = [0; 3];
        for (n, port) in (7001..7004).enumerate() {
            ports[n] = port;
            peer.become_port(port);
            peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
            peer.expect("{. seq=1 ack=1}", "");
            assert!(peer.accept());
            peer.shutdown(Shutdown::Write);
            peer.replies();
            peer.expect("{. seq=1 ack=2}", "");
            peer.expect("{FIN. seq=1 ack=2}", "{. seq=2 ack=2}");
            peer.is(State::TimeWait);
            peer.close(None);
            peer.wait(s(1));
        }
        assert_eq!(peer.stack.totals()[State::TimeWait], 2);
        assert_eq!(peer.stack.counters().time_wait_overflow, 1);
        let oldest = ports[0];
        peer.remote.set_port(oldest);
        assert_eq!(peer.state(), State::Listen, "the oldest is gone");
        let newest = ports[2];
        peer.remote.set_port(newest);
        assert_eq!(peer.state(), State::TimeWait);
    }
}

/// OPEN to a four-tuple in TIME-WAIT: refused, unless timestamps tell the incarnations apart and
/// the old one's clock has moved on by more than a second.
/// covers: ST-1008, DEC-3
#[test]
fn open_in_time_wait() {
    for timestamps in [false, true] {
        let setup = Setup {
            timestamps,
            ..Setup::default()
        };
        let mut peer = Peer::reach(setup, Stage::TimeWait);
        peer.close(None);
        let options = || ConnectOptions {
            local_port: Some(STACK_PORT),
            ..ConnectOptions::default()
        };
        let in_use = Err(ConnectError::AddressInUse);
        peer.wait(s(1));
        assert_eq!(peer.stack.connect(peer.now, peer.remote, options()), in_use);
        peer.wait(ms(1));
        if !timestamps {
            peer.wait(ms(58_998));
            assert_eq!(peer.stack.connect(peer.now, peer.remote, options()), in_use);
            peer.wait(ms(1));
        }
        let old = peer.stack_seq(22);
        peer.connect();
        peer.is(State::SynSent);
        assert_eq!(peer.replies(), "{SYN seq=0}");
        assert!(peer.stack_seq(0).after(old), "beyond the old numbers");
        assert_eq!(peer.stack.totals()[State::TimeWait], 0);
    }
}

/// Ports that the stack chooses: all of the range, each once, none that a listener has.
/// covers: 6056-1, BUG-22
#[test]
fn every_free_port_is_chosen_once() {
    let config = StackConfig {
        ephemeral_ports: (40_000, 40_009),
        ..StackConfig::default()
    };
    let mut peer = Peer::new(Setup {
        config,
        ..Setup::default()
    });
    let at = synfin_core::ListenAddr::port(40_003);
    let listener = peer.stack.listen(at, ListenOptions::default());
    listener.expect("a free port");
    let mut ports: Vec<u16> = (0..9)
        .map(|_| {
            let id = peer
                .stack
                .connect(peer.now, peer.remote, ConnectOptions::default());
            let id = id.expect("a port is left");
            peer.stack.conn(id).expect("a handle").tuple().local.port()
        })
        .collect();
    ports.sort_unstable();
    let expected: Vec<u16> = (40_000..=40_009).filter(|port| *port != 40_003).collect();
    assert_eq!(ports, expected);
    let more = peer
        .stack
        .connect(peer.now, peer.remote, ConnectOptions::default());
    assert_eq!(more, Err(ConnectError::NoPort));
    // Another peer's ports are others' four-tuples.
    peer.remote.set_port(6001);
    let other = peer
        .stack
        .connect(peer.now, peer.remote, ConnectOptions::default());
    assert!(other.is_ok());
}
