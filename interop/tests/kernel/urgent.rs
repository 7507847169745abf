//! Urgent text (RFC 9293 section 3.8.5) to and from the kernel, which takes the last urgent octet
//! out of the stream unless it is told not to.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown as KernelShutdown;

use socket2::SockRef;
use synfin_core::{SendOutcome, Shutdown};
use synfin_interop::Family;
use synfin_interop::harness::Test;
use synfin_interop::host::Host;
use synfin_interop::kernel;
use synfin_interop::pair::{Pair, Role};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for family in Family::ALL {
        let name = format!("urgent::to_the_kernel::{family}");
        tests.push(Test::new(name, move || to_the_kernel(family)));
        let name = format!("urgent::from_the_kernel::{family}");
        tests.push(Test::new(name, move || from_the_kernel(family)));
    }
    tests
}

/// The kernel finds the last urgent octet where we put it.
/// covers: 9293-MUST-62, 6093-1
fn to_the_kernel(family: Family) {
    let host = Host::plain();
    let mut pair = Pair::open(&host, Role::Accepts, family);
    let id = pair.ours.id();
    host.call(move |stack, _| {
        let mut conn = stack.conn_mut(id).expect("a live handle");
        let sent = [
            conn.send(&[b"before "]),
            conn.send_urgent(&[b"now!"]),
            conn.send(&[b" after"]),
        ];
        let lens = sent.map(|outcome| outcome.expect("an open connection"));
        assert_eq!(lens, [7, 4, 6].map(SendOutcome::Queued));
    });
    pair.ours.shutdown(Shutdown::Write);
    let theirs = SockRef::from(&pair.theirs);
    let urgent = kernel::wait_for("the urgent octet", || {
        let mut octet = [MaybeUninit::<u8>::uninit()];
        // Nothing urgent is there as yet: an error that says so.
        let read = theirs.recv_out_of_band(&mut octet).ok()?;
        Some(read)
    });
    assert_eq!(urgent, 1);
    let mut rest = String::new();
    pair.theirs.read_to_string(&mut rest).expect("the stream");
    assert_eq!(rest, "before now after", "without the urgent octet");
}

/// We read every octet in its order, and know where the urgent text ends.
/// covers: 6093-2, 9293-MUST-33
fn from_the_kernel(family: Family) {
    let host = Host::plain();
    let mut pair = Pair::open(&host, Role::Connects, family);
    pair.theirs.write_all(b"before ").expect("room");
    let theirs = SockRef::from(&pair.theirs);
    assert_eq!(theirs.send_out_of_band(b"now!").expect("room"), 4);
    pair.theirs.write_all(b" after").expect("room");
    pair.theirs
        .shutdown(KernelShutdown::Write)
        .expect("a connection");
    pair.ours.wait_for_readable(17);
    let id = pair.ours.id();
    let mark = host.call(move |stack, _| {
        let conn = stack.conn(id).expect("a live handle");
        conn.urgent_bytes()
    });
    assert_eq!(mark, Some(11), "the octet after it");
    let text = pair.ours.read_to_end().expect("the stream");
    assert_eq!(text, b"before now! after");
}
