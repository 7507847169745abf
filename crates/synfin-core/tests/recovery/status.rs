//! What the numbers of a connection say (`TcpInfo`), each after what it counts.

use synfin_core::{Conn, TcpInfo};

use crate::path::{Path, RTT, setup, without_sack};
use crate::support::{Peer, Setup, ms};

fn with<T>(peer: &Peer, ask: impl FnOnce(Conn<'_>) -> T) -> T {
    ask(peer.stack.conn(peer.id()).expect("a live handle"))
}

fn tcp_info(path: &Path) -> TcpInfo {
    with(&path.peer, |conn| conn.tcp_info(path.peer.now))
}

/// A connection that the peer has opened, with a scale and a first text of the peer.
#[test]
fn sizes_options_and_times_are_those_of_the_connection() {
    let setup = Setup {
        sack: true,
        timestamps: true,
        scale: Some(7),
        ..setup()
    };
    let path = Path::open(setup);
    let info = tcp_info(&path);
    assert_eq!((info.state, info.ca_state), (1, 0));
    assert_eq!(info.options, 1 + 2 + 4);
    assert_eq!((info.snd_wscale, info.rcv_wscale), (7, 8));
    assert_eq!((info.snd_mss, info.advmss, info.pmtu), (1448, 1460, 1500));
    assert_eq!(
        (info.rtt, info.rttvar, info.min_rtt),
        (100_000, 50_000, 100_000)
    );
    assert_eq!((info.rto, info.ato), (300_000, 40_000));
    assert_eq!((info.snd_cwnd, info.snd_ssthresh), (10, u32::MAX >> 1));
    assert_eq!(info.snd_wnd, 65_535, "that of a SYN,ACK is not scaled");
    assert_eq!((info.rcv_space, info.rcv_ssthresh), (16_384, 16_384));
    assert_eq!(info.rcv_wnd, 16_384);
    assert_eq!(info.pacing_rate, u64::MAX);
    assert_eq!((info.segs_in, info.segs_out), (1, 2), "SYN, ACK; SYN,ACK");
    let none = [
        info.data_segs_in,
        info.data_segs_out,
        info.total_retrans,
        info.total_rto,
    ];
    assert_eq!(none, [0; 4]);
}

#[test]
fn text_is_counted_in_segments_and_octets_both_ways() {
    let mut path = Path::open(setup());
    assert_eq!(path.write(12).len(), 10);
    let info = tcp_info(&path);
    assert_eq!((info.unacked, info.notsent_bytes), (10, 2 * 1460));
    assert_eq!((info.bytes_sent, info.bytes_acked), (14_600, 0));
    path.wait(RTT);
    path.ack(4, &[]);
    let info = tcp_info(&path);
    assert_eq!((info.unacked, info.notsent_bytes), (8, 0));
    assert_eq!((info.bytes_sent, info.bytes_acked), (12 * 1460, 4 * 1460));
    assert_eq!((info.data_segs_out, info.segs_out), (12, 14));
    assert_eq!(
        info.delivered,
        1 + 4 * 1460,
        "our SYN is sequence space too"
    );
    assert_eq!(info.rcv_mss, 536);
    path.peer
        .batch(&["{. seq=1 ack=N len=1000}", "{. seq=2001 ack=N len=500}"]);
    path.wait(30);
    let info = tcp_info(&path);
    assert_eq!((info.data_segs_in, info.segs_in), (2, 4));
    assert_eq!((info.bytes_received, info.rcv_ooopack), (1000, 1));
    assert_eq!((info.rcv_mss, info.bytes_acked), (1000, 12 * 1460));
    assert_eq!((info.last_data_recv, info.last_ack_recv), (30, 30));
    assert_eq!(info.last_data_sent, 30);
    path.peer.batch(&["{. seq=1001 ack=N}"]);
    path.wait(20);
    let info = tcp_info(&path);
    assert_eq!((info.last_data_recv, info.last_ack_recv), (50, 20));
}

#[test]
fn our_fin_is_no_text() {
    let mut path = Path::open(setup());
    path.write(1);
    path.peer.shutdown(synfin_core::Shutdown::Write);
    path.peer.drain();
    let info = tcp_info(&path);
    assert_eq!(
        (info.state, info.bytes_sent, info.bytes_acked),
        (4, 1460, 0)
    );
    path.peer.batch(&["{. seq=1 ack=1461}"]);
    assert_eq!(
        tcp_info(&path).bytes_acked,
        1460,
        "the FIN is still on its way"
    );
    path.peer.batch(&["{. seq=1 ack=1462}"]);
    let info = tcp_info(&path);
    assert_eq!((info.state, info.bytes_acked), (5, 1460));
}

#[test]
fn a_loss_is_seen_in_the_flight_and_counted() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    assert_eq!(path.ack(0, &[(1, 5)]), [0]);
    let info = tcp_info(&path);
    assert_eq!(info.ca_state, 3);
    assert_eq!(
        (info.unacked, info.sacked, info.lost, info.retrans),
        (10, 4, 0, 1)
    );
    assert_eq!((info.total_retrans, info.bytes_retrans), (1, 1460));
    assert_eq!(info.bytes_sent, 11 * 1460);
    assert_eq!(info.data_segs_out, 11);
    path.wait(RTT);
    // The first copy was late only: the peer reports the second as a duplicate.
    path.ack(10, &[(0, 1)]);
    let info = tcp_info(&path);
    assert_eq!((info.dsack_dups, info.ca_state), (1, 0));
}

#[test]
fn several_losses_wait_for_their_turn() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    path.ack(0, &[(7, 10)]);
    let info = tcp_info(&path);
    let waiting = (info.sacked, info.lost, info.retrans);
    assert_eq!(waiting, (3, 4, 3), "as many leave as were delivered");
}

#[test]
fn reordering_is_counted_once_for_each_report() {
    let mut path = Path::open(setup());
    path.write(4);
    path.wait(RTT);
    path.ack(0, &[(1, 2)]);
    assert_eq!(tcp_info(&path).reord_seen, 0);
    path.ack(4, &[]);
    assert_eq!(tcp_info(&path).reord_seen, 1);
}

#[test]
fn runs_of_timeouts_are_counted_and_timed() {
    let mut path = Path::open(without_sack());
    path.write(1);
    assert_eq!(path.wait(301), [0]);
    assert_eq!(path.wait(601), [0]);
    path.wait(98);
    let info = tcp_info(&path);
    assert_eq!((info.retransmits, info.backoff, info.ca_state), (2, 2, 4));
    assert_eq!((info.total_rto, info.total_rto_recoveries), (2, 1));
    assert_eq!(info.total_rto_time, 700, "it goes on");
    path.ack(1, &[]);
    path.wait(5000);
    path.write(1);
    path.wait(3000);
    let info = tcp_info(&path);
    assert_eq!(info.total_rto_recoveries, 2);
    path.ack(2, &[]);
    let info = tcp_info(&path);
    assert_eq!(info.retransmits, 0);
    assert_eq!(info.total_rto, 3);
}

/// A timeout of the SYN counts, as does one of the SYN,ACK.
#[test]
fn the_handshake_counts() {
    let mut peer = Peer::new(setup());
    peer.connect();
    peer.drain();
    peer.wait(ms(1001));
    peer.on("{SYN. seq=0 ack=1}");
    let info = with(&peer, |conn| conn.tcp_info(peer.now));
    assert_eq!((info.total_rto, info.total_retrans), (1, 1));
    assert_eq!((info.segs_out, info.segs_in), (3, 1));

    let mut peer = Peer::new(setup());
    peer.listen();
    peer.on("{SYN seq=0}");
    peer.wait(ms(1001));
    peer.on("{. seq=1 ack=1}");
    assert!(peer.accept());
    let info = with(&peer, |conn| conn.tcp_info(peer.now));
    assert_eq!((info.total_rto, info.total_retrans), (1, 1));
    assert_eq!((info.segs_out, info.segs_in), (2, 2));
}

#[test]
fn the_delivery_rate_is_that_of_the_newest_round() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    path.ack(5, &[]);
    let info = tcp_info(&path);
    assert!(info.delivery_rate_app_limited, "all was sent at once");
    assert_eq!(info.delivery_rate, 5 * 14_600, "five segments in 100 ms");
    path.ack(10, &[]);
    assert_eq!(
        tcp_info(&path).delivery_rate,
        0,
        "an idle connection has lost it"
    );
}

/// Busy from the first octet until the last acknowledgement, and only then.
#[test]
fn busy_time_is_that_of_text_under_way() {
    let mut path = Path::open(setup());
    path.wait(500);
    assert_eq!(tcp_info(&path).busy_time, 0);
    path.write(3);
    path.wait(40);
    assert_eq!(tcp_info(&path).busy_time, 40_000, "it goes on");
    path.wait(60);
    path.ack(3, &[]);
    path.wait(900);
    let info = tcp_info(&path);
    assert_eq!(info.busy_time, 100_000);
    assert_eq!((info.rwnd_limited, info.sndbuf_limited), (0, 0));
    path.write(1);
    path.wait(10);
    path.peer.abort();
}

#[test]
fn the_peers_window_holds_back_until_it_opens() {
    let mut path = Path::open(Setup {
        win: 2920,
        ..setup()
    });
    assert_eq!(path.write(4).len(), 2);
    path.wait(RTT);
    assert_eq!(path.ack(2, &[]), [2, 3]);
    path.wait(RTT);
    path.ack(4, &[]);
    let info = tcp_info(&path);
    assert_eq!((info.rwnd_limited, info.busy_time), (100_000, 200_000));
}

#[test]
fn a_send_buffer_that_is_full_holds_back() {
    let mut setup = setup();
    setup.config.socket.send_buffer = synfin_core::BufferSize::Fixed(4 * 1460);
    let mut path = Path::open(setup);
    // More than fits: the application would write on.
    let written = path.peer.write(6 * 1460);
    assert_eq!(written, 4 * 1460);
    path.peer.drain();
    path.wait(RTT);
    path.ack(4, &[]);
    path.wait(RTT);
    let info = tcp_info(&path);
    assert_eq!((info.sndbuf_limited, info.busy_time), (100_000, 100_000));
}

#[test]
fn every_field_is_listed_under_its_name() {
    let path = Path::open(setup());
    let info = tcp_info(&path);
    let fields: Vec<(&str, u64)> = info.fields().collect();
    let of = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, n)| *n)
    };
    assert_eq!(of("rtt"), Some(100_000));
    assert_eq!(of("delivery_rate_app_limited"), Some(0));
    assert_eq!(of("snd_cwnd"), Some(10));
    assert_eq!(fields.first(), Some(&("state", 1)));
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), fields.len());
}
