//! Questions and answers over established connections of synfin.

use std::collections::VecDeque;

use synfin_core::{ConnId, Event, RecvOutcome};

use crate::pair::Probe;
use crate::pair::engine::{App, Host};
use crate::pattern::{MESSAGE, answer, question};

/// The client asks on one connection after another, a few at a time; the server answers.
pub(crate) struct Exchange {
    /// Connections of the client that nothing is outstanding on, the next to be asked first.
    free: VecDeque<ConnId>,
    /// Octets of a question.
    len: usize,
    outstanding: usize,
    outstanding_max: usize,
    /// Questions that are not asked yet.
    pub(crate) left: u64,
    pub(crate) answered: u64,
    pub(crate) wrong: u64,
    pub(crate) failed: Option<String>,
}

impl Exchange {
    /// Asks `questions` times, the connections in this order again and again, one question at a
    /// time on each.
    pub(crate) fn new(ring: &[ConnId], len: usize, outstanding: usize, questions: u64) -> Self {
        Self {
            free: ring.iter().copied().collect(),
            len: len.min(MESSAGE),
            outstanding: 0,
            outstanding_max: outstanding.min(ring.len()),
            left: questions,
            answered: 0,
            wrong: 0,
            failed: None,
        }
    }

    /// Everything that was asked is answered.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0 && self.outstanding == 0
    }

    fn ask<P: Probe>(&mut self, client: &mut Host<P>) {
        let Some(id) = self.free.pop_front() else {
            return;
        };
        self.left -= 1;
        self.outstanding += 1;
        client.send(id, &question(id.as_u64())[..self.len]);
    }
}

impl<P: Probe> App<P> for Exchange {
    fn begin(&mut self, client: &mut Host<P>) {
        while self.left > 0 && self.outstanding < self.outstanding_max {
            self.ask(client);
        }
    }

    fn client(&mut self, client: &mut Host<P>, event: Event) {
        match event {
            Event::Readable(id) => {
                let mut text = [0; MESSAGE];
                let expected = answer(&question(id.as_u64()));
                let mut read = 0;
                // Until there is no more: only then the next event is owed.
                while let RecvOutcome::Data(len) = client.recv(id, &mut text) {
                    let right = text[..len] == expected[..len] && len == self.len;
                    self.wrong += u64::from(!right);
                    read += len;
                }
                self.wrong += u64::from(read != self.len);
                self.answered += 1;
                self.outstanding -= 1;
                self.free.push_back(id);
                if self.left > 0 {
                    self.ask(client);
                }
            }
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }

    fn server(&mut self, server: &mut Host<P>, event: Event) {
        match event {
            Event::Readable(id) => {
                let mut text = [0; MESSAGE];
                while let RecvOutcome::Data(len) = server.recv(id, &mut text) {
                    server.send(id, &answer(&text)[..len]);
                }
            }
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }
}
