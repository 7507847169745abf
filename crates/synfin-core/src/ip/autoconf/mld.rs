//! What a listener tells multicast routers (RFC 3810 section 6), without source filters: it listens
//! to a group from everybody, or not at all. Where the routers speak the first version only, so do
//! we (RFC 3810 section 8, RFC 2710).

use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::time::Duration;

use synfin_wire::mld::{ALL_NODES, MldQuery, MldRecord, record};

use crate::ip::autoconf::chance::Chance;
use crate::time::Instant;

/// `Robustness Variable`: how often a change is told, unless the routers say otherwise.
const ROBUSTNESS: u8 = 2;
/// `Unsolicited Report Interval` of the second version, and of the first.
const UNSOLICITED: Duration = Duration::from_secs(1);
const UNSOLICITED_V1: Duration = Duration::from_secs(10);
/// `Query Interval` of the first version, whose queries do not tell it.
const QUERY_INTERVAL: Duration = Duration::from_secs(125);
/// Answers to queries do not come closer than this, whatever the queries ask for.
const ANSWERS_APART: Duration = Duration::from_millis(100);

/// Records in one report: it fits every link.
const RECORDS_MAX: usize = 60;

/// A report to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Second version: to all routers that speak it.
    Records(Vec<MldRecord>),
    /// First version: to the group.
    Listens(Ipv6Addr),
    /// First version: to all routers.
    Done(Ipv6Addr),
}

#[derive(Clone, Debug)]
struct Group {
    addr: Ipv6Addr,
    /// An answer about this group alone is due then.
    answer_at: Option<Instant>,
    /// First version: the last report about it was ours.
    is_reporter: bool,
}

/// A change that is told so many times more.
#[derive(Clone, Copy, Debug)]
struct Change {
    group: Ipv6Addr,
    kind: u8,
    left: u8,
}

/// The groups of a device.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    on: bool,
    groups: Vec<Group>,
    changes: Vec<Change>,
    /// The changes are told then; at once where the clock is not known yet.
    changes_at: Option<Instant>,
    /// An answer about all groups is due then.
    answer_at: Option<Instant>,
    /// None leaves before.
    quiet_until: Instant,
    robustness: u8,
    /// The first version is spoken until then.
    v1_until: Option<Instant>,
}

impl Listener {
    pub(super) const fn new(on: bool) -> Self {
        Self {
            on,
            groups: Vec::new(),
            changes: Vec::new(),
            changes_at: None,
            answer_at: None,
            quiet_until: Instant::START,
            robustness: ROBUSTNESS,
            v1_until: None,
        }
    }

    /// covers: 8504-4
    pub(super) fn join(&mut self, group: Ipv6Addr) {
        if self.groups.iter().any(|known| known.addr == group) || group == ALL_NODES {
            return;
        }
        self.groups.push(Group {
            addr: group,
            answer_at: None,
            is_reporter: false,
        });
        self.change(group, record::TO_EXCLUDE);
    }

    /// covers: 8504-4
    pub(super) fn leave(&mut self, group: Ipv6Addr) {
        let Some(at) = self.groups.iter().position(|known| known.addr == group) else {
            return;
        };
        let left = self.groups.remove(at);
        if self.v1_until.is_none() || left.is_reporter {
            self.change(group, record::TO_INCLUDE);
        } else {
            self.changes.retain(|change| change.group != group);
        }
    }

    fn change(&mut self, group: Ipv6Addr, kind: u8) {
        if !self.on {
            return;
        }
        self.changes.retain(|change| change.group != group);
        let left = if self.v1_until.is_some() && kind == record::TO_INCLUDE {
            1
        } else {
            self.robustness
        };
        self.changes.push(Change { group, kind, left });
        self.changes_at = Some(Instant::START);
    }

    /// There is an address to report from, so what was said from nowhere is said again
    /// (RFC 3590 section 4).
    pub(super) fn on_link_local(&mut self) {
        if !self.on {
            return;
        }
        for group in &self.groups {
            if !self.changes.iter().any(|change| change.group == group.addr) {
                let (group, kind, left) = (group.addr, record::TO_EXCLUDE, 1);
                self.changes.push(Change { group, kind, left });
            }
        }
        if !self.changes.is_empty() {
            self.changes_at = Some(Instant::START);
        }
    }

    /// A router asks. covers: 8504-4
    pub(super) fn on_query(&mut self, now: Instant, query: &MldQuery, chance: &mut Chance) {
        if !self.on {
            return;
        }
        let most = Duration::from_millis(u64::from(query.max_response_ms));
        if query.is_v1 {
            let patience = QUERY_INTERVAL * u32::from(self.robustness) + most;
            self.speak_v1(now + patience);
        } else if query.robustness > 0 {
            self.robustness = query.robustness;
        }
        let at = (now + chance.up_to(most)).max(self.quiet_until);
        let sooner = |known: Option<Instant>| known.is_none_or(|known| at < known);
        if !query.group.is_unspecified() {
            if sooner(self.answer_at) {
                self.answer_about(query.group, at);
            }
        } else if self.v1_until.is_some() {
            // Each group has its own delay, so that others may be faster with it.
            for n in 0..self.groups.len() {
                let at = (now + chance.up_to(most)).max(self.quiet_until);
                self.answer_about(self.groups[n].addr, at);
            }
        } else if sooner(self.answer_at) {
            self.answer_at = Some(at);
        }
    }

    fn answer_about(&mut self, group: Ipv6Addr, at: Instant) {
        if let Some(known) = self.groups.iter_mut().find(|known| known.addr == group) {
            known.answer_at = Some(known.answer_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Goes over to the first version, or stays with it; what was under way is forgotten.
    fn speak_v1(&mut self, until: Instant) {
        if self.v1_until.is_none() {
            self.forget_schedule();
        }
        self.v1_until = Some(until);
    }

    fn forget_schedule(&mut self) {
        self.answer_at = None;
        self.changes.clear();
        self.changes_at = None;
        for group in &mut self.groups {
            group.answer_at = None;
        }
    }

    /// Somebody else reports a group; in the first version one of us is enough.
    /// covers: 8504-4
    pub(super) fn on_report_v1(&mut self, group: Ipv6Addr) {
        if self.v1_until.is_none() {
            return;
        }
        if let Some(known) = self.groups.iter_mut().find(|known| known.addr == group) {
            known.answer_at = None;
            known.is_reporter = false;
            self.changes.retain(|change| change.group != group);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let groups = self.groups.iter().map(|group| group.answer_at);
        [self.changes_at, self.answer_at, self.v1_until]
            .into_iter()
            .chain(groups)
            .flatten()
            .min()
    }

    /// Hands out what is due.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        chance: &mut Chance,
        mut send: impl FnMut(Report),
    ) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.v1_until) {
            self.v1_until = None;
            self.forget_schedule();
        }
        if is_due(self.changes_at) {
            self.tell_changes(now, chance, &mut send);
        }
        if is_due(self.answer_at) {
            self.answer_at = None;
            self.answer(now, |_| true, &mut send);
        }
        if self.groups.iter().any(|group| is_due(group.answer_at)) {
            self.answer(now, |group| is_due(group.answer_at), &mut send);
        }
    }

    fn tell_changes(&mut self, now: Instant, chance: &mut Chance, send: &mut impl FnMut(Report)) {
        let is_v1 = self.v1_until.is_some();
        let records = self.changes.iter().map(|change| MldRecord {
            kind: change.kind,
            group: change.group,
        });
        let records: Vec<MldRecord> = records.collect();
        for change in &mut self.changes {
            change.left -= 1;
        }
        self.changes.retain(|change| change.left > 0);
        let most = if is_v1 { UNSOLICITED_V1 } else { UNSOLICITED };
        let again = !self.changes.is_empty();
        self.changes_at = again.then(|| now + chance.up_to(most));
        if is_v1 {
            for record in records {
                send(if record.kind == record::TO_INCLUDE {
                    Report::Done(record.group)
                } else {
                    self.mark_reporter(record.group);
                    Report::Listens(record.group)
                });
            }
        } else {
            send_records(&records, send);
        }
    }

    fn mark_reporter(&mut self, group: Ipv6Addr) {
        if let Some(known) = self.groups.iter_mut().find(|known| known.addr == group) {
            known.is_reporter = true;
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        about: impl Fn(&Group) -> bool,
        send: &mut impl FnMut(Report),
    ) {
        self.quiet_until = now + ANSWERS_APART;
        let is_v1 = self.v1_until.is_some();
        let mut records = Vec::new();
        for group in self.groups.iter_mut().filter(|group| about(group)) {
            group.answer_at = None;
            group.is_reporter = is_v1;
            records.push(MldRecord {
                kind: record::IS_EXCLUDE,
                group: group.addr,
            });
        }
        if is_v1 {
            records
                .into_iter()
                .for_each(|record| send(Report::Listens(record.group)));
        } else {
            send_records(&records, send);
        }
    }
}

/// In as many reports as it takes.
fn send_records(records: &[MldRecord], send: &mut impl FnMut(Report)) {
    for some in records.chunks(RECORDS_MAX) {
        send(Report::Records(some.to_vec()));
    }
}

#[cfg(test)]
mod tests;
