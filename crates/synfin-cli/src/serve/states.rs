//! `--trace`: a line for every change of state, with its cause in the RFC's words.

use std::collections::BTreeMap;

use synfin::Net;
use synfin_core::{FlowId, State, TraceEvent, TraceRecord};

use super::say;

/// Records that may wait to be printed.
pub(crate) const CAPACITY: usize = 65_536;

/// Prints the lines; what it has to remember of the past are the names of flows.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    peers: BTreeMap<FlowId, String>,
}

impl Printer {
    /// Prints until the network ends.
    pub(crate) async fn run(mut self, net: Net) {
        while net.traced().await.is_ok() {
            self.print(&net);
        }
    }

    /// Prints what is there.
    pub(crate) fn print(&mut self, net: &Net) {
        while let Some(record) = net.poll_trace() {
            if let Some(line) = self.line(&record) {
                say(&line);
            }
        }
    }

    fn line(&mut self, record: &TraceRecord) -> Option<String> {
        let seconds = record.at.as_nanos() as f64 / 1e9;
        match &record.event {
            TraceEvent::Opened { tuple, .. } => {
                self.peers.insert(record.flow, tuple.remote.to_string());
                None
            }
            TraceEvent::State { from, to, cause } => {
                let peer = match to {
                    State::Closed => self.peers.remove(&record.flow),
                    _ => self.peers.get(&record.flow).cloned(),
                };
                let peer = peer.unwrap_or_default();
                Some(format!("{seconds:11.6}  {peer}  {from} -> {to}  ({cause})"))
            }
            TraceEvent::Lost { count } => Some(format!(
                "{seconds:11.6}  {count} records came too fast to be printed"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use synfin::memory_link;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A connection is opened, used and closed; only its states make lines.
    #[tokio::test]
    async fn a_line_for_every_change_of_state_and_none_else() {
        let (left, right) = memory_link(1500);
        let config = synfin::StackConfig {
            trace_capacity: CAPACITY,
            ..Default::default()
        };
        let server = Net::builder().config(config).link(left);
        let server = server.address("10.0.0.1/24").build().expect("a network");
        let client = Net::builder().link(right).address("10.0.0.2/24");
        let client = client.build().expect("a network");
        let addr = "10.0.0.1:80".parse().expect("an address");
        let listener = server.bind(addr).await.expect("a free port");
        let mut there = client.connect(addr).await.expect("it listens");
        let (mut here, peer) = listener.accept().await.expect("it connects");
        there.write_all(b"text").await.expect("it takes it");
        there.shutdown().await.expect("it closes");
        let mut text = String::new();
        here.read_to_string(&mut text).await.expect("it ends");
        drop((here, there));
        server.quiet().await;

        let mut printer = Printer::default();
        let mut records = 0;
        let mut lines = Vec::new();
        while let Some(record) = server.poll_trace() {
            records += 1;
            lines.extend(printer.line(&record));
        }
        let states = [
            "LISTEN -> SYN-RECEIVED  (rcv SYN)",
            "SYN-RECEIVED -> ESTABLISHED  (rcv ACK of SYN)",
            "ESTABLISHED -> CLOSE-WAIT  (rcv FIN)",
            "CLOSE-WAIT -> LAST-ACK  (CLOSE, snd FIN)",
            "LAST-ACK -> CLOSED  (rcv ACK of FIN)",
        ];
        assert_eq!(lines.len(), states.len(), "{lines:?}");
        for (line, state) in lines.iter().zip(states) {
            assert!(line.ends_with(&format!("  {peer}  {state}")), "{line}");
        }
        assert!(records > 2 * lines.len(), "more than states was recorded");
    }
}
