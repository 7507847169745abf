//! Every way in which a connection ends, with the states seen on both sides: synfin's in its
//! trace, the kernel's by `ss`.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown as KernelShutdown;
use std::time::Duration;

use synfin_core::{CloseReason, RecvError, Shutdown, State};
use synfin_interop::Family;
use synfin_interop::capture;
use synfin_interop::harness::Test;
use synfin_interop::host::{Host, HostOptions};
use synfin_interop::pair::{Pair, Role, reset_on_close};
use synfin_interop::pattern::Pattern;
use synfin_interop::socket::Socket;

use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent,
    TimeWait,
};

type Scene = fn(&Host, Pair<'_>, Role);

const SCENES: [(&str, Scene); 12] = [
    ("kernel_closes_first", kernel_closes_first),
    ("synfin_closes_first", synfin_closes_first),
    ("both_close_at_once", both_close_at_once),
    ("kernel_half_closes_and_reads_on", kernel_half_closes),
    ("synfin_half_closes_and_reads_on", synfin_half_closes),
    ("kernel_resets", kernel_resets),
    ("synfin_aborts", synfin_aborts),
    ("synfin_lingers_for_nothing", synfin_lingers_for_nothing),
    (
        "kernel_closes_with_unread_data",
        kernel_closes_with_unread_data,
    ),
    (
        "synfin_closes_with_unread_data",
        synfin_closes_with_unread_data,
    ),
    (
        "kernel_writes_to_a_closed_synfin",
        kernel_writes_to_a_closed_synfin,
    ),
    (
        "synfin_writes_to_a_closed_kernel",
        synfin_writes_to_a_closed_kernel,
    ),
];

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (name, scene) in SCENES {
        for family in Family::ALL {
            for role in Role::ALL {
                let name = format!("closing::{name}::{family}::{}", role.name());
                tests.push(Test::new(name, move || play(scene, family, role)));
            }
        }
    }
    tests
}

/// Opens a connection, plays the scene on it, and has the capture judged. A receive buffer begins
/// small, and on a busy machine the kernel fills it before the reader has its turn; nothing else
/// explains a complaint.
fn play(scene: Scene, family: Family, role: Role) {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("closing.pcap");
    let options = HostOptions {
        capture: Some(capture.clone()),
        ..HostOptions::default()
    };
    let host = Host::start(options);
    scene(&host, Pair::open(&host, role, family), role);
    host.wait_for_silence();
    drop(host);
    capture::judge_bulk(&capture, &capture::SLOW_RECEIVER);
}

/// Checks the whole path of a connection's states.
fn assert_states(host: &Host, socket_states: &[State], role: Role, after: &[State]) {
    let before: &[State] = match role {
        Role::Accepts => &[State::Listen, SynReceived, Established],
        Role::Connects => &[Closed, SynSent, Established],
    };
    let expected: Vec<State> = before.iter().chain(after).copied().collect();
    assert_eq!(
        socket_states,
        expected,
        "{} in TIME-WAIT",
        host.count(TimeWait)
    );
}

fn kernel_closes_first(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair { ours, theirs, .. } = pair;
    let flow = ours.flow();
    drop(theirs);
    ours.wait_for_state(CloseWait);
    view.wait_for("FIN-WAIT-2");
    assert_eq!(ours.read_to_end(), Ok(Vec::new()));
    ours.close(None);
    view.wait_for("TIME-WAIT");
    host.wait_for_state(flow, Closed);
    assert_states(
        host,
        &host.states(flow),
        role,
        &[CloseWait, LastAck, Closed],
    );
    assert_eq!(host.count(TimeWait), 0);
}

fn synfin_closes_first(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair {
        ours, mut theirs, ..
    } = pair;
    let flow = ours.flow();
    ours.close(None);
    host.wait_for_state(flow, FinWait2);
    view.wait_for("CLOSE-WAIT");
    assert_eq!(theirs.read(&mut [0; 1]).expect("an end of stream"), 0);
    drop(theirs);
    host.wait_for_state(flow, TimeWait);
    view.wait_until_gone();
    assert_states(
        host,
        &host.states(flow),
        role,
        &[FinWait1, FinWait2, TimeWait],
    );
    assert_eq!(host.count(TimeWait), 1);
}

fn both_close_at_once(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair { ours, theirs, .. } = pair;
    let flow = ours.flow();
    // The kernel's FIN waits in the device while ours leaves: they cross.
    ours.close_after(move || drop(theirs));
    host.wait_for_state(flow, TimeWait);
    view.wait_for("TIME-WAIT");
    assert_states(
        host,
        &host.states(flow),
        role,
        &[FinWait1, Closing, TimeWait],
    );
}

const MIB: usize = 1 << 20;

fn kernel_half_closes(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair {
        ours, mut theirs, ..
    } = pair;
    let flow = ours.flow();
    theirs.write_all(b"the last words").expect("there is room");
    theirs
        .shutdown(KernelShutdown::Write)
        .expect("it is connected");
    assert_eq!(
        ours.read_to_end().as_deref(),
        Ok(b"the last words".as_slice())
    );
    ours.wait_for_state(CloseWait);
    view.wait_for("FIN-WAIT-2");
    let written = ours.begin_fill(Pattern::new(1), MIB as u64);
    check_all(&mut theirs, Pattern::new(1), MIB);
    written
        .wait("all is written")
        .expect("the connection can send");
    ours.close(None);
    assert_eq!(theirs.read(&mut [0; 1]).expect("an end of stream"), 0);
    view.wait_for("TIME-WAIT");
    host.wait_for_state(flow, Closed);
    assert_states(
        host,
        &host.states(flow),
        role,
        &[CloseWait, LastAck, Closed],
    );
}

fn synfin_half_closes(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair {
        ours, mut theirs, ..
    } = pair;
    let flow = ours.flow();
    ours.write_all(b"the last words");
    ours.shutdown(Shutdown::Write);
    let mut read = Vec::new();
    theirs.read_to_end(&mut read).expect("an end of stream");
    assert_eq!(read, b"the last words");
    ours.wait_for_state(FinWait2);
    view.wait_for("CLOSE-WAIT");
    let checked = ours.begin_check(Pattern::new(2));
    theirs
        .write_all(&Pattern::new(2).next(MIB))
        .expect("it can send");
    drop(theirs);
    assert_eq!(checked.wait("the end of the stream"), Ok(MIB as u64));
    ours.wait_for_state(TimeWait);
    view.wait_until_gone();
    assert_states(host, &ours.states(), role, &[FinWait1, FinWait2, TimeWait]);
    assert_eq!(ours.wait_for_close(), CloseReason::Graceful);
    ours.close(None);
    assert_eq!(host.states(flow).last(), Some(&TimeWait));
}

fn kernel_resets(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair { ours, theirs, .. } = pair;
    reset_on_close(&theirs);
    drop(theirs);
    assert_reset(host, ours, role, &[Closed]);
    view.wait_until_gone();
}

fn synfin_aborts(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair {
        ours, mut theirs, ..
    } = pair;
    let flow = ours.flow();
    ours.abort();
    let error = theirs.read(&mut [0; 1]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    view.wait_until_gone();
    assert_states(host, &host.states(flow), role, &[Closed]);
}

fn synfin_lingers_for_nothing(host: &Host, pair: Pair<'_>, role: Role) {
    let Pair {
        ours, mut theirs, ..
    } = pair;
    let flow = ours.flow();
    ours.close(Some(Duration::ZERO));
    let error = theirs.read(&mut [0; 1]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_states(host, &host.states(flow), role, &[Closed]);
}

fn kernel_closes_with_unread_data(host: &Host, pair: Pair<'_>, role: Role) {
    let Pair { ours, theirs, .. } = pair;
    ours.write_all(b"never read");
    let mut octets = [0; 10];
    while theirs.peek(&mut octets).expect("octets to read") < octets.len() {}
    drop(theirs);
    assert_reset(host, ours, role, &[Closed]);
}

fn synfin_closes_with_unread_data(host: &Host, pair: Pair<'_>, role: Role) {
    let Pair {
        ours, mut theirs, ..
    } = pair;
    let flow = ours.flow();
    theirs.write_all(b"never read").expect("there is room");
    ours.wait_for_readable(10);
    ours.close(None);
    let error = theirs.read(&mut [0; 1]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_states(host, &host.states(flow), role, &[Closed]);
}

/// Nobody will read what comes after CLOSE: the sender is told by RST (RFC 2525 section 2.17).
fn kernel_writes_to_a_closed_synfin(host: &Host, pair: Pair<'_>, role: Role) {
    let view = pair.view();
    let Pair {
        ours, mut theirs, ..
    } = pair;
    let flow = ours.flow();
    ours.close(None);
    host.wait_for_state(flow, FinWait2);
    theirs.write_all(b"too late").expect("there is room");
    view.wait_until_gone();
    host.wait_for_state(flow, Closed);
    assert_states(
        host,
        &host.states(flow),
        role,
        &[FinWait1, FinWait2, Closed],
    );
}

fn synfin_writes_to_a_closed_kernel(host: &Host, pair: Pair<'_>, role: Role) {
    let Pair { ours, theirs, .. } = pair;
    drop(theirs);
    ours.wait_for_state(CloseWait);
    ours.write_all(b"too late");
    assert_eq!(ours.wait_for_close(), CloseReason::ResetByPeer);
    assert_states(host, &ours.states(), role, &[CloseWait, Closed]);
    ours.close(None);
}

fn assert_reset(host: &Host, ours: Socket<'_>, role: Role, after: &[State]) {
    assert_eq!(ours.wait_for_close(), CloseReason::ResetByPeer);
    assert_eq!(
        ours.read_to_end(),
        Err(RecvError::Closed(CloseReason::ResetByPeer))
    );
    assert_states(host, &ours.states(), role, after);
    ours.close(None);
}

fn check_all(stream: &mut impl Read, mut pattern: Pattern, len: usize) {
    let mut octets = vec![0; 64 * 1024];
    while pattern.offset() < len as u64 {
        let read = stream
            .read(&mut octets)
            .expect("the connection can be read");
        assert!(read > 0, "the stream ended after {}", pattern.offset());
        pattern.check(&octets[..read]);
    }
}
