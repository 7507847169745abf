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
            other => Some(format!("{other:?}")),
        }
    }
}
