//! SEGMENT ARRIVES (RFC 9293 section 3.10.7 with RFC 5961, 7323, 6191 and 1337): every state with
//! every class of segment, over IPv4 and IPv6, with sequence numbers that wrap.
//!
//! Expected is what the standards say: the reply, the next state, the octets delivered.

#[path = "../support/mod.rs"]
mod support;

mod classes;
mod closed;
mod ending;
mod established;
mod opening;
mod timestamps;
mod zero_window;

use support::{Peer, Setup, Stage};

/// Every state is reached by segments and calls alone.
#[test]
fn every_state_is_reached() {
    for setup in Setup::variants() {
        for stage in Stage::ALL {
            Peer::reach(setup.clone(), stage);
        }
    }
}
