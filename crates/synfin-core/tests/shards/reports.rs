//! ICMP errors find the connection they are about.

use std::net::SocketAddr;
use std::time::Duration;

use synfin_core::{CloseReason, DeviceCaps, Event, Instant};

use crate::host::{Host, PORT, Steering, address};
use crate::link::sum;

/// Destination unreachable, port unreachable, about a packet.
fn unreachable(packet: &[u8]) -> Vec<u8> {
    let quoted = &packet[..28];
    let mut error = vec![
        0x45, 0, 0, 56, 0, 7, 0, 0, 64, 1, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1,
    ];
    let header_sum = sum(&error);
    error[10..12].copy_from_slice(&header_sum.to_be_bytes());
    error.extend([3, 3, 0, 0, 0, 0, 0, 0]);
    error.extend(quoted);
    let message_sum = sum(&error[20..]);
    error[22..24].copy_from_slice(&message_sum.to_be_bytes());
    error
}

#[test]
fn an_error_ends_the_connection_it_quotes_and_no_other() {
    for steering in [Steering::Home, Steering::InTurn] {
        let mut host = Host::new(0, 4, steering, DeviceCaps::ip(1500));
        let now = Instant::START;
        let to = SocketAddr::new(address(1), PORT);
        let ids: Vec<_> = (0..40)
            .map(|n| (n % 4, host.open(now, n % 4, to)))
            .collect();
        let mut syns = Vec::new();
        host.turn(now, |shard, frame| syns.push((shard, frame)));
        assert_eq!(syns.len(), ids.len());
        let now = now + Duration::from_millis(1);
        // About every other one.
        for (_, syn) in syns.iter().step_by(2) {
            host.arrive(now, &unreachable(syn));
        }
        let mut refused = 0;
        for (shard, stack) in host.shards.iter_mut().enumerate() {
            while let Some(event) = stack.poll_event() {
                let Event::Closed { id, reason } = event else {
                    continue;
                };
                assert_eq!(reason, CloseReason::Refused);
                assert!(ids.contains(&(shard, id)));
                refused += 1;
            }
            assert!(stack.counters().drops().next().is_none(), "all were taken");
        }
        assert_eq!(refused, 20);
    }
}
