//! Text without copies: buffers that the application gives and takes.

use alloc::vec::Vec;

use crate::buffer::Buffer;
use crate::event::{RecvError, RecvOutcome, SendError, SendOutcome};
use crate::stack::{ConnMut, Stack};
use crate::tcp::user_calls;

impl Stack {
    /// An empty buffer for the application to fill, with room for at least `len` octets, or
    /// [`Buffer::CAPACITY_MAX`] if that is less. It is the application's memory, not of the budget
    /// of this stack, until [`ConnMut::send_owned`] has taken it.
    pub fn buffer(&mut self, len: usize) -> Buffer {
        Buffer {
            chunk: self.cx.pool.lend_empty(len),
        }
    }

    /// Takes back a buffer that is needed no more, with the text in it. Up to 1 MiB of each size
    /// is kept for what needs a buffer next; to drop the buffer instead is no mistake.
    pub fn recycle_buffer(&mut self, buffer: Buffer) {
        self.cx.pool.shelve(buffer.chunk);
    }
}

impl ConnMut<'_> {
    /// SEND without a copy: as [`send`](Self::send), but the buffers themselves go into the queue,
    /// all of them as one write. Devices get the octets where they are; when they are acknowledged
    /// the buffer goes back to the stack.
    ///
    /// A buffer that was taken is left empty; one that was not, because of an error or because the
    /// queue is full, is as it was: nothing is lost. Of at most one a part is taken; the rest
    /// stands in it and is to be sent next.
    ///
    /// A buffer counts with its whole capacity against the budget of the stack, and against the
    /// limit of the send buffer too, but for what the next SEND can fill of it. It is taken whole
    /// if there is room for one octet, so that a queue exceeds its limit by less than one buffer;
    /// the budget is never exceeded. Octets are copied, as by `send`, where they fill less than a
    /// quarter of their buffer, and where the budget has room for some of them but not for the
    /// buffer.
    ///
    /// ```
    /// # use synfin_core::{ConnectOptions, Instant, Memory, SendOutcome, Stack, StackConfig};
    /// # let mut stack = Stack::new(StackConfig::default(), Memory::new(1 << 20), [7; 32])?;
    /// # let device = stack.add_device(synfin_core::DeviceCaps::ip(1500));
    /// # stack.add_address(device, "10.0.0.1".parse()?, 24);
    /// # let at = Instant::from_nanos(1);
    /// # let id = stack.connect(at, "10.0.0.2:80".parse()?, ConnectOptions::default())?;
    /// let mut buffer = stack.buffer(2000);
    /// let len = buffer.extend_from_slice(&[7; 2000]);
    /// let mut conn = stack.conn_mut(id).expect("a live handle");
    /// let sent = conn.send_owned(std::slice::from_mut(&mut buffer))?;
    /// assert_eq!((sent, buffer.len()), (SendOutcome::Queued(len), 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_owned(&mut self, buffers: &mut [Buffer]) -> Result<SendOutcome, SendError> {
        self.stack
            .with(self.id, |c, cx| user_calls::send_owned(c, cx, buffers))
    }

    /// RECEIVE without a copy: as [`recv`](Self::recv), but the buffers in which text has arrived
    /// are appended to `into`, as long as they have no more than `max` octets together. If the
    /// first has more, `max` octets of it are copied into a buffer of their own.
    ///
    /// What was taken has been read: it is the application's memory from here on, the window opens
    /// and the budget of the stack has room again. How much of it an application holds is its own
    /// affair, as with text that it has copied. A buffer of a segment is larger than its text, up
    /// to four times; [`Buffer::capacity`] says how large.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_owned(
        &mut self,
        max: usize,
        into: &mut Vec<Buffer>,
    ) -> Result<RecvOutcome, RecvError> {
        self.stack
            .read_with(self.id, |c, cx| user_calls::recv_owned(c, cx, max, into))
    }
}
