//! The table of transitions: all states with all causes against a table written down here, and
//! the picture of it in `docs/state-diagram.md`.

use std::fmt::Write as _;

use synfin_core::State::{
    self, CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen,
    SynReceived, SynSent, TimeWait,
};
use synfin_core::{Cause, IllegalTransition};

/// One row per state; `-` is a step that RFC 9293 does not have. The columns are the causes in
/// the order of [`Cause::ALL`].
const TABLE: &str = "
             PO  AO  Syn SA  AS  Cl  Fin AF  FA  2M  Rst Abt Exp Unr Reo Evi
CLOSED       LI  SS  -   -   -   -   -   -   -   -   -   -   -   -   -   -
LISTEN       -   -   SR  -   -   CL  -   -   -   -   -   CL  -   -   -   -
SYN-SENT     -   -   SR  ES  -   CL  -   -   -   -   CL  CL  CL  CL  -   CL
SYN-RECEIVED -   -   -   -   ES  F1  CW  -   -   -   CL  CL  CL  CL  -   CL
ESTABLISHED  -   -   -   -   -   F1  CW  -   -   -   CL  CL  CL  CL  -   CL
FIN-WAIT-1   -   -   -   -   -   -   CG  F2  TW  -   CL  CL  CL  CL  -   CL
FIN-WAIT-2   -   -   -   -   -   -   TW  -   -   -   CL  CL  CL  CL  -   CL
CLOSE-WAIT   -   -   -   -   -   LA  -   -   -   -   CL  CL  CL  CL  -   CL
CLOSING      -   -   -   -   -   -   -   TW  -   -   CL  CL  CL  CL  -   CL
LAST-ACK     -   -   -   -   -   -   -   CL  -   -   CL  CL  CL  CL  -   CL
TIME-WAIT    -   -   -   -   -   -   -   -   -   CL  CL  CL  -   -   CL  CL
";

fn state_of(word: &str) -> Option<State> {
    Some(match word {
        "CL" => Closed,
        "LI" => Listen,
        "SS" => SynSent,
        "SR" => SynReceived,
        "ES" => Established,
        "F1" => FinWait1,
        "F2" => FinWait2,
        "CW" => CloseWait,
        "CG" => Closing,
        "LA" => LastAck,
        "TW" => TimeWait,
        "-" => return None,
        _ => panic!("no such state: {word}"),
    })
}

/// covers: INV-12, ST-001, ST-002, ST-201, ST-202, ST-301, ST-410, ST-412, ST-501, ST-503,
/// ST-504, ST-601, ST-703, ST-801, ST-901, ST-1004
#[test]
fn every_state_with_every_cause() {
    let rows: Vec<&str> = TABLE.trim_matches('\n').lines().skip(1).collect();
    assert_eq!(rows.len(), State::ALL.len());
    for (state, row) in State::ALL.into_iter().zip(rows) {
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[0], state.as_str());
        assert_eq!(words.len(), 1 + Cause::ALL.len(), "{state}");
        for (cause, word) in Cause::ALL.into_iter().zip(&words[1..]) {
            let expected = state_of(word).ok_or(IllegalTransition { from: state, cause });
            assert_eq!(state.next(cause), expected, "{state} on {cause}");
        }
    }
}

/// What the questions about a state answer, per state: synchronized, takes text, may queue text,
/// has closed, peer has closed.
#[test]
fn questions_about_states() {
    let expected = [
        (Closed, "-----"),
        (Listen, "-----"),
        (SynSent, "--q--"),
        (SynReceived, "--q--"),
        (Established, "stq--"),
        (FinWait1, "st-c-"),
        (FinWait2, "st-c-"),
        (CloseWait, "s-q-p"),
        (Closing, "s--cp"),
        (LastAck, "s--cp"),
        (TimeWait, "s--cp"),
    ];
    for (state, letters) in expected {
        let answers = [
            ('s', state.is_synchronized()),
            ('t', state.can_receive_text()),
            ('q', state.can_queue_text()),
            ('c', state.has_closed()),
            ('p', state.peer_has_closed()),
        ];
        let got: String = answers
            .map(|(c, yes)| if yes { c } else { '-' })
            .iter()
            .collect();
        assert_eq!(got, letters, "{state}");
    }
}

/// Every state can be reached from CLOSED, and CLOSED from every state.
#[test]
fn no_state_is_a_dead_end() {
    let reach = |from: State| {
        let mut seen = vec![from];
        let mut at = 0;
        while let Some(&state) = seen.get(at) {
            let next = Cause::ALL
                .into_iter()
                .filter_map(|cause| state.next(cause).ok());
            let fresh: Vec<State> = next.filter(|s| !seen.contains(s)).collect();
            for state in fresh {
                if !seen.contains(&state) {
                    seen.push(state);
                }
            }
            at += 1;
        }
        seen
    };
    assert_eq!(reach(Closed).len(), State::ALL.len());
    for state in State::ALL {
        assert!(reach(state).contains(&Closed), "{state} never ends");
    }
}

const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/state-diagram.md");

const INTRODUCTION: &str = "# States of a connection

Generated from `State::next` by `crates/synfin-core/tests/state_table.rs`; after a change of the
table run `SYNFIN_BLESS=1 cargo test -p synfin-core --test state_table`. Steps that end a
connection early, from any state, are listed below the picture.

A SYN at a listener makes a new record in SYN-RECEIVED; the listener itself stays in LISTEN.

";

/// A mermaid name: no hyphens.
fn id(state: State) -> String {
    state.as_str().replace('-', "_")
}

/// Causes that end a connection early; in the picture they would hide the rest.
fn is_early_end(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Reset | Cause::Abort | Cause::Expired | Cause::Unreachable | Cause::Evicted
    )
}

/// Before ESTABLISHED nothing is sent on CLOSE.
fn words(state: State, cause: Cause) -> &'static str {
    match (state, cause) {
        (Listen | SynSent, Cause::Close) => "CLOSE",
        _ => cause.as_str(),
    }
}

/// States in the order in which RFC 9293 draws them, with all steps out of them.
fn picture() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("```mermaid\nstateDiagram-v2\n    direction TB\n");
    for state in State::ALL {
        let _ = writeln!(out, "    state \"{state}\" as {}", id(state));
    }
    out.push_str("    [*] --> CLOSED\n");
    for state in State::ALL {
        for cause in Cause::ALL.into_iter().filter(|cause| !is_early_end(*cause)) {
            if let Ok(next) = state.next(cause) {
                let words = words(state, cause);
                let _ = writeln!(out, "    {} --> {} : {words}", id(state), id(next));
            }
        }
    }
    out.push_str("```\n\n| to CLOSED on | from |\n|---|---|\n");
    for cause in Cause::ALL.into_iter().filter(|cause| is_early_end(*cause)) {
        let from: Vec<&str> = State::ALL
            .into_iter()
            .filter(|state| state.next(cause) == Ok(Closed))
            .map(State::as_str)
            .collect();
        let _ = writeln!(out, "| {cause} | {} |", from.join(", "));
    }
    out
}

/// The picture in the documentation is the table.
#[test]
fn the_picture_is_the_table() {
    let fresh = picture();
    if std::env::var_os("SYNFIN_BLESS").is_some() {
        std::fs::write(PICTURE, &fresh).expect("docs/ can be written");
    }
    let filed = std::fs::read_to_string(PICTURE).unwrap_or_default();
    assert!(
        filed == fresh,
        "docs/state-diagram.md is not State::next; SYNFIN_BLESS=1 rewrites it"
    );
}
