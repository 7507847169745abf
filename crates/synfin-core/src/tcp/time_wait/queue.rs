//! All records: a ring for each IP version, what few of them have besides, and the limit.

use alloc::collections::BTreeMap;

use super::TimeWaitRecord;
use super::packed::Packed;
use super::ring::{BLOCK, Found, POSITION_BITS, Ring};
use crate::demux::FlowKey;
use crate::event::ConnId;
use crate::slab::SlotId;
use crate::time::{Instant, Tick};
use crate::trace::FlowId;

/// The ring in which a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Gaps that may own memory beside the limit of records.
const GAPS_SPARE: u32 = 64 * BLOCK as u32;

/// All records, oldest first.
#[derive(Debug)]
pub(crate) struct TimeWaitQueue {
    v4: Ring<4>,
    v6: Ring<16>,
    /// The handles that still wait to be given back: few, for most are before 2 MSL begin.
    owners: BTreeMap<u64, ConnId>,
    limit: u32,
}

/// A position as one number, for maps.
fn name(id: SlotId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.index)
}

/// Which ring, and where in it.
fn place(id: SlotId) -> (Family, u64) {
    let bits = id.index & ((1 << POSITION_BITS) - 1);
    let position = u64::from(id.generation) << POSITION_BITS | u64::from(bits);
    (family_of(id.index), position)
}

fn family_of(index: u32) -> Family {
    if index >> POSITION_BITS == 0 {
        Family::V4
    } else {
        Family::V6
    }
}

impl TimeWaitQueue {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            v4: Ring::new(),
            v6: Ring::new(),
            owners: BTreeMap::new(),
            limit,
        }
    }

    /// Records of both versions.
    pub(crate) fn len(&self) -> u32 {
        self.v4.len() + self.v6.len()
    }

    /// Whether the oldest must make room for one more.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.limit || self.is_crowded()
    }

    /// Whether there are more gaps between the records than memory is lent for: then the oldest
    /// goes for each that is added, so that records and gaps together stay bounded.
    pub(crate) fn is_crowded(&self) -> bool {
        self.v4.gaps() + self.v6.gaps() > self.limit.saturating_add(GAPS_SPARE)
    }

    /// The name of a position.
    pub(crate) fn id_of(family: Family, position: u64) -> SlotId {
        let bits = position as u32 & ((1 << POSITION_BITS) - 1);
        SlotId {
            index: (family as u32) << POSITION_BITS | bits,
            generation: (position >> POSITION_BITS) as u32,
        }
    }

    /// Adds a record at the end; `None` when the queue is full.
    pub(crate) fn insert(
        &mut self,
        record: &TimeWaitRecord,
        flow: FlowId,
        owner: Option<ConnId>,
    ) -> Option<SlotId> {
        if self.len() >= self.limit {
            return None;
        }
        let at = record.deadline;
        let id = match record.remote_v6 {
            None => {
                let packed = Packed::new(record, record.key.remote_v4.octets());
                Self::id_of(Family::V4, self.v4.push(at, packed, flow)?)
            }
            Some(addr) => {
                let packed = Packed::new(record, addr.octets());
                Self::id_of(Family::V6, self.v6.push(at, packed, flow)?)
            }
        };
        if let Some(owner) = owner {
            self.owners.insert(name(id), owner);
        }
        Some(id)
    }

    /// Gives a record a new deadline, at the end of the queue; tells its new name. At most one
    /// place per instant: repeated FINs do not make the queue grow faster than time passes.
    pub(crate) fn restart(&mut self, id: SlotId, deadline: Instant) -> Option<SlotId> {
        let (family, position) = place(id);
        let new = match family {
            Family::V4 => restart_in(&mut self.v4, position, deadline)?,
            Family::V6 => restart_in(&mut self.v6, position, deadline)?,
        };
        let new = Self::id_of(family, new);
        if let Some(owner) = self.owners.remove(&name(id)) {
            self.owners.insert(name(new), owner);
        }
        Some(new)
    }

    fn find<T>(
        &self,
        id: SlotId,
        v4: impl FnOnce(Found<'_, 4>) -> T,
        v6: impl FnOnce(Found<'_, 16>) -> T,
    ) -> Option<T> {
        match place(id) {
            (Family::V4, position) => self.v4.get(position).map(v4),
            (Family::V6, position) => self.v6.get(position).map(v6),
        }
    }

    pub(crate) fn get(&self, id: SlotId) -> Option<TimeWaitRecord> {
        self.find(
            id,
            |found| found.packed.record(found.deadline),
            |found| found.packed.record(found.deadline),
        )
    }

    /// Its name in traces, if there was a trace when it was made.
    pub(crate) fn flow(&self, id: SlotId) -> FlowId {
        self.find(id, |found| found.flow, |found| found.flow)
            .unwrap_or(FlowId::NONE)
    }

    /// The name of the record at a place, as the flow table keeps it.
    pub(crate) fn id_at(&self, index: u32) -> Option<SlotId> {
        let family = family_of(index);
        let bits = index & ((1 << POSITION_BITS) - 1);
        let position = match family {
            Family::V4 => self.v4.position_at(bits),
            Family::V6 => self.v6.position_at(bits),
        };
        let id = Self::id_of(family, position);
        self.find(id, |_| (), |_| ()).map(|()| id)
    }

    /// The four-tuple of the record at a place.
    pub(crate) fn key_at(&self, index: u32) -> Option<FlowKey> {
        let id = self.id_at(index)?;
        self.find(id, |found| found.packed.key(), |found| found.packed.key())
    }

    /// Whether an old segment was answered less than so many milliseconds ago.
    pub(crate) fn was_answered(&self, id: SlotId, now: Tick, interval_ms: u32) -> bool {
        self.find(
            id,
            |found| found.packed.was_answered(now, interval_ms),
            |found| found.packed.was_answered(now, interval_ms),
        )
        .unwrap_or(false)
    }

    pub(crate) fn set_answered(&mut self, id: SlotId, at: Tick) {
        match place(id) {
            (Family::V4, position) => self.v4.set_answered(position, at),
            (Family::V6, position) => self.v6.set_answered(position, at),
        }
    }

    /// Takes a record out; tells the handle that still waits.
    pub(crate) fn remove(&mut self, id: SlotId) -> Option<ConnId> {
        match place(id) {
            (Family::V4, position) => self.v4.remove(position),
            (Family::V6, position) => self.v6.remove(position),
        }
        if self.owners.is_empty() {
            return None;
        }
        self.owners.remove(&name(id))
    }

    fn older_ring(&self) -> Option<(Instant, Family)> {
        let v4 = self.v4.peek().map(|at| (at, Family::V4));
        let v6 = self.v6.peek().map(|at| (at, Family::V6));
        match (v4, v6) {
            (Some(v4), Some(v6)) => Some(if v6.0 < v4.0 { v6 } else { v4 }),
            (one, other) => one.or(other),
        }
    }

    /// The deadline of the oldest record, or an earlier instant if gaps are to be passed first.
    pub(crate) fn peek(&self) -> Option<Instant> {
        self.older_ring().map(|(at, _)| at)
    }

    /// The oldest record. `None` also if more gaps stand before it than one call passes.
    pub(crate) fn oldest(&mut self) -> Option<SlotId> {
        let (_, family) = self.older_ring()?;
        let position = match family {
            Family::V4 => self.v4.oldest(),
            Family::V6 => self.v6.oldest(),
        };
        position.map(|position| Self::id_of(family, position))
    }

    /// The oldest record if its time has come; pass gaps by calling again while
    /// [`peek`](Self::peek) is not later than `now`.
    pub(crate) fn oldest_expired(&mut self, now: Instant) -> Option<SlotId> {
        if self.peek()? > now {
            return None;
        }
        let id = self.oldest()?;
        (self.get(id)?.deadline <= now).then_some(id)
    }

    /// The first record of a ring at or after a position.
    pub(crate) fn next(&self, family: Family, from: u64) -> Option<u64> {
        match family {
            Family::V4 => self.v4.next(from),
            Family::V6 => self.v6.next(from),
        }
    }
}

fn restart_in<const N: usize>(ring: &mut Ring<N>, position: u64, deadline: Instant) -> Option<u64> {
    let found = ring.get(position)?;
    if found.deadline == deadline {
        return Some(position);
    }
    let (packed, flow) = (*found.packed, found.flow);
    let new = ring.push(deadline, packed, flow)?;
    ring.remove(position);
    Some(new)
}

#[cfg(test)]
mod tests;
