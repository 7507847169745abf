//! Deadlines that move all the time leave few stale entries in the timer wheels.

use std::time::Duration;

use synfin_core::StackConfig;
use synfin_sim::{Checks, HostConfig, LinkConfig, Pair};

const MS: Duration = Duration::from_millis(1);

/// Text both ways, paced, with delayed acknowledgements and a timeout of retransmission that moves
/// with each of them: a handful of entries for each connection at any time.
#[test]
fn a_busy_connection_has_few_entries() {
    for congestion in ["cubic", "bbr"] {
        let link = LinkConfig::new()
            .rate(20_000_000)
            .delay(20 * MS)
            .queue(1 << 16);
        let tune = |config: &mut StackConfig| config.tcp.congestion = congestion;
        let host = |host: HostConfig| host.tune(tune);
        let mut pair = Pair::with(1, link, host, host);
        pair.sim.set_checks(Checks::NONE);
        let (client, server) = pair.open();
        let text = [7; 1 << 14];
        let (mut most, mut received) = (0, 0);
        for _ in 0..3000 {
            for (host, id) in [(pair.client, client), (pair.server, server)] {
                pair.send(host, id, &text);
                received += pair.recv_all(host, id).0.len();
                most = most.max(pair.sim.stack(host).filed_deadlines());
            }
            pair.sim.run_for(MS);
        }
        assert!(
            received > 1 << 22,
            "{congestion}: {received} octets arrived"
        );
        assert!(most <= 6, "{congestion}: {most} entries for a connection");
    }
}
