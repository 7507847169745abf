//! SYN cookies seen from the wire: what comes back of them, and when they are not used.

use synfin_core::{
    DropReason, EcnMode, Event, Flags, ListenAddr, ListenOptions, SocketOptions, StackConfig,
    State, SynCookies,
};

use crate::support::peer::STACK_PORT;
use crate::support::{Peer, Setup, Stage, ms, s};

fn always(mut setup: Setup) -> Setup {
    setup.config.tcp.flood.syn_cookies = SynCookies::Always;
    setup
}

/// Both families, with everything that a client may offer.
fn full_setups() -> [Setup; 2] {
    [false, true].map(|v6| Setup {
        v6,
        timestamps: true,
        sack: true,
        scale: Some(3),
        ..Setup::default()
    })
}

fn listening(setup: Setup, options: ListenOptions) -> Peer {
    let mut peer = Peer::new(setup);
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    peer
}

/// All that a client may offer or not.
fn all_setups() -> Vec<Setup> {
    let mut all = Vec::new();
    for bits in 0..16 {
        let is = |bit: u32| bits >> bit & 1 == 1;
        all.push(Setup {
            v6: is(0),
            timestamps: is(1),
            sack: is(2),
            scale: is(3).then_some(3),
            ..Setup::default()
        });
    }
    all
}

/// The SYN,ACK with a cookie is the one that an entry sends, but for the number and the low bits
/// of the clock; without timestamps it offers less. The same where a trace, accurate ECN or a user
/// timeout makes it go the general way.
/// covers: 4987-8, 4987-6
#[test]
fn a_cookie_looks_like_an_ordinary_syn_ack() {
    let changes: [fn(&mut StackConfig); 4] = [
        |_| {},
        |config| config.trace_capacity = 100,
        |config| config.tcp.ecn = EcnMode::Accurate,
        |config| config.socket.advertised_timeout = Some(s(200)),
    ];
    for (setup, change) in all_setups()
        .into_iter()
        .flat_map(|setup| changes.map(|change| (setup.clone(), change)))
    {
        let mut setup = setup;
        change(&mut setup.config);
        setup.config.socket.ttl = 99;
        setup.config.socket.tos = 0x48;
        let timestamps = setup.timestamps;
        let syn = if setup.config.tcp.ecn == EcnMode::Accurate {
            "{SYN seq=0 ace=7}"
        } else {
            "{SYN+ECE+CWR seq=0}"
        };
        let [plain, cookie] = [setup.clone(), always(setup)].map(|setup| {
            let mut peer = listening(setup, ListenOptions::default());
            peer.batch(&[syn]);
            let sent = peer.drain();
            assert_eq!(sent.len(), 1);
            (
                sent.into_iter().next().expect("a SYN,ACK"),
                peer.last_packet,
            )
        });
        let ((plain, plain_octets), (cookie, octets)) = (plain, cookie);
        assert_ne!(plain.seq, cookie.seq);
        let mut expected = plain.clone();
        expected.seq = cookie.seq;
        if timestamps {
            let sent = cookie.options.timestamps.expect("timestamps");
            let of_plain = expected.options.timestamps.as_mut().expect("timestamps");
            assert!(of_plain.val.wrapping_sub(sent.val) < 128, "never ahead");
            of_plain.val = sent.val;
            // Number, checksum and clock differ, and no other octet.
            let different = plain_octets.iter().zip(&octets).filter(|(a, b)| a != b);
            assert!(different.count() <= 4 + 2 + 4);
            assert_eq!(plain_octets.len(), octets.len());
        } else {
            expected.flags = Flags::SYN | Flags::ACK;
            expected.options.window_scale = None;
            expected.options.sack_permitted = false;
            expected.options.accecn = None;
            expected.packet_len = cookie.packet_len;
        }
        assert_eq!(format!("{cookie:?}"), format!("{expected:?}"));
    }
}

/// The connection is an ordinary one, with its options.
/// covers: 4987-3, 4987-6, ST-103
#[test]
fn options_are_kept() {
    for setup in full_setups() {
        let mut peer = listening(always(setup), ListenOptions::default());
        peer.expect("{SYN+ECE+CWR seq=0 mss=1300}", "{SYN. seq=0 ack=1}");
        peer.is(State::Listen);
        peer.now = peer.now + ms(300);
        peer.expect("{. seq=1 ack=1 win=1000}", "");
        assert!(peer.accept());
        peer.is(State::Established);
        let info = peer.stack.conn(peer.id()).expect("a handle").info(peer.now);
        assert_eq!(info.snd_wnd, 8000, "the window is scaled");
        peer.batch(&["{. seq=101 ack=1 len=100}"]);
        let sent = peer.drain();
        assert_eq!(sent[0].options.sack.len(), 1, "SACK is in use");
        peer.batch(&["{. seq=1 ack=1 len=100}"]);
        peer.drain();
        peer.set(|options| options.nodelay = true);
        peer.write(3000);
        let sent = peer.drain();
        let mss = if peer.setup.v6 { 1280 } else { 1300 };
        assert_eq!(sent[0].text.len(), mss - 12, "the MSS, and timestamps");
        assert!(sent.iter().all(|segment| segment.tos & 3 == 2), "ECT(0)");
        assert!(
            sent.iter()
                .all(|segment| segment.options.timestamps.is_some())
        );
        assert_eq!(peer.read(), 200);
        let counters = peer.stack.counters();
        assert_eq!(
            (counters.syn_cookies_sent, counters.syn_cookies_recv),
            (1, 1)
        );
        assert_eq!(counters.passive_opens, 1);
    }
}

/// Accurate ECN is agreed too, and what it has counted begins as it should.
/// covers: 4987-6, 9768-1, 9768-4
#[test]
fn accurate_ecn_is_kept() {
    let [mut setup, _] = full_setups();
    setup.config.tcp.ecn = EcnMode::Accurate;
    let mut peer = listening(always(setup), ListenOptions::default());
    peer.batch(&["{SYN seq=0 ace=7}"]);
    let sent = peer.drain();
    assert_eq!(sent[0].flags.bits() >> 6 & 7, 2, "the SYN came without ECT");
    peer.on("{. seq=1 ack=1 ace=2}");
    assert!(peer.accept());
    peer.batch(&["{. seq=1 ack=1 len=100 ace=5}"]);
    peer.batch(&["{. seq=101 ack=1 len=100 ace=5}"]);
    let sent = peer.drain();
    assert_eq!(sent[0].flags.bits() >> 6 & 7, 5, "nothing was marked");
}

/// The echo of a cookie has options in it: it is no sample of the round trip.
/// covers: 6298-7
#[test]
fn a_cookie_measures_no_round_trip() {
    let [setup, _] = full_setups();
    let mut peer = listening(always(setup), ListenOptions::default());
    peer.on("{SYN seq=0}");
    peer.now = peer.now + ms(20);
    peer.on("{. seq=1 ack=1}");
    assert!(peer.accept());
    let info = peer.stack.conn(peer.id()).expect("a handle").info(peer.now);
    assert_eq!(info.srtt_us, 0);
    peer.write(10);
    peer.drain();
    peer.now = peer.now + ms(20);
    peer.on("{. seq=1 ack=11}");
    let info = peer.stack.conn(peer.id()).expect("a handle").info(peer.now);
    assert_eq!(info.srtt_us, 20_000);
}

/// The third segment is lost: the client's first text takes its place. The SYN,ACK is not repeated.
/// covers: 4987-7, ST-313, ST-302
#[test]
fn text_completes_the_handshake() {
    for setup in Setup::variants().into_iter().chain(full_setups()) {
        let setup = Setup { iss: None, ..setup };
        let mut peer = listening(always(setup.clone()), ListenOptions::default());
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        assert_eq!(peer.after(s(60)), "", "not again");
        let answer = peer.exchange("{FIN. seq=1 ack=1 len=100}");
        assert_eq!(answer, "{. seq=1 ack=102}");
        assert!(peer.accept());
        peer.is(State::CloseWait);
        assert_eq!(peer.read(), 100);
    }
}

/// Two steps of 64 s at most, and a change of keys between.
/// covers: 4987-5, 4987-11
#[test]
fn cookies_live_for_two_steps() {
    for (begin, waits, good) in [
        (s(1), s(62), true),
        (s(63), s(64), true),
        (s(2047), s(2), true),
        (s(1), s(180), false),
        (s(2047), s(180), false),
    ] {
        let mut peer = Peer::new(always(Setup::default()));
        peer.now = synfin_core::Instant::START + begin;
        peer.listen();
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.wait(waits);
        let answer = if good { "" } else { "{RST seq=1}" };
        peer.expect("{. seq=1 ack=1}", answer);
        assert_eq!(peer.accept(), good, "{begin:?} {waits:?}");
    }
}

/// The same acknowledgement again and again is one connection at most, also after its end; when
/// it is old it is none.
/// covers: ATT-6, 4987-5
#[test]
fn a_cookie_can_be_replayed_only_while_it_lives() {
    let mut peer = Peer::new(always(Setup::default()));
    peer.now = synfin_core::Instant::START + s(64);
    peer.listen();
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    let third = peer.build("{. seq=1 ack=1}");
    let mut replies = 0;
    for _ in 0..1000 {
        peer.deliver(core::slice::from_ref(&third));
        replies += peer.drain().len();
        assert!(peer.stack.totals().flows() <= 1);
    }
    assert!(replies <= 5, "{replies} replies");
    assert!(peer.accept());
    peer.close(None);
    peer.drain();
    peer.on("{RST seq=1}");
    peer.is(State::Listen);
    for _ in 0..1000 {
        peer.deliver(core::slice::from_ref(&third));
        peer.drain();
        assert!(peer.stack.totals().flows() <= 1);
    }
    peer.on("{RST seq=1}");
    peer.wait(s(180));
    peer.deliver(&[third]);
    assert_eq!(peer.replies(), "{RST seq=1}");
    peer.is(State::Listen);
}

/// Text on the SYN is set aside, and comes again; no Fast Open cookie is given.
/// covers: 7413-4
#[test]
fn fast_open_is_set_aside() {
    let options = ListenOptions {
        fast_open: Some(4),
        ..ListenOptions::default()
    };
    let mut peer = listening(always(Setup::default()), options);
    for cookie in ["cookie", "cookie=0102030405060708"] {
        peer.batch(&[&format!("{{SYN seq=0 len=10 {cookie}}}")]);
        let sent = peer.drain();
        assert_eq!(peer.text(&sent), "{SYN. seq=0 ack=1}");
        assert!(sent[0].options.fast_open.is_none());
    }
    peer.expect("{. seq=1 ack=1}", "");
    peer.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
    assert!(peer.accept());
    assert_eq!(peer.read(), 10);
}

/// Whoever wants to be asked first is not passed by: SYNs that do not fit are dropped.
/// covers: ST-108
#[test]
fn a_deferred_listener_gives_no_cookie() {
    for cookies in [SynCookies::Off, SynCookies::WhenFull, SynCookies::Always] {
        let mut setup = Setup::default();
        setup.config.tcp.flood.syn_cookies = cookies;
        let options = ListenOptions {
            deferred: true,
            syn_queue: 1,
            ..ListenOptions::default()
        };
        let mut peer = listening(setup, options);
        peer.expect("{SYN seq=0}", "");
        peer.become_port(6001);
        peer.wait(s(2));
        peer.expect("{SYN seq=0}", "");
        assert_eq!(peer.dropped(DropReason::SynQueueFull), 1, "{cookies:?}");
        assert_eq!(peer.stack.counters().req_q_full_drop, 1);
        let asked = peer.told(|event| matches!(event, Event::Incoming { .. }));
        let gone = peer.told(|event| matches!(event, Event::IncomingGone(_)));
        assert_eq!((asked, gone), (1, 0), "the first still waits");
    }
}

/// What takes over TIME-WAIT begins beyond the old numbers: it has an entry, for which the oldest
/// makes room.
/// covers: 6191-8, ST-1007, 4987-2
#[test]
fn time_wait_is_not_taken_over_by_a_cookie() {
    let mut peer = Peer::new(Setup::with_timestamps());
    let options = ListenOptions {
        syn_queue: 1,
        ..ListenOptions::default()
    };
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    peer.expect("{. seq=1 ack=1}", "");
    assert!(peer.accept());
    peer.close(None);
    assert_eq!(peer.replies(), "{FIN. seq=1 ack=1}");
    peer.expect("{. seq=1 ack=2}", "");
    peer.expect("{FIN. seq=1 ack=2}", "{. seq=2 ack=2}");
    peer.is(State::TimeWait);
    let (own, first) = (peer.remote, peer.iss.expect("a SYN,ACK"));

    peer.become_port(6001);
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    assert_eq!(peer.stack.counters().syn_cookies_sent, 0);
    peer.become_port(6002);
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    assert_eq!(
        peer.stack.counters().syn_cookies_sent,
        1,
        "the queue is full"
    );

    peer.become_port(own.port());
    peer.wait(ms(600));
    peer.on("{SYN seq=10000}");
    let second = peer.iss.expect("a SYN,ACK");
    assert!(second.after(first + 1), "beyond the old numbers");
    assert_eq!(peer.stack.counters().syn_cookies_sent, 1);
    assert_eq!(peer.stack.counters().syn_queue_evicted, 1);
    peer.on("{. seq=10001 ack=1}");
    assert!(peer.accept());
    peer.is(State::Established);
}

/// The first SYN met a full queue, its repetition an empty one: the answer to either opens.
/// covers: RG-8, ST-303
#[test]
fn a_cookie_overtakes_an_entry() {
    let options = ListenOptions {
        syn_queue: 1,
        ..ListenOptions::default()
    };
    let mut peer = listening(Setup::default(), options);
    peer.become_port(6001);
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    peer.become_port(6002);
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    assert_eq!(peer.stack.counters().syn_cookies_sent, 1);
    let of_cookie = peer.build("{. seq=1 ack=1}");
    let wrong = peer.build("{. seq=1 ack=5}");
    peer.become_port(6001);
    peer.on("{RST seq=1}");
    peer.become_port(6002);
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    peer.is(State::SynReceived);
    peer.deliver(&[wrong]);
    assert!(peer.drain()[0].has(Flags::RST), "that is of neither");
    peer.is(State::SynReceived);
    peer.deliver(&[of_cookie]);
    assert_eq!(peer.drain().len(), 0);
    assert!(peer.accept());
    peer.is(State::Established);
    assert_eq!(peer.stack.totals().flows(), 1);
}

/// A listener that is gone takes nothing any more, and one of the same port nothing of its.
/// covers: ST-106
#[test]
fn cookies_end_with_their_listener() {
    let mut peer = Peer::reach(always(Setup::default()), Stage::Listen);
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    peer.stack
        .unlisten(peer.listener.take().expect("a listener"));
    peer.expect("{. seq=1 ack=1}", "{RST seq=1}");
    peer.listen();
    peer.expect("{. seq=1 ack=1}", "{RST seq=1}");
}

/// A smaller MSS than the table has is not exceeded.
/// covers: 9293-MUST-16, 4987-6
#[test]
fn no_segment_is_longer_than_the_client_takes() {
    for (mss, expected) in [
        (1460, 1460),
        (1459, 1452),
        (1000, 536),
        (536, 536),
        (300, 88),
    ] {
        let mut peer = Peer::reach(always(Setup::default()), Stage::Listen);
        peer.on(&format!("{{SYN seq=0 mss={mss}}}"));
        peer.on("{. seq=1 ack=1}");
        assert!(peer.accept());
        peer.set(|options: &mut SocketOptions| options.nodelay = true);
        peer.write(2000);
        assert_eq!(peer.drain()[0].text.len(), expected, "MSS {mss}");
    }
}
