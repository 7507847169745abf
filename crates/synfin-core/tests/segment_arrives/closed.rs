//! CLOSED and LISTEN (RFC 9293 sections 3.10.7.1 and 3.10.7.2).

use synfin_core::State::{Closed, Listen, SynReceived};

use crate::classes::run_all;
use crate::support::Stage;

/// covers: ST-005, RG-1, RG-2, RG-3, RP-1, AB-9, AB-12
#[test]
fn closed() {
    run_all(
        Stage::Closed,
        &[
            ("SYN", "{RST. seq=0 ack=1}", Closed, 0),
            ("SYN,ACK", "{RST seq=0}", Closed, 0),
            ("SYN in window", "{RST. seq=0 ack=6}", Closed, 0),
            ("SYN,ACK in window", "{RST seq=0}", Closed, 0),
            ("RST at left edge", "", Closed, 0),
            ("RST,ACK at left edge", "", Closed, 0),
            ("RST with text at left edge", "", Closed, 0),
            ("RST in window", "", Closed, 0),
            ("RST last in window", "", Closed, 0),
            ("RST beyond window", "", Closed, 0),
            ("RST below window", "", Closed, 0),
            ("ACK too old", "{RST seq=-70000}", Closed, 0),
            ("ACK old", "{RST seq=-5}", Closed, 0),
            ("ACK duplicate", "{RST seq=0}", Closed, 0),
            ("ACK new", "{RST seq=0}", Closed, 0),
            ("ACK beyond SND.NXT", "{RST seq=1}", Closed, 0),
            ("text, ACK beyond SND.NXT", "{RST seq=1}", Closed, 0),
            ("zero window", "{RST seq=0}", Closed, 0),
            ("no bit", "{RST. seq=0 ack=0}", Closed, 0),
            ("text without ACK", "{RST. seq=0 ack=5}", Closed, 0),
            ("text in order", "{RST seq=0}", Closed, 0),
            ("text, ACK new", "{RST seq=0}", Closed, 0),
            ("text out of order", "{RST seq=0}", Closed, 0),
            ("text old", "{RST seq=0}", Closed, 0),
            ("text beyond window", "{RST seq=0}", Closed, 0),
            ("URG text", "{RST seq=0}", Closed, 0),
            ("FIN in order", "{RST seq=0}", Closed, 0),
            ("FIN, ACK new", "{RST seq=0}", Closed, 0),
            ("FIN again", "{RST seq=0}", Closed, 0),
            ("FIN again, ACK new", "{RST seq=0}", Closed, 0),
            ("FIN out of order", "{RST seq=0}", Closed, 0),
            ("FIN without ACK", "{RST. seq=0 ack=1}", Closed, 0),
        ],
    );
}

/// covers: EV-15, ST-101, ST-102, ST-103, ST-104, RG-4, RG-5, RG-6, RP-1, AB-12
#[test]
fn listen() {
    run_all(
        Stage::Listen,
        &[
            ("SYN", "{SYN. seq=0 ack=1}", SynReceived, 0),
            ("SYN,ACK", "{RST seq=0}", Listen, 0),
            ("SYN in window", "{SYN. seq=0 ack=6}", SynReceived, 0),
            ("SYN,ACK in window", "{RST seq=0}", Listen, 0),
            ("RST at left edge", "", Listen, 0),
            ("RST,ACK at left edge", "", Listen, 0),
            ("RST with text at left edge", "", Listen, 0),
            ("RST in window", "", Listen, 0),
            ("RST last in window", "", Listen, 0),
            ("RST beyond window", "", Listen, 0),
            ("RST below window", "", Listen, 0),
            ("ACK too old", "{RST seq=-70000}", Listen, 0),
            ("ACK old", "{RST seq=-5}", Listen, 0),
            ("ACK duplicate", "{RST seq=0}", Listen, 0),
            ("ACK new", "{RST seq=0}", Listen, 0),
            ("ACK beyond SND.NXT", "{RST seq=1}", Listen, 0),
            ("text, ACK beyond SND.NXT", "{RST seq=1}", Listen, 0),
            ("zero window", "{RST seq=0}", Listen, 0),
            ("no bit", "", Listen, 0),
            ("text without ACK", "", Listen, 0),
            ("text in order", "{RST seq=0}", Listen, 0),
            ("text, ACK new", "{RST seq=0}", Listen, 0),
            ("text out of order", "{RST seq=0}", Listen, 0),
            ("text old", "{RST seq=0}", Listen, 0),
            ("text beyond window", "{RST seq=0}", Listen, 0),
            ("URG text", "{RST seq=0}", Listen, 0),
            ("FIN in order", "{RST seq=0}", Listen, 0),
            ("FIN, ACK new", "{RST seq=0}", Listen, 0),
            ("FIN again", "{RST seq=0}", Listen, 0),
            ("FIN again, ACK new", "{RST seq=0}", Listen, 0),
            ("FIN out of order", "{RST seq=0}", Listen, 0),
            ("FIN without ACK", "", Listen, 0),
        ],
    );
}
