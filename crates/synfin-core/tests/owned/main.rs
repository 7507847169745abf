//! Buffers that change hands: SEND and RECEIVE without copies, beside those with.

#[path = "../support/mod.rs"]
mod support;

mod limits;
mod streams;

use synfin_core::{Buffer, RecvOutcome, SendError, SendOutcome};

use crate::support::{Peer, octet, octets};

impl Peer {
    /// A buffer with the next octets to write, `lead` octets of its room before them.
    fn filled(&mut self, after: usize, lead: usize, len: usize) -> Buffer {
        let mut buffer = self.stack.buffer(lead + len);
        buffer.set_len(lead);
        let text = octets(1 + self.written + after as i64, len);
        assert_eq!(buffer.extend_from_slice(&text), len);
        buffer.advance(lead);
        buffer
    }

    fn send_owned(&mut self, buffers: &mut [Buffer]) -> Result<SendOutcome, SendError> {
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        let outcome = conn.send_owned(buffers)?;
        if let SendOutcome::Queued(octets) = outcome {
            self.written += octets as i64;
        }
        Ok(outcome)
    }

    /// Gives a buffer of so many octets; what was not taken comes back.
    fn give(&mut self, len: usize) -> (SendOutcome, Buffer) {
        let mut buffer = self.filled(0, 0, len);
        let outcome = self.send_owned(core::slice::from_mut(&mut buffer));
        (outcome.expect("it can be written"), buffer)
    }

    /// Takes buffers and checks every octet.
    fn take(&mut self, max: usize) -> (RecvOutcome, Vec<Buffer>) {
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        let mut taken = Vec::new();
        let outcome = conn.recv_owned(max, &mut taken).expect("no error");
        let len: usize = taken.iter().map(|buffer| buffer.len()).sum();
        assert!(len <= max, "{len} octets of {max}");
        if let RecvOutcome::Data(octets) = outcome {
            assert_eq!(octets, len);
        }
        for got in taken.iter().flat_map(|buffer| buffer.iter()) {
            assert_eq!(*got, octet(1 + self.delivered), "octet {}", self.delivered);
            self.delivered += 1;
        }
        (outcome, taken)
    }

    fn recycle(&mut self, buffers: Vec<Buffer>) {
        for buffer in buffers {
            self.stack.recycle_buffer(buffer);
        }
    }

    fn conn(&self) -> synfin_core::Conn<'_> {
        self.stack.conn(self.id()).expect("a live handle")
    }
}
