//! What each octet of an idle connection is for: the table of `docs/memory.md`.

extern crate std;

use alloc::string::String;
use core::fmt::Write;

use super::{Cold, Connection};
use crate::slab::slot_bytes;
use crate::tcp::half_open::HalfOpen;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/memory.md");
const BEGIN: &str = "<!-- sizes: begin -->\n";
const END: &str = "<!-- sizes: end -->\n";

fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Rows of all fields but those named last; a field that is not listed does not compile.
macro_rules! rows {
    ($type:ident { $($field:ident: $what:literal),+ $(,)? } but { $($other:ident),* }) => {{
        #[allow(clippy::no_effect_underscore_binding)]
        fn _all(value: &$type) {
            let $type { $($field: _,)+ $($other: _),* } = value;
        }
        [$((stringify!($field), size_of_field(|value: &$type| &value.$field), $what)),+]
    }};
}

fn hot() -> [(&'static str, usize, &'static str); 9] {
    rows!(Connection {
        snd: "`SND.UNA`, `SND.NXT`, `SND.WND`, `SND.WL1`, `SND.WL2`",
        rcv: "`RCV.NXT`, right edge of the window, last acknowledgement sent, `TS.Recent`",
        marks: "what is owed, negotiated and asked for",
        key: "ports, remote IPv4 address, index of the local address",
        eff_snd_mss: "the largest segment that may be sent",
        state: "state of RFC 9293",
        shifts: "both window shifts",
        quick_acks: "segments that are still acknowledged at once",
        received_tos: "DSCP and ECN of the last segment",
    } but { active, cold })
}

fn cold() -> [(&'static str, usize, &'static str); 32] {
    rows!(Cold {
        extra: "pointer to what few connections have",
        options: "which socket options: the stack's, a set that others have too, or its own",
        congestion: "`cwnd`, `ssthresh` and what the controller wants kept, or a pointer to it",
        rtt: "`SRTT`, `RTTVAR`, smallest round trip, RTO, backoff",
        ecn: "what is spoken, allowed and owed",
        reordering: "`RACK.reo_wnd_mult` and `RACK.reo_wnd_persist`",
        iss: "`ISS`; with `SND.NXT` also the octets sent",
        irs: "`IRS`; with `RCV.NXT` also the octets received",
        max_snd_wnd: "the largest window seen, for silly window avoidance",
        ts_offset: "offset of our timestamps",
        ts_recent_at: "when `TS.Recent` was taken",
        last_received: "when the last segment came",
        last_sent: "when the last text left",
        validated_at: "when the congestion window was last used (RFC 7661)",
        flow: "number of the flow in traces",
        marks: "what few segments ask for",
        coarse: "keep-alive; places in both timer wheels",
        keep_alive_probes: "probes without an answer",
        stats: "octets delivered, time busy, segments, when the last text came",
        events: "events that wait for the application",
        close_reason: "why it has left the wire",
        soft_error: "the last ICMP error",
        ack_reason: "why an acknowledgement is owed, for traces",
        reset_reason: "why a RST is owed, for traces",
        counted: "the state as which it is counted",
        device: "the device it uses",
        peer_mss: "the peer's MSS",
        own_mss: "the MSS that was announced",
        own_shift: "the window shift that was announced",
        tuning: "receive window by what the application reads",
        rcv_mss: "the size of the peer's full segments",
        path_mtu: "the path's MTU, the device's, the largest packet that arrived",
    } but {})
}

fn table() -> String {
    let mut out = String::from("| octets | of | for |\n|---:|---|---|\n");
    let mut row = |octets: usize, name: &str, what: &str| {
        writeln!(out, "| {octets} | {name} | {what} |").expect("a string grows");
    };
    let active = size_of_field(|c: &Connection| &c.active);
    let (mut in_hot, mut in_cold) = (active, 0);
    for (name, octets, what) in hot() {
        row(octets, &alloc::format!("hot `{name}`"), what);
        in_hot += octets;
    }
    row(
        active,
        "hot `active`",
        "pointer to what exists only while it is at work",
    );
    for (name, octets, what) in cold() {
        row(octets, &alloc::format!("cold `{name}`"), what);
        in_cold += octets;
    }
    let unused = size_of::<Connection>() - in_hot - in_cold;
    row(unused, "", "unused, for alignment");
    row(size_of::<Connection>(), "**connection**", "");
    let slot = slot_bytes::<Connection>() - size_of::<Connection>();
    row(
        slot,
        "its slot in the table",
        "generation, by which a stale handle is recognised",
    );
    row(
        slot_bytes::<HalfOpen>(),
        "**half-open entry**",
        "with its slot",
    );
    out
}

#[test]
fn the_document_tells_the_sizes() {
    let text = std::fs::read_to_string(DOCUMENT).expect("the document is there");
    let (before, rest) = text.split_once(BEGIN).expect("the table begins");
    let (is, after) = rest.split_once(END).expect("the table ends");
    let table = table();
    if std::env::var_os("SYNFIN_BLESS").is_some() {
        let blessed = [before, BEGIN, &table, END, after].concat();
        std::fs::write(DOCUMENT, blessed).expect("the document can be written");
    } else {
        assert_eq!(is, table, "SYNFIN_BLESS=1 rewrites docs/memory.md");
    }
}
