//! What held a sender back, and for how long: stretches between the records that tell of a change.

use std::time::Duration;

use synfin_core::{Instant, SendLimit, State, TraceEvent, UserCall};

use crate::conversation::Conversation;
use crate::mark::{Lifeline, MarkKind};

/// A stretch in which one thing held the sender back.
pub(crate) struct Stretch {
    pub(crate) since: Instant,
    pub(crate) by: SendLimit,
    pub(crate) lasted: Duration,
}

/// Follows the records of one end of one connection after the other.
#[derive(Default)]
pub(crate) struct Watch {
    running: Option<(Instant, SendLimit)>,
    /// The application has closed: that it has no more text is no want of it.
    closed: bool,
}

impl Watch {
    /// Takes a record; tells the stretch that it ends.
    pub(crate) fn event(&mut self, at: Instant, event: &TraceEvent) -> Option<Stretch> {
        match event {
            TraceEvent::State {
                to: State::Established,
                ..
            } => {
                self.closed = false;
                self.change(at, Some(SendLimit::Application))
            }
            TraceEvent::SendLimit { by, .. } => {
                let by = Some(*by).filter(|by| !self.closed || *by != SendLimit::Application);
                self.change(at, by)
            }
            TraceEvent::Call(UserCall::Close | UserCall::Shutdown | UserCall::Abort) => {
                self.closed = true;
                let waits = matches!(self.running, Some((_, SendLimit::Application)));
                if waits { self.end(at) } else { None }
            }
            TraceEvent::Closed(_) => self.end(at),
            _ => None,
        }
    }

    /// Nothing more is told.
    pub(crate) fn end(&mut self, at: Instant) -> Option<Stretch> {
        self.change(at, None)
    }

    fn change(&mut self, at: Instant, by: Option<SendLimit>) -> Option<Stretch> {
        let ended = std::mem::replace(&mut self.running, by.map(|by| (at, by)));
        let (since, by) = ended?;
        let lasted = at.saturating_duration_since(since);
        (!lasted.is_zero()).then_some(Stretch { since, by, lasted })
    }
}

/// How long each thing held one end back, in the order of [`SendLimit`].
pub(crate) fn totals(
    conversation: &Conversation<'_>,
    side: Lifeline,
) -> Vec<(SendLimit, Duration)> {
    let mut totals: Vec<(SendLimit, Duration)> = Vec::new();
    let marks = conversation.marks.iter().filter(|mark| mark.side == side);
    for mark in marks {
        let MarkKind::Held { by, lasted } = mark.what else {
            continue;
        };
        match totals.iter_mut().find(|(other, _)| *other == by) {
            Some((_, total)) => *total += lasted,
            None => totals.push((by, lasted)),
        }
    }
    totals.sort_by_key(|(by, _)| *by);
    totals
}

/// Whether a ladder shows a stretch: what waits is the application's own business, and what is
/// shorter than a packet's way explains no gap that can be seen.
pub(crate) fn is_shown(by: SendLimit, lasted: Duration, usual_flight: Duration) -> bool {
    by != SendLimit::Application && lasted >= usual_flight
}

#[cfg(test)]
mod tests {
    use synfin_core::{Cause, CloseReason};

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    fn limit(by: SendLimit) -> TraceEvent {
        TraceEvent::SendLimit { by, unsent: 0 }
    }

    /// The stretches that the events make, in milliseconds.
    fn stretches(events: &[(u64, TraceEvent)]) -> Vec<(SendLimit, u128)> {
        let mut watch = Watch::default();
        let ended = events
            .iter()
            .filter_map(|(ms, event)| watch.event(at(*ms), event));
        let ended: Vec<(SendLimit, u128)> = ended
            .map(|stretch| (stretch.by, stretch.lasted.as_millis()))
            .collect();
        ended
    }

    fn established() -> TraceEvent {
        TraceEvent::State {
            from: State::SynSent,
            to: State::Established,
            cause: Cause::SynAck,
        }
    }

    #[test]
    fn each_change_ends_a_stretch_and_closing_ends_the_last() {
        let close = TraceEvent::Call(UserCall::Close);
        let told = stretches(&[
            (0, established()),
            (10, limit(SendLimit::CongestionWindow)),
            (10, limit(SendLimit::ReceiveWindow)),
            (50, limit(SendLimit::Application)),
            (80, close),
            (90, TraceEvent::Closed(CloseReason::Graceful)),
        ]);
        let expected = [
            (SendLimit::Application, 10),
            (SendLimit::ReceiveWindow, 40),
            (SendLimit::Application, 30),
        ];
        assert_eq!(told, expected);
    }

    /// Text that is queued when the application closes still waits for something else.
    #[test]
    fn after_a_close_the_network_is_the_cause_but_not_the_application() {
        let told = stretches(&[
            (0, established()),
            (0, limit(SendLimit::CongestionWindow)),
            (5, TraceEvent::Call(UserCall::Shutdown)),
            (40, limit(SendLimit::Application)),
            (90, TraceEvent::Closed(CloseReason::Graceful)),
        ]);
        assert_eq!(told, [(SendLimit::CongestionWindow, 40)]);
    }

    #[test]
    fn ladders_show_what_is_long_and_not_the_applications_business() {
        let ms = Duration::from_millis;
        assert!(is_shown(SendLimit::Pacing, ms(20), ms(20)));
        assert!(!is_shown(SendLimit::Pacing, ms(19), ms(20)));
        assert!(!is_shown(SendLimit::Application, ms(900), ms(20)));
    }
}
