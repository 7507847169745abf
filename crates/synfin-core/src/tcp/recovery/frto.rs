//! F-RTO (RFC 5682 section 3): after a timeout the first segment goes again, then new ones. If
//! what was sent before the timeout is acknowledged all the same, the timeout was spurious.

use crate::tcp::connection::{Connection, Context};
use crate::tcp::recovery::scoreboard::News;
use crate::tcp::recovery::undo;
use crate::tcp::send::window;
use crate::trace::UndoSign;

/// How far the algorithm has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Frto {
    /// Not in use, or decided.
    #[default]
    Off,
    /// Step 1: the first segment went again.
    Begun,
    /// Step 2: an acknowledgement moved `snd.una`, and new segments go.
    NewSegments,
}

/// An acknowledgement came while the algorithm runs; tells whether the timeout is undone.
/// covers: 5682-1, 5682-2, 5682-3
pub(crate) fn on_ack(c: &mut Connection, cx: &mut Context, news: &News, duplicate: bool) -> bool {
    let may_send_new = c.unsent() > 0 && window::usable(c) > 0;
    let Some(active) = &mut c.active else {
        return false;
    };
    let frto = &mut active.recovery.frto;
    match *frto {
        Frto::Off => return false,
        _ if news.original => {
            undo::apply(c, cx, UndoSign::Frto);
            return true;
        }
        _ if duplicate || news.sacked => *frto = Frto::Off,
        Frto::Begun if news.advanced && may_send_new => *frto = Frto::NewSegments,
        Frto::Begun | Frto::NewSegments if news.advanced => *frto = Frto::Off,
        _ => {}
    }
    false
}
