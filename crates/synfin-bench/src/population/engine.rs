//! Established connections of synfin.

use std::collections::HashMap;

use synfin_core::{ConnId, Event, ListenerId, RecvOutcome};

use super::WINDOW;
use crate::memory;
use crate::pair::Probe;
use crate::pair::engine::{App, Host, Pair, Remote};

/// Where the connections of a population lead.
const PORT: u16 = 5002;
/// How often the machine's memory is looked at.
const CHECK: usize = 1 << 16;

/// Opens `n` connections, each of which carries `octets` each way, and waits until everything is
/// acknowledged. The client's handles, in the order of opening as good as.
pub(crate) fn open<P: Probe>(
    pair: &mut Pair<P>,
    n: u32,
    octets: usize,
) -> Result<Vec<ConnId>, String> {
    let listener = pair.listen(PORT, 2 * WINDOW as u32);
    let mut opening = Opening {
        remote: pair.remote(PORT),
        listener,
        left: n,
        text: vec![0xa5; octets],
        block: vec![0; octets.max(1)],
        open: HashMap::new(),
        ready: Vec::with_capacity(n as usize),
        failed: None,
    };
    let mut checked = 0;
    while opening.ready.len() < n as usize {
        if pair.turn(&mut opening) == 0 {
            pair.jump();
        }
        if let Some(reason) = opening.failed {
            let held = opening.ready.len();
            return Err(format!("connection {held} of {n}: {reason}"));
        }
        if opening.ready.len() >= checked + CHECK {
            checked = opening.ready.len();
            memory::check(checked as u64)?;
        }
    }
    // The last acknowledgements, delayed ones too.
    for _ in 0..8 {
        while pair.turn(&mut opening) > 0 {}
        pair.jump();
    }
    Ok(opening.ready)
}

struct Opening {
    remote: Remote,
    listener: ListenerId,
    left: u32,
    text: Vec<u8>,
    block: Vec<u8>,
    /// Octets that came back so far, of those that are not ready.
    open: HashMap<ConnId, usize>,
    ready: Vec<ConnId>,
    failed: Option<String>,
}

impl<P: Probe> App<P> for Opening {
    fn begin(&mut self, client: &mut Host<P>) {
        while self.left > 0 && self.open.len() < WINDOW {
            match client.connect(&mut self.remote) {
                Ok(id) => self.open.insert(id, 0),
                Err(reason) => return self.failed = Some(reason.to_string()),
            };
            self.left -= 1;
        }
    }

    fn client(&mut self, client: &mut Host<P>, event: Event) {
        match event {
            Event::Connected(id) if self.text.is_empty() => {
                self.open.remove(&id);
                self.ready.push(id);
            }
            Event::Connected(id) => {
                let queued = client.send(id, &self.text);
                assert_eq!(queued, self.text.len(), "an empty buffer takes the whole");
            }
            Event::Readable(id) => {
                while let RecvOutcome::Data(len) = client.recv(id, &mut self.block) {
                    *self.open.entry(id).or_default() += len;
                }
                if self.open.get(&id) == Some(&self.text.len()) {
                    self.open.remove(&id);
                    self.ready.push(id);
                }
            }
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }

    fn server(&mut self, server: &mut Host<P>, event: Event) {
        match event {
            Event::Acceptable(_) => while server.accept(self.listener).is_some() {},
            Event::Readable(id) => {
                while let RecvOutcome::Data(len) = server.recv(id, &mut self.block) {
                    let queued = server.send(id, &self.block[..len]);
                    assert_eq!(queued, len, "an empty buffer takes the whole");
                }
            }
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }
}
