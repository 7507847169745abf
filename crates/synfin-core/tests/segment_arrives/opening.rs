//! SYN-SENT and SYN-RECEIVED (RFC 9293 sections 3.10.7.3 and 3.10.7.4).

use synfin_core::State::{self, CloseWait, Closed, Established, Listen, SynReceived, SynSent};

use crate::classes::{Row, run_all};
use crate::support::Stage;

/// covers: EV-16, ST-201, ST-202, ST-203, ST-204, ST-205, ST-206, ST-207, RG-7, RP-2, AB-12
#[test]
fn syn_sent() {
    run_all(
        Stage::SynSent,
        &[
            ("SYN", "{SYN. seq=0 ack=1}", SynReceived, 0),
            ("SYN,ACK", "{. seq=1 ack=1}", Established, 0),
            ("SYN in window", "{SYN. seq=0 ack=6}", SynReceived, 0),
            ("SYN,ACK in window", "{RST seq=0}", SynSent, 0),
            ("RST at left edge", "", SynSent, 0),
            ("RST,ACK at left edge", "", Closed, 0),
            ("RST with text at left edge", "", Closed, 0),
            ("RST in window", "", SynSent, 0),
            ("RST last in window", "", SynSent, 0),
            ("RST beyond window", "", SynSent, 0),
            ("RST below window", "", SynSent, 0),
            ("ACK too old", "{RST seq=-70000}", SynSent, 0),
            ("ACK old", "{RST seq=-5}", SynSent, 0),
            ("ACK duplicate", "{RST seq=0}", SynSent, 0),
            ("ACK new", "", SynSent, 0),
            ("ACK beyond SND.NXT", "{RST seq=2}", SynSent, 0),
            ("text, ACK beyond SND.NXT", "{RST seq=2}", SynSent, 0),
            ("zero window", "{RST seq=0}", SynSent, 0),
            ("no bit", "", SynSent, 0),
            ("text without ACK", "", SynSent, 0),
            ("text in order", "{RST seq=0}", SynSent, 0),
            ("text, ACK new", "", SynSent, 0),
            ("text out of order", "{RST seq=0}", SynSent, 0),
            ("text old", "{RST seq=0}", SynSent, 0),
            ("text beyond window", "{RST seq=0}", SynSent, 0),
            ("URG text", "{RST seq=0}", SynSent, 0),
            ("FIN in order", "{RST seq=0}", SynSent, 0),
            ("FIN, ACK new", "", SynSent, 0),
            ("FIN again", "{RST seq=0}", SynSent, 0),
            ("FIN again, ACK new", "", SynSent, 0),
            ("FIN out of order", "{RST seq=0}", SynSent, 0),
            ("FIN without ACK", "", SynSent, 0),
        ],
    );
}

/// A SYN-RECEIVED that a RST takes to `reset`, an ACK at `RCV.NXT - 1` to `edge`.
fn syn_received(reset: State, edge: State) -> Vec<Row> {
    vec![
        ("SYN", "{SYN. seq=0 ack=1}", SynReceived, 0),
        ("SYN,ACK", "{. seq=1 ack=1}", edge, 0),
        ("SYN in window", "{. seq=1 ack=1}", SynReceived, 0),
        ("SYN,ACK in window", "{. seq=1 ack=1}", SynReceived, 0),
        ("RST at left edge", "", reset, 0),
        ("RST,ACK at left edge", "", reset, 0),
        ("RST with text at left edge", "", reset, 0),
        ("RST in window", "{. seq=1 ack=1}", SynReceived, 0),
        ("RST last in window", "{. seq=1 ack=1}", SynReceived, 0),
        ("RST beyond window", "", SynReceived, 0),
        ("RST below window", "", SynReceived, 0),
        ("ACK too old", "{RST seq=-70000}", SynReceived, 0),
        ("ACK old", "{RST seq=-5}", SynReceived, 0),
        ("ACK duplicate", "{RST seq=0}", SynReceived, 0),
        ("ACK new", "", Established, 0),
        ("ACK beyond SND.NXT", "{RST seq=2}", SynReceived, 0),
        ("text, ACK beyond SND.NXT", "{RST seq=2}", SynReceived, 0),
        ("zero window", "{RST seq=0}", SynReceived, 0),
        ("no bit", "", SynReceived, 0),
        ("text without ACK", "", SynReceived, 0),
        ("text in order", "{RST seq=0}", SynReceived, 0),
        ("text, ACK new", "{. seq=1 ack=6}", Established, 5),
        ("text out of order", "{RST seq=0}", SynReceived, 0),
        ("text old", "{. seq=1 ack=1}", SynReceived, 0),
        ("text beyond window", "{. seq=1 ack=1}", SynReceived, 0),
        ("URG text", "{RST seq=0}", SynReceived, 0),
        ("FIN in order", "{RST seq=0}", SynReceived, 0),
        ("FIN, ACK new", "{. seq=1 ack=2}", CloseWait, 0),
        ("FIN again", "{. seq=1 ack=1}", SynReceived, 0),
        ("FIN again, ACK new", "{. seq=1 ack=1}", edge, 0),
        ("FIN out of order", "{RST seq=0}", SynReceived, 0),
        ("FIN without ACK", "", SynReceived, 0),
    ]
}

/// A half-open record of a listener.
/// covers: 9293-MUST-11, EV-3, EV-5, EV-7, EV-8, RG-8, RP-3, ST-301, ST-302, ST-303, ST-304,
/// ST-305, ST-306, ST-308, ST-313, DEC-8, 5961-10, AB-12
#[test]
fn syn_received_of_a_listener() {
    run_all(Stage::SynReceived, &syn_received(Listen, SynReceived));
}

/// After SYNs that crossed: a SYN,ACK at `RCV.NXT - 1` still brings its ACK.
/// covers: 9293-MUST-10, 9293-MUST-11, RP-4, ST-307, DEC-15, AB-12
#[test]
fn syn_received_after_crossing_syns() {
    run_all(Stage::SynReceivedActive, &syn_received(Closed, Established));
}
