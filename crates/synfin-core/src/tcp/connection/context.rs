//! What every operation on a connection may use besides the connection.

use alloc::collections::VecDeque;

use crate::buffer::Pool;
use crate::config::StackConfig;
use crate::counters::{Counters, DropReason};
use crate::ip::fragment::FragmentIds;
use crate::ip::path_mtu::PathMtuTable;
use crate::random::Secrets;
use crate::replies::Replies;
use crate::slab::SlotId;
use crate::tcp::connection::SpareActives;
use crate::tcp::destination::Destinations;
use crate::tcp::fast_open;
use crate::tcp::reset::ChallengeCap;
use crate::tcp::shared_options::SharedOptions;
use crate::tcp::syn_cookie::SynCookies;
use crate::time::Instant;
use crate::trace::{FlowId, TraceEvent, TraceSeq, Tracer};

/// What every operation on a connection may use besides the connection.
pub(crate) struct Context {
    /// The instant of the last call from the network side.
    pub(crate) now: Instant,
    pub(crate) config: StackConfig,
    pub(crate) pool: Pool,
    pub(crate) tracer: Tracer,
    pub(crate) counters: Counters,
    pub(crate) secrets: Secrets,
    pub(crate) replies: Replies,
    pub(crate) fast_open: fast_open::Cache,
    pub(crate) syn_cookies: SynCookies,
    pub(crate) challenges: ChallengeCap,
    pub(crate) path_mtus: PathMtuTable,
    pub(crate) fragment_ids: FragmentIds,
    pub(crate) destinations: Destinations,
    pub(crate) shared_options: SharedOptions,
    pub(crate) spare_actives: SpareActives,
    /// Connections whose SEND found no memory, in the order of their turns.
    pub(crate) memory_waiters: VecDeque<SlotId>,
    /// Text at `RCV.NXT` found no memory.
    pub(crate) memory_wanted: bool,
}

impl Context {
    pub(crate) fn trace(&mut self, flow: FlowId, event: TraceEvent) -> Option<TraceSeq> {
        self.tracer.record(self.now, flow, event)
    }

    /// Counts and traces something that was not taken.
    pub(crate) fn drop(&mut self, flow: FlowId, reason: DropReason) {
        self.counters.count_drop(reason);
        if self.tracer.is_on() {
            self.trace(flow, TraceEvent::Dropped { reason });
        }
    }
}
