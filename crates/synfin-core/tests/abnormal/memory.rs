//! Memory is short: text at `RCV.NXT` goes on, promises are kept, nobody waits for ever.

use proptest::prelude::*;
use synfin_core::{
    BufferSize, DropReason, Event, Flags, ListenOptions, ReceiveLimit, RecvOutcome, SocketOptions,
    StackConfig, State, TraceEvent,
};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, Stage, ms, octet, s};

/// 128 KiB of buffers, and a window that promises nearly all of it.
fn short() -> Setup {
    let mut setup = Setup {
        sack: true,
        scale: Some(2),
        memory: 1 << 17,
        ..Setup::default()
    };
    setup.config.socket.recv_buffer = 120_000u32.into();
    setup
}

/// What the last segment reports by SACK, in relative numbers.
fn reported(peer: &Peer, sent: &[Emitted]) -> Vec<(i64, i64)> {
    let last = sent.last().expect("an acknowledgement");
    let relative = |seq: synfin_core::SeqNum| i64::from(seq.raw().wrapping_sub(peer.setup.irs));
    let blocks = last.options.sack.iter();
    blocks
        .map(|b| (relative(b.left), relative(b.right)))
        .collect()
}

/// Out-of-order text fills the pool until some is refused.
fn filled_above_a_gap() -> Peer {
    let mut peer = Peer::open(short());
    let mut seq = 1001;
    while peer.dropped(DropReason::NoMemory) == 0 {
        assert!(
            seq + 1000 <= peer.marks.e,
            "the window is larger than the pool"
        );
        peer.on(&format!("{{. seq={seq} ack=1 len=1000}}"));
        seq += 1000;
    }
    peer
}

/// The text that closes the gap is taken although the pool is full, and what SACK goes on
/// reporting is there: only the rest has to come again.
/// covers: 2018-10, INV-10
#[test]
fn a_gap_is_filled_under_pressure() {
    let mut peer = filled_above_a_gap();
    peer.batch(&["{. seq=1 ack=1 len=1000}"]);
    let sent = peer.drain();
    assert!(peer.marks.r >= 1001, "{}", peer.text(&sent));
    let blocks = reported(&peer, &sent);
    for (left, right) in &blocks {
        while peer.marks.r < *left {
            let len = (left - peer.marks.r).min(1000);
            peer.on(&format!("{{. seq=R ack=1 len={len}}}"));
            peer.read();
        }
        peer.read();
        assert!(
            peer.marks.r >= *right,
            "{left}..{right} was reported and is gone"
        );
    }
    while peer.marks.r < 120_001 {
        peer.on("{. seq=R ack=1 len=1000}");
        peer.read();
    }
    peer.on("{FIN. seq=R ack=1}");
    peer.abort();
    peer.replies();
    assert_eq!(peer.stack.buffer_bytes(), 0);
}

/// Text above the gap that is nearer takes the place of what is farther, and the block that is
/// reported first is the newest segment's. covers: 2018-10
#[test]
fn the_farthest_text_is_pruned_first() {
    let mut peer = Peer::open(short());
    let mut seq = 21_001;
    while peer.dropped(DropReason::NoMemory) == 0 {
        peer.on(&format!("{{. seq={seq} ack=1 len=1000}}"));
        seq += 1000;
    }
    let refused = peer.dropped(DropReason::NoMemory);
    for seq in [10_001, 12_001] {
        peer.batch(&[&format!("{{. seq={seq} ack=1 len=1000}}")]);
        let sent = peer.drain();
        assert_eq!(reported(&peer, &sent)[0], (seq, seq + 1000));
    }
    assert_eq!(peer.dropped(DropReason::NoMemory), refused);
    let pruned = peer.stack.counters().ofo_pruned;
    assert!((1..=4).contains(&pruned), "{pruned} pieces pruned");
    assert!(peer.stack.counters().prune_called >= 1);
}

/// Text that nobody reads fills the pool to its limit; what does not fit any more is counted, the
/// edge stays, and everything goes on when the application reads.
#[test]
fn unread_text_stops_at_the_limit() {
    let mut peer = Peer::open(short());
    while peer.dropped(DropReason::NoMemory) == 0 {
        peer.on("{. seq=R ack=1 len=1000}");
    }
    let edge = peer.marks.e;
    assert!(peer.stack.buffer_bytes() <= 1 << 17);
    assert!(peer.stack.buffer_bytes() > (1 << 17) / 16 * 15);
    assert_eq!(peer.stack.counters().rcvq_drop, 1);
    assert!(peer.marks.r < edge);
    peer.on("{. seq=R ack=1 len=1000}");
    assert_eq!(peer.marks.e, edge);
    while peer.marks.r < edge {
        peer.read();
        let len = (edge - peer.marks.r).min(1000);
        peer.exchange(&format!("{{. seq=R ack=1 len={len}}}"));
    }
    assert!(peer.marks.e >= edge);
}

/// Frames on their way through do not count: of a batch that is as large as the pool, everything
/// that is read at once is taken.
#[test]
fn a_large_batch_is_no_pressure() {
    let mut peer = Peer::open(short());
    let segments: Vec<String> = (0..64)
        .map(|n| format!("{{. seq={} ack=1 len=1000}}", 1 + 1000 * n))
        .collect();
    let batch: Vec<&str> = segments.iter().map(String::as_str).collect();
    peer.batch(&batch);
    peer.replies();
    assert_eq!(peer.dropped(DropReason::NoMemory), 0);
    assert_eq!(peer.read(), 64_000);
}

/// Unread text keeps the pool above three quarters; a SEND that found no memory is told all the
/// same when there is some again.
#[test]
fn a_sender_is_served_while_there_is_room() {
    let mut peer = Peer::open(short());
    while peer.dropped(DropReason::NoMemory) == 0 {
        peer.on("{. seq=R ack=1 len=1000}");
    }
    assert_eq!(peer.write(1000), 0);
    let id = peer.id();
    for _ in 0..12 {
        let mut conn = peer.stack.conn_mut(id).expect("a handle");
        conn.recv(&mut [0; 1000]).expect("text");
    }
    peer.wait(ms(1));
    assert!(peer.stack.buffer_bytes() > (1 << 17) / 4 * 3);
    assert_eq!(peer.told(|e| matches!(e, Event::Writable(_))), 1);
    assert_eq!(peer.write(1000), 1000);
}

/// A pool that is full of text to send still takes text that arrives: two ends that both write
/// first do not wait for each other for ever.
#[test]
fn a_full_sender_still_receives() {
    let mut setup = short();
    setup.config.socket.send_buffer = (1u32 << 20).into();
    let mut peer = Peer::open(setup);
    peer.expect("{. seq=1 ack=1 win=0}", "");
    peer.write(1 << 20);
    for _ in 0..100 {
        let sent = peer.exchange("{. seq=R ack=1 len=1000 win=0}");
        assert_eq!(peer.read(), 1000, "{sent}");
    }
}

/// The shift of the SYN,ACK is the one that the connection uses, whatever the listener's options
/// are and however they change meanwhile. covers: 7323-3, 7323-4, C-12
#[test]
fn one_shift_for_the_whole_connection() {
    let large = SocketOptions {
        recv_buffer: (200u32 << 20).into(),
        ..SocketOptions::default()
    };
    let setup = Setup {
        scale: Some(2),
        ..Setup::default()
    };
    let mut peer = Peer::reach(setup.clone(), Stage::Closed);
    let options = ListenOptions {
        socket: Some(large),
        ..ListenOptions::default()
    };
    let at = synfin_core::ListenAddr::port(crate::support::peer::STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    peer.batch(&["{SYN seq=0}"]);
    let syn_ack = peer.drain();
    assert!(syn_ack[0].has(Flags::SYN | Flags::ACK));
    peer.on("{. seq=1 ack=1}");
    assert!(peer.accept());
    assert_eq!(announced(&syn_ack), shift_in_use(&peer));

    let mut peer = Peer::reach(setup, Stage::Closed);
    peer.connect();
    let syn = peer.drain();
    let id = peer.id();
    let mut conn = peer.stack.conn_mut(id).expect("a handle");
    conn.set_options(large).expect("good options");
    peer.on("{SYN. seq=0 ack=1}");
    peer.is(State::Established);
    assert_eq!(announced(&syn), shift_in_use(&peer));
}

fn announced(sent: &[Emitted]) -> Option<u8> {
    sent[0].options.window_scale
}

fn shift_in_use(peer: &Peer) -> Option<u8> {
    let conn = peer.stack.conn(peer.id()).expect("a handle");
    Some(conn.info(peer.now).window_shifts.1)
}

/// The configuration's limit holds although more memory was handed in.
#[test]
fn the_limit_of_the_configuration_holds() {
    let mut setup = Setup::default();
    setup.config.limits.buffer_bytes = 1 << 17;
    setup.config.socket.send_buffer = (1u32 << 20).into();
    let mut peer = Peer::open(setup);
    peer.write(1 << 20);
    assert!(peer.stack.buffer_bytes() <= 1 << 17);
    peer.wait(s(1));
}

/// The last text that found memory lies in the smallest chunks, more than ten for a segment: it
/// leaves whole all the same, and nothing is sent twice.
#[test]
fn segments_of_small_chunks_are_whole() {
    let mut setup = short();
    setup.config.socket.send_buffer = (1u32 << 20).into();
    let mut peer = Peer::open(setup);
    peer.expect("{. seq=1 ack=1 win=0}", "");
    // Behind a chunk of the smallest size the budget ends off the larger ones.
    assert_eq!(peer.write(100), 100);
    assert!(peer.write(1 << 20) > 100_000);
    let written = peer.written;
    peer.on("{. seq=1 ack=1}");
    for _ in 0..200 {
        peer.on("{. seq=1 ack=N}");
    }
    assert_eq!(peer.marks.n, written + 1, "all of it was sent");
    assert_eq!(peer.stack.counters().retrans_segs, 0);
    assert_eq!(peer.stack.buffer_bytes(), 0);
}

/// Small segments with gaps between them may cost many times their text: that is bounded too.
/// covers: INV-10
#[test]
fn small_segments_above_a_gap_are_bounded() {
    let mut peer = Peer::open(Setup::default());
    for n in 0..80 {
        peer.on(&format!("{{. seq={} ack=1 len=200}}", 2 + 201 * n));
    }
    assert!(peer.dropped(DropReason::ReassemblyLimit) > 0);
    assert!(peer.stack.buffer_bytes() <= 4 * 16_384 + 2048);
    while peer.marks.r < 16_000 {
        peer.exchange("{. seq=R ack=1 len=200}");
        peer.read();
    }
}

/// Options that make the buffer smaller while our SYN is on its way do not take back what it
/// offered. covers: 9293-SHLD-14
#[test]
fn what_the_syn_offered_stays() {
    let mut peer = Peer::reach(Setup::default(), Stage::SynSent);
    let id = peer.id();
    let mut conn = peer.stack.conn_mut(id).expect("a handle");
    let mut options = conn.as_conn().options();
    options.recv_buffer = BufferSize::Fixed(2048);
    conn.set_options(options).expect("good options");
    peer.on("{SYN. seq=0 ack=1}");
    for _ in 0..16 {
        peer.on("{. seq=R ack=1 len=1024}");
    }
    assert_eq!(peer.read(), 16_384);
}

/// A SEND takes no more than what may wait unsent, and is told once when half of it has left.
#[test]
fn little_waits_unsent() {
    let mut setup = Setup {
        win: 1000,
        ..Setup::default()
    };
    setup.config.socket.notsent_lowat = Some(5000);
    let mut peer = Peer::open(setup);
    assert_eq!(peer.write(100_000), 5000);
    assert_eq!(peer.write(1), 0);
    peer.replies();
    assert_eq!(peer.write(100_000), 1000, "as much as has left");
    let writable = |peer: &Peer| peer.told(|e| matches!(e, Event::Writable(_)));
    for acked in 1..=6 {
        assert_eq!(writable(&peer), usize::from(acked > 3), "after {acked}");
        peer.on("{. seq=1 ack=N}");
    }
    assert_eq!(writable(&peer), 1);
}

/// The send buffer is twice the congestion window, and while memory is short no more than its
/// floor; the window that is offered then is a few segments beyond what was promised.
#[test]
fn short_memory_keeps_buffers_small() {
    let mut setup = Setup {
        scale: Some(3),
        memory: 1 << 20,
        ..Setup::default()
    };
    setup.config.socket.recv_buffer = BufferSize::Fixed(1 << 20);
    let mut peer = Peer::open(setup);
    let info = |peer: &Peer| {
        let conn = peer.stack.conn(peer.id()).expect("a handle");
        conn.info(peer.now)
    };
    for _ in 0..100 {
        peer.write(1 << 20);
        peer.wait(ms(20));
        peer.on("{. seq=R ack=N}");
    }
    let wide = info(&peer);
    assert!(wide.send_limit > 100_000, "{}", wide.send_limit);
    assert_eq!(wide.send_limit, 2 * wide.cwnd);
    while peer.marks.u < peer.marks.n {
        peer.wait(ms(20));
        peer.on("{. seq=R ack=N}");
    }
    while peer.stack.buffer_bytes() <= (1 << 20) / 4 * 3 {
        peer.exchange("{. seq=R ack=N len=1000}");
    }
    let short = info(&peer);
    assert_eq!(short.send_limit, 64 << 10);
    let edge = peer.marks.e;
    peer.read();
    peer.replies();
    peer.exchange("{. seq=R ack=N len=1000}");
    assert!(peer.marks.e > edge, "it goes on when the application reads");
    let wide = info(&peer);
    assert_eq!(wide.send_limit, 2 * wide.cwnd);
}

/// Sizes that make no sense are refused.
#[test]
fn sizes_are_checked() {
    let refused = |change: fn(&mut StackConfig)| {
        let mut config = StackConfig::default();
        change(&mut config);
        config.validate().is_err()
    };
    assert!(!refused(|c| c.socket.recv_buffer = BufferSize::Fixed(2048)));
    assert!(refused(|c| c.socket.recv_buffer = BufferSize::Fixed(2047)));
    assert!(refused(
        |c| c.socket.send_buffer = BufferSize::Fixed(1 << 30)
    ));
    assert!(refused(|c| c.socket.notsent_lowat = Some(0)));
    assert!(refused(|c| c.tcp.buffers.recv_max = 1000));
    assert!(refused(
        |c| c.tcp.buffers.send_floor = c.tcp.buffers.send_max + 1
    ));
}

/// The trace tells what holds the window back, and when it no longer does.
#[test]
fn the_trace_tells_why_the_window_is_small() {
    let limits = |peer: &mut Peer| -> Vec<Option<ReceiveLimit>> {
        let records = std::iter::from_fn(|| peer.stack.poll_trace());
        let limits = records.filter_map(|record| match record.event {
            TraceEvent::ReceiveLimit { by, .. } => Some(by),
            _ => None,
        });
        limits.collect()
    };
    let mut setup = short();
    setup.config.trace_capacity = 4096;
    let mut peer = Peer::open(setup);
    while peer.dropped(DropReason::NoMemory) == 0 {
        peer.on("{. seq=R ack=1 len=1000}");
    }
    assert_eq!(limits(&mut peer), [Some(ReceiveLimit::Memory)]);
    peer.read();
    peer.exchange("{. seq=R ack=1 len=1000}");
    assert_eq!(limits(&mut peer), [None]);

    let mut setup = Setup::default();
    setup.config.trace_capacity = 4096;
    let mut peer = Peer::open(setup);
    while peer.marks.r < peer.marks.e {
        let len = (peer.marks.e - peer.marks.r).min(1000);
        peer.exchange(&format!("{{. seq=R ack=1 len={len}}}"));
    }
    assert_eq!(limits(&mut peer), [Some(ReceiveLimit::Application)]);
    peer.read();
    peer.replies();
    assert_eq!(limits(&mut peer), [None]);
}

/// What happens to a connection that is short of memory.
#[derive(Clone, Debug)]
enum Step {
    /// Text at `RCV.NXT`.
    InOrder(i64),
    /// Text above a gap.
    Above(i64, i64),
    Read(usize),
    Write(usize),
    /// 0 is `Auto`.
    Resize(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1i64..1400).prop_map(Step::InOrder),
        (1i64..100_000, 1i64..1400).prop_map(|(gap, len)| Step::Above(gap, len)),
        (1usize..60_000).prop_map(Step::Read),
        (1usize..60_000).prop_map(Step::Write),
        prop_oneof![Just(0), 2048u32..200_000].prop_map(Step::Resize),
        (0u64..20_000).prop_map(Step::Wait),
    ]
}

/// A peer that watches the edge.
struct Watched {
    peer: Peer,
    edge: i64,
}

impl Watched {
    fn act(&mut self, step: &Step) {
        let peer = &mut self.peer;
        let (r, e) = (peer.marks.r, peer.marks.e);
        match step {
            Step::InOrder(len) if r < e => {
                peer.batch(&[&format!("{{. seq=R ack=U len={}}}", *len.min(&(e - r)))]);
            }
            Step::Above(gap, len) if r + gap < e => {
                let len = *len.min(&(e - r - gap));
                peer.batch(&[&format!("{{. seq={} ack=U len={len}}}", r + gap)]);
            }
            Step::InOrder(_) | Step::Above(..) => {}
            Step::Read(len) => read_some(peer, *len),
            Step::Write(len) => {
                peer.write(*len);
            }
            Step::Resize(octets) => {
                let id = peer.id();
                let mut conn = peer.stack.conn_mut(id).expect("a handle");
                let mut options = conn.as_conn().options();
                options.recv_buffer = match *octets {
                    0 => BufferSize::Auto,
                    octets => BufferSize::Fixed(octets),
                };
                conn.set_options(options).expect("good options");
            }
            Step::Wait(ms_passed) => {
                let sent = peer.wait(ms(*ms_passed));
                self.watch(&sent);
            }
        }
        let sent = self.peer.drain();
        self.watch(&sent);
    }

    /// No segment shows an edge that is more than a unit of the window field left of one before.
    fn watch(&mut self, sent: &[Emitted]) {
        let peer = &self.peer;
        assert!(peer.stack.buffer_bytes() <= 1 << 17);
        let conn = peer.stack.conn(peer.id()).expect("a handle");
        let info = conn.info(peer.now);
        let shift = info.window_shifts.1;
        for segment in sent {
            let (_, ack) = peer.relative(segment);
            let edge = ack + (i64::from(segment.wnd) << shift);
            assert!(
                edge > self.edge - (1 << shift),
                "{edge} after {}",
                self.edge
            );
            self.edge = self.edge.max(edge);
        }
        let nxt = i64::from(info.rcv_nxt.raw().wrapping_sub(peer.setup.irs));
        assert!(nxt + i64::from(info.rcv_wnd) >= self.edge, "taken back");
    }
}

/// Reads up to so many octets and checks them.
fn read_some(peer: &mut Peer, most: usize) {
    let id = peer.id();
    let mut buf = vec![0; most];
    let mut conn = peer.stack.conn_mut(id).expect("a handle");
    if let Ok(RecvOutcome::Data(len)) = conn.recv(&mut buf) {
        for got in &buf[..len] {
            assert_eq!(*got, octet(1 + peer.delivered));
            peer.delivered += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens while memory is short, no promise is taken back, the pool keeps to its
    /// limit, and in the end everything arrives. covers: 9293-SHLD-14, 7323-6, INV-10
    #[test]
    fn no_promise_is_taken_back(steps in prop::collection::vec(step(), 1..200)) {
        let mut setup = short();
        setup.config.socket.recv_buffer = BufferSize::Auto;
        let peer = Peer::open(setup);
        let mut watched = Watched { edge: peer.marks.e, peer };
        for step in &steps {
            watched.act(step);
        }
        let promised = watched.edge;
        for _ in 0..1000 {
            watched.act(&Step::Read(1 << 17));
            watched.act(&Step::InOrder(1400));
            watched.peer.on("{. seq=R ack=N}");
            watched.act(&Step::Wait(50));
            if watched.peer.marks.r >= promised {
                break;
            }
        }
        prop_assert!(watched.peer.marks.r >= promised);
        watched.act(&Step::Read(1 << 17));
        let mut peer = watched.peer;
        peer.abort();
        peer.replies();
        prop_assert_eq!(peer.stack.buffer_bytes(), 0);
    }
}

/// Limits beyond what the flow table can name are refused.
#[test]
fn limits_of_flows_have_a_limit() {
    let most = 1 << 27;
    let fields: [fn(&mut StackConfig) -> &mut u32; 3] = [
        |config| &mut config.limits.connections,
        |config| &mut config.limits.half_open,
        |config| &mut config.limits.time_wait,
    ];
    for field in fields {
        let mut config = StackConfig::default();
        *field(&mut config) = most;
        assert!(config.validate().is_ok());
        *field(&mut config) = most + 1;
        assert!(config.validate().is_err());
    }
}
