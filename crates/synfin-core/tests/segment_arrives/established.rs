//! ESTABLISHED, FIN-WAIT-1 and FIN-WAIT-2: the states that take text (RFC 9293 section 3.10.7.4).

use synfin_core::State::{
    self, CloseWait, Closed, Closing, Established, FinWait1, FinWait2, TimeWait,
};

use crate::classes::{Row, run_all};
use crate::support::Stage;

/// A state that takes text. `acked` follows when everything is acknowledged, `fin` on a FIN,
/// `fin_acked` on a FIN with the acknowledgement of everything.
fn takes_text(state: State, acked: State, fin: State, fin_acked: State) -> Vec<Row> {
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
        ("text in order", "{. seq=N ack=R+5}", state, 5),
        ("text, ACK new", "{. seq=N ack=R+5}", acked, 5),
        ("text out of order", "{. seq=N ack=R}", state, 0),
        ("text old", "{. seq=N ack=R}", state, 0),
        ("text beyond window", "{. seq=N ack=R}", state, 0),
        ("URG text", "{. seq=N ack=R+5}", state, 5),
        ("FIN in order", "{. seq=N ack=R+1}", fin, 0),
        ("FIN, ACK new", "{. seq=N ack=R+1}", fin_acked, 0),
        ("FIN again", "{. seq=N ack=R}", state, 0),
        ("FIN again, ACK new", "{. seq=N ack=R}", acked, 0),
        ("FIN out of order", "{. seq=N ack=R}", state, 0),
        ("FIN without ACK", "", state, 0),
    ]
}

/// covers: EV-3, EV-5, EV-7, EV-8, EV-9, EV-10, EV-12, EV-13, RG-9, RP-5, ST-403, ST-404, ST-405,
/// ST-406, ST-407, ST-408, ST-409, ST-410, ST-411, ST-416, ST-417, ST-423, 5961-1, 5961-2,
/// 5961-3, 5961-4, 5961-6, 5961-10, 9293-SHLD-2, AB-12, AB-13, AB-35
#[test]
fn established() {
    let rows = takes_text(Established, Established, CloseWait, CloseWait);
    run_all(Stage::Established, &rows);
}

/// covers: ST-501, ST-502, ST-503, ST-504, ST-505, ST-511, RP-5, AB-3, AB-12, AB-13
#[test]
fn fin_wait_1() {
    let rows = takes_text(FinWait1, FinWait2, Closing, TimeWait);
    run_all(Stage::FinWait1, &rows);
}

/// covers: ST-601, ST-602, ST-605, ST-607, RP-5, AB-5, AB-12, AB-13
#[test]
fn fin_wait_2() {
    let rows = takes_text(FinWait2, FinWait2, TimeWait, TimeWait);
    run_all(Stage::FinWait2, &rows);
}
