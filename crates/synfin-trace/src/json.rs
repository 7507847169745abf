//! One JSON object per line.

use std::time::Duration;

use serde::Serialize;
use synfin_core::{Flags, Instant, SendLimit, TraceEvent, TraceRecord};

use crate::conversation::{Conversation, Step};
use crate::mark::{Change, Lifeline, Mark, MarkKind};
use crate::summary::Summary;
use crate::timeline::Timeline;
use crate::words;

#[derive(Serialize)]
struct StateLine<'a> {
    t: f64,
    host: &'a str,
    event: &'static str,
    from: &'static str,
    to: &'static str,
    cause: &'static str,
    port: u16,
}

#[derive(Serialize)]
struct SegmentLine<'a> {
    t: f64,
    host: &'a str,
    event: &'static str,
    flags: String,
    seq: u32,
    ack: u32,
    len: u32,
    window: u32,
    options: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct TextLine<'a> {
    t: f64,
    host: &'a str,
    event: &'static str,
    text: String,
    port: u16,
}

#[derive(Serialize)]
struct HeldLine<'a> {
    t: f64,
    host: &'a str,
    event: &'static str,
    by: &'static str,
    seconds: f64,
    port: u16,
}

#[derive(Serialize)]
struct HeldTotal<'a> {
    host: &'a str,
    by: &'static str,
    seconds: f64,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    event: &'static str,
    closed_first: Option<&'a str>,
    time_wait: Option<&'a str>,
    bytes: u64,
    retransmissions: u64,
    lost: u64,
    held: Vec<HeldTotal<'a>>,
    outcome: String,
    port: u16,
}

/// Every event of a timeline as one object per line, by time, and at the end a summary for each
/// conversation. Times are seconds since the beginning, sequence numbers are relative; `port` is
/// the left end's and tells conversations apart.
///
/// `state` lines have `from`, `to` and `cause`; `sent`, `received` and `lost` lines the segment;
/// `timer`, `note` and `closed` lines a `text`; `held` lines what held a sender back, from then on
/// for so many `seconds`. A `lost` line names the sender.
pub fn json_lines(timeline: &Timeline) -> String {
    let conversations = Conversation::all(timeline);
    let mut lines: Vec<(Instant, u8, String)> = Vec::new();
    for conversation in &conversations {
        Writer { conversation }.write(&mut lines);
    }
    lines.sort_by_key(|(at, rank, _)| (*at, *rank));
    let summaries = conversations.iter().map(summary);
    let lines = lines.into_iter().map(|(_, _, line)| line).chain(summaries);
    lines.map(|line| line + "\n").collect()
}

struct Writer<'a, 'b> {
    conversation: &'a Conversation<'b>,
}

impl Writer<'_, '_> {
    fn write(&self, lines: &mut Vec<(Instant, u8, String)>) {
        for side in Lifeline::BOTH {
            for change in self.conversation.changes(side) {
                lines.push((change.at, 2, self.change(side, &change)));
            }
        }
        for step in &self.conversation.steps {
            let sent = step.packet.sent;
            lines.push((sent, 3, self.segment("sent", step.from, sent, step)));
            if let Some(at) = step.packet.arrived() {
                let to = step.from.other();
                lines.push((at, 1, self.segment("received", to, at, step)));
            } else if step.packet.lost().is_some() {
                lines.push((sent, 4, self.segment("lost", step.from, sent, step)));
            }
        }
        for mark in &self.conversation.marks {
            let (event, text) = match &mark.what {
                MarkKind::State(_) | MarkKind::Cancelled { .. } => continue,
                MarkKind::Held { by, lasted } => {
                    lines.push((mark.at, 0, self.held(mark, *by, *lasted)));
                    continue;
                }
                MarkKind::Timer { timer, ran, .. } => {
                    ("timer", format!("{timer} after {}", words::span(*ran)))
                }
                MarkKind::Ecn(what) => ("ecn", (*what).to_owned()),
                MarkKind::Recovery(what) => ("recovery", (*what).to_owned()),
                MarkKind::PathMtu(what) => ("path-mtu", what.clone()),
                MarkKind::Closed(reason) => ("closed", reason.to_string()),
                MarkKind::Note(text) => ("note", text.clone()),
                MarkKind::Crashed => ("crashed", "host is gone".to_owned()),
                MarkKind::Restarted => ("restarted", "host restarts".to_owned()),
            };
            let line = TextLine {
                t: self.conversation.timeline.seconds(mark.at),
                host: self.host(mark.side),
                event,
                text,
                port: self.port(),
            };
            lines.push((mark.at, 0, to_json(&line)));
        }
    }

    fn held(&self, mark: &Mark, by: SendLimit, lasted: Duration) -> String {
        to_json(&HeldLine {
            t: self.conversation.timeline.seconds(mark.at),
            host: self.host(mark.side),
            event: "held",
            by: words::send_limit(by),
            seconds: lasted.as_secs_f64(),
            port: self.port(),
        })
    }

    fn change(&self, side: Lifeline, change: &Change) -> String {
        to_json(&StateLine {
            t: self.conversation.timeline.seconds(change.at),
            host: self.host(side),
            event: "state",
            from: change.from.as_str(),
            to: change.to.as_str(),
            cause: change.cause.as_str(),
            port: self.port(),
        })
    }

    fn segment(&self, event: &'static str, host: Lifeline, at: Instant, step: &Step<'_>) -> String {
        let segment = &step.segment;
        let has_ack = segment.flags.contains(Flags::ACK);
        let origin = &self.conversation.origins[step.from.other().index()];
        let reason = match event {
            "lost" => step.packet.lost().map(str::to_owned),
            "sent" if step.packet.forged => Some("forged".to_owned()),
            "sent" => step.packet.reason.map(words::send_reason),
            _ => None,
        };
        to_json(&SegmentLine {
            t: self.conversation.timeline.seconds(at),
            host: self.host(host),
            event,
            flags: words::flags(segment.flags),
            seq: self.conversation.seq(step),
            ack: if has_ack {
                self.conversation.ack(step)
            } else {
                0
            },
            len: segment.text_len,
            window: segment.window,
            options: words::options(segment, |number| origin.relative(number)),
            port: self.port(),
            reason,
        })
    }

    fn host(&self, side: Lifeline) -> &str {
        let end = self.conversation.pair.ends[side.index()];
        self.conversation.timeline.name(end)
    }

    fn port(&self) -> u16 {
        self.conversation.pair.addrs[0].port()
    }
}

fn summary(conversation: &Conversation<'_>) -> String {
    let summary = Summary::of(conversation);
    to_json(&SummaryLine {
        event: "summary",
        closed_first: summary.closed_first.map(|side| side.words(conversation)),
        time_wait: summary.time_wait.map(|side| side.words(conversation)),
        bytes: summary.octets.iter().sum(),
        retransmissions: summary.retransmissions,
        lost: summary.lost,
        held: held_totals(conversation, &summary),
        outcome: summary.outcome.words(conversation),
        port: conversation.pair.addrs[0].port(),
    })
}

fn held_totals<'a>(conversation: &Conversation<'a>, summary: &Summary) -> Vec<HeldTotal<'a>> {
    let ends = conversation.pair.ends.iter().zip(&summary.limits);
    let totals = ends.flat_map(|(end, limits)| limits.iter().map(move |limit| (*end, *limit)));
    let totals = totals.map(|(end, (by, lasted))| HeldTotal {
        host: conversation.timeline.name(end),
        by: words::send_limit(by),
        seconds: lasted.as_secs_f64(),
    });
    totals.collect()
}

#[derive(Serialize)]
struct RecordLine<'a> {
    t: f64,
    flow: u32,
    event: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

/// A single record of an engine's trace, for a live view: its time in seconds, its flow and its
/// text, and for a change of state also `from`, `to` and `cause`.
pub fn json_of_record(record: &TraceRecord) -> String {
    let (event, from, to, cause) = match &record.event {
        TraceEvent::State { from, to, cause } => {
            let (from, to) = (from.as_str(), to.as_str());
            ("state", Some(from), Some(to), Some(cause.as_str()))
        }
        TraceEvent::Sent { .. } => ("sent", None, None, None),
        TraceEvent::Received { .. } => ("received", None, None, None),
        _ => ("other", None, None, None),
    };
    to_json(&RecordLine {
        t: record.at.as_nanos() as f64 / 1e9,
        flow: record.flow.0,
        event,
        text: words::describe_record(record),
        from,
        to,
        cause,
    })
}

fn to_json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("plain fields always serialize")
}
