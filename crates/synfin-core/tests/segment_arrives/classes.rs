//! The classes of segments, and how a table of them is run.

use synfin_core::State;

use crate::support::notation::resolve;
use crate::support::{Peer, Setup, Stage};

/// Class and segment. `R` is `RCV.NXT`, `E` the right edge of the window, `U` `SND.UNA`, `N`
/// `SND.NXT`.
pub(crate) const CLASSES: [(&str, &str); 32] = [
    ("SYN", "{SYN seq=0}"),
    ("SYN,ACK", "{SYN. seq=0 ack=N}"),
    ("SYN in window", "{SYN seq=R+5}"),
    ("SYN,ACK in window", "{SYN. seq=R+5 ack=U}"),
    ("RST at left edge", "{RST seq=R}"),
    ("RST,ACK at left edge", "{RST. seq=R ack=N}"),
    ("RST with text at left edge", "{RST. seq=R ack=N len=20}"),
    ("RST in window", "{RST seq=R+1}"),
    ("RST last in window", "{RST seq=E-1}"),
    ("RST beyond window", "{RST seq=E+1}"),
    ("RST below window", "{RST seq=R-1}"),
    ("ACK too old", "{. seq=R ack=U-70000}"),
    ("ACK old", "{. seq=R ack=U-5}"),
    ("ACK duplicate", "{. seq=R ack=U}"),
    ("ACK new", "{. seq=R ack=N}"),
    ("ACK beyond SND.NXT", "{. seq=R ack=N+1}"),
    ("text, ACK beyond SND.NXT", "{. seq=R ack=N+1 len=5}"),
    ("zero window", "{. seq=R ack=U win=0}"),
    ("no bit", "{- seq=R}"),
    ("text without ACK", "{- seq=R len=5}"),
    ("text in order", "{. seq=R ack=U len=5}"),
    ("text, ACK new", "{. seq=R ack=N len=5}"),
    ("text out of order", "{. seq=R+5 ack=U len=5}"),
    ("text old", "{. seq=R-6 ack=U len=5}"),
    ("text beyond window", "{. seq=E ack=U len=5}"),
    ("URG text", "{URG. seq=R ack=U len=5 up=3}"),
    ("FIN in order", "{FIN. seq=R ack=U}"),
    ("FIN, ACK new", "{FIN. seq=R ack=N}"),
    ("FIN again", "{FIN. seq=R-1 ack=U}"),
    ("FIN again, ACK new", "{FIN. seq=R-1 ack=N}"),
    ("FIN out of order", "{FIN. seq=R+5 ack=U}"),
    ("FIN without ACK", "{FIN seq=R}"),
];

/// Class, replies, next state, octets delivered.
pub(crate) type Row = (&'static str, &'static str, State, i64);

/// Runs a table that has every class, in order.
pub(crate) fn run_all(stage: Stage, rows: &[Row]) {
    let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
    assert_eq!(names, CLASSES.map(|class| class.0), "a row per class");
    for setup in Setup::variants() {
        for (row, (_, segment)) in rows.iter().zip(CLASSES) {
            run(&setup, stage, segment, row);
        }
    }
}

/// One segment in one state.
pub(crate) fn run(setup: &Setup, stage: Stage, segment: &str, row: &Row) {
    let (class, replies, next, delivered) = *row;
    let mut peer = Peer::reach(setup.clone(), stage);
    let expected = resolve(replies, &peer.marks);
    let what = format!(
        "{class} in {stage:?}, IPv6 {}, ISS {:?}",
        setup.v6, setup.iss
    );
    assert_eq!(peer.exchange(segment), expected, "{what}: replies");
    assert_eq!(peer.state(), next, "{what}: next state");
    if peer.conn.is_none() && peer.listener.is_some() {
        peer.accept();
    }
    assert_eq!(peer.read(), delivered, "{what}: octets delivered");
}
