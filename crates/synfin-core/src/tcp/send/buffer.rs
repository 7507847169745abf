//! How much text may wait to be sent.

use crate::buffer::Pressure;
use crate::tcp::connection::{Connection, Context, Marks};

/// A SEND would find no memory, or takes what others have waited for longer: when memory is short
/// those who asked first come first.
pub(crate) fn waits_for_memory(c: &Connection, cx: &Context) -> bool {
    if cx.pool.pressure() == Pressure::None {
        return false;
    }
    let others_first = !c.marks.has(Marks::MEMORY_TURN) && !cx.memory_waiters.is_empty();
    others_first || !cx.pool.has_room()
}
