//! CLOSE-WAIT, CLOSING, LAST-ACK and TIME-WAIT: after the peer's FIN (RFC 9293 section 3.10.7.4,
//! RFC 1337, RFC 6191).

use synfin_core::State::{self, CloseWait, Closed, Closing, LastAck, TimeWait};

use crate::classes::{Row, run_all};
use crate::support::Stage;

/// A state that takes no text any more. `acked` follows when everything is acknowledged, and
/// `last` is the reply to a segment that does so and carries something.
fn takes_no_text(state: State, acked: State, last: &'static str) -> Vec<Row> {
    vec![
        ("SYN", "{. seq=N ack=R}", state, 0),
        ("SYN,ACK", "{. seq=N ack=R}", state, 0),
        ("SYN in window", "{. seq=N ack=R}", state, 0),
        ("SYN,ACK in window", "{. seq=N ack=R}", state, 0),
        ("RST at left edge", "", Closed, 0),
        ("RST,ACK at left edge", "", Closed, 0),
        ("RST with text at left edge", "", Closed, 0),
        ("RST in window", "{. seq=N ack=R}", state, 0),
        ("RST last in window", "{. seq=N ack=R}", state, 0),
        ("RST beyond window", "", state, 0),
        ("RST below window", "", state, 0),
        ("ACK too old", "{. seq=N ack=R}", state, 0),
        ("ACK old", "", state, 0),
        ("ACK duplicate", "", state, 0),
        ("ACK new", "", acked, 0),
        ("ACK beyond SND.NXT", "{. seq=N ack=R}", state, 0),
        ("text, ACK beyond SND.NXT", "{. seq=N ack=R}", state, 0),
        ("zero window", "", state, 0),
        ("no bit", "", state, 0),
        ("text without ACK", "", state, 0),
        ("text in order", "{. seq=N ack=R}", state, 0),
        ("text, ACK new", last, acked, 0),
        ("text out of order", "{. seq=N ack=R}", state, 0),
        ("text old", "{. seq=N ack=R}", state, 0),
        ("text beyond window", "{. seq=N ack=R}", state, 0),
        ("URG text", "{. seq=N ack=R}", state, 0),
        ("FIN in order", "{. seq=N ack=R}", state, 0),
        ("FIN, ACK new", last, acked, 0),
        ("FIN again", "{. seq=N ack=R}", state, 0),
        ("FIN again, ACK new", last, acked, 0),
        ("FIN out of order", "{. seq=N ack=R}", state, 0),
        ("FIN without ACK", "", state, 0),
    ]
}

/// covers: EV-11, EV-12, RP-5, RP-9, ST-704, ST-705, ST-706, ST-707, ST-710, AB-12, AB-13
#[test]
fn close_wait() {
    let rows = takes_no_text(CloseWait, CloseWait, "{. seq=N ack=R}");
    run_all(Stage::CloseWait, &rows);
}

/// covers: EV-12, RP-6, RP-9, ST-801, ST-802, ST-804, ST-805, AB-3, AB-12, AB-13
#[test]
fn closing() {
    let rows = takes_no_text(Closing, TimeWait, "{. seq=N ack=R}");
    run_all(Stage::Closing, &rows);
}

/// The acknowledgement of the FIN ends the connection, whatever else comes with it.
/// covers: RP-6, ST-901, ST-904, ST-905, ST-907, AB-12, AB-13, AB-18
#[test]
fn last_ack() {
    let rows = takes_no_text(LastAck, Closed, "");
    run_all(Stage::LastAck, &rows);
}

/// RFC 1337 ignores RSTs, RFC 6191 drops SYNs (nobody listens here). What was acknowledged before
/// is no reason to send: an old acknowledgement, however old, is dropped.
/// covers: RP-7, DEC-4, 1337-1, ST-1001, ST-1002, ST-1003, ST-1005, ST-1006, 6191-6, 6191-9, RG-9,
/// AB-12
#[test]
fn time_wait() {
    run_all(
        Stage::TimeWait,
        &[
            ("SYN", "", TimeWait, 0),
            ("SYN,ACK", "", TimeWait, 0),
            ("SYN in window", "", TimeWait, 0),
            ("SYN,ACK in window", "", TimeWait, 0),
            ("RST at left edge", "", TimeWait, 0),
            ("RST,ACK at left edge", "", TimeWait, 0),
            ("RST with text at left edge", "", TimeWait, 0),
            ("RST in window", "", TimeWait, 0),
            ("RST last in window", "", TimeWait, 0),
            ("RST beyond window", "", TimeWait, 0),
            ("RST below window", "", TimeWait, 0),
            ("ACK too old", "", TimeWait, 0),
            ("ACK old", "", TimeWait, 0),
            ("ACK duplicate", "", TimeWait, 0),
            ("ACK new", "", TimeWait, 0),
            ("ACK beyond SND.NXT", "{. seq=N ack=R}", TimeWait, 0),
            ("text, ACK beyond SND.NXT", "{. seq=N ack=R}", TimeWait, 0),
            ("zero window", "", TimeWait, 0),
            ("no bit", "", TimeWait, 0),
            ("text without ACK", "", TimeWait, 0),
            ("text in order", "{. seq=N ack=R}", TimeWait, 0),
            ("text, ACK new", "{. seq=N ack=R}", TimeWait, 0),
            ("text out of order", "{. seq=N ack=R}", TimeWait, 0),
            ("text old", "{. seq=N ack=R}", TimeWait, 0),
            ("text beyond window", "{. seq=N ack=R}", TimeWait, 0),
            ("URG text", "{. seq=N ack=R}", TimeWait, 0),
            ("FIN in order", "{. seq=N ack=R}", TimeWait, 0),
            ("FIN, ACK new", "{. seq=N ack=R}", TimeWait, 0),
            ("FIN again", "{. seq=N ack=R}", TimeWait, 0),
            ("FIN again, ACK new", "{. seq=N ack=R}", TimeWait, 0),
            ("FIN out of order", "{. seq=N ack=R}", TimeWait, 0),
            ("FIN without ACK", "", TimeWait, 0),
        ],
    );
}
