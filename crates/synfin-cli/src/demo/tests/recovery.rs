//! What the scenes of loss recovery and congestion control prove.

use std::time::Duration;

use synfin_core::{Instant, LossSign, SendReason};
use synfin_trace::{Conversation, Step, Timeline, json_lines};

use super::super::run::{self, Settings};
use super::super::scene::Scene;
use super::{args, play, scenes, summary, text};

/// The server's segments with text, in the order in which they were sent.
fn answers<'a>(conversation: &'a Conversation<'a>) -> Vec<&'a Step<'a>> {
    let client = conversation.steps[0].from;
    let mut steps: Vec<_> = conversation
        .steps
        .iter()
        .filter(|step| step.from != client && step.segment.text_len > 0)
        .collect();
    steps.sort_by_key(|step| step.packet.sent);
    steps
}

/// How the server found each loss that it repaired.
fn signs(timeline: &Timeline) -> Vec<LossSign> {
    let all = Conversation::all(timeline);
    let sign = |step: &&Step<'_>| match step.packet.reason {
        Some(SendReason::Retransmission { by, .. }) => Some(by),
        _ => None,
    };
    answers(&all[0]).iter().filter_map(sign).collect()
}

fn timers(timeline: &Timeline) -> Vec<String> {
    let lines = json_lines(timeline);
    let parsed = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    parsed
        .filter(|line: &serde_json::Value| line["event"] == "timer")
        .map(|line| line["text"].as_str().expect("words").to_owned())
        .collect()
}

#[test]
fn losses_are_repaired_without_a_timeout() {
    let (_, probed) = play("tail-loss");
    assert_eq!(signs(&probed), [LossSign::TailLossProbe, LossSign::Rack]);
    let (_, twice) = play("lost-retransmission");
    assert_eq!(signs(&twice), [LossSign::Rack; 2]);
    let all = Conversation::all(&twice);
    let again = answers(&all[0]);
    let again = again.iter().filter(|step| step.packet.is_retransmission());
    let numbers: Vec<_> = again.map(|step| step.segment.seq).collect();
    assert_eq!(numbers[0], numbers[1], "the same segment");
    for timeline in [probed, twice] {
        assert_eq!(summary(&timeline)["lost"], 2);
        assert_eq!(summary(&timeline)["outcome"], "closed");
        let timers = timers(&timeline);
        assert!(
            !timers.iter().any(|text| text.contains("etransmi")),
            "{timers:?}"
        );
    }
}

#[test]
fn late_segments_are_not_sent_again() {
    let (_, timeline) = play("reordering");
    let summary = summary(&timeline);
    assert_eq!(
        (&summary["lost"], &summary["retransmissions"]),
        (&0.into(), &0.into())
    );
    let page = text("reordering");
    assert_eq!(page.matches(" late --").count(), 2, "{page}");
    let hole = page.matches("ack=20273 SACK").count();
    assert!(hole > 3, "{hole} duplicate ACKs:\n{page}");
}

#[test]
fn a_needless_timeout_is_undone() {
    let (_, timeline) = play("spurious-timeout");
    assert_eq!(signs(&timeline), [LossSign::Rto]);
    assert_eq!(summary(&timeline)["lost"], 0);
    assert_eq!(summary(&timeline)["outcome"], "closed");
    let page = text("spurious-timeout");
    assert!(page.contains("server: undone: timestamp"), "{page}");
}

/// How long a segment of the answer took at most, the first `skip` not counted.
fn longest_way(timeline: &Timeline, skip: usize) -> Duration {
    let all = Conversation::all(timeline);
    let way = |step: &&Step<'_>| {
        let arrived = step.packet.arrived()?;
        Some(arrived.saturating_duration_since(step.packet.sent))
    };
    let answers = answers(&all[0]);
    let ways = answers.iter().skip(skip).filter_map(way);
    ways.max().expect("an answer")
}

/// The queue of the scene holds 320 ms; the way takes 20 ms beside.
#[test]
fn hystart_leaves_slow_start_before_the_queue_overflows() {
    let (_, careful) = play("slow-start");
    let (_, bold) = play("queue-overflow");
    assert_eq!(summary(&careful)["lost"], 0);
    assert_eq!(summary(&careful)["retransmissions"], 0);
    assert!(summary(&bold)["lost"].as_u64() > Some(100));
    assert!(
        longest_way(&careful, 0) < Duration::from_millis(280),
        "{:?}",
        longest_way(&careful, 0)
    );
    assert!(longest_way(&bold, 0) > Duration::from_millis(335));
    assert_eq!(summary(&bold)["outcome"], "closed");
}

#[test]
fn bbr_spaces_its_segments_and_keeps_the_queue_short() {
    let (scene, paced) = play("bbr");
    let all = Conversation::all(&paced);
    let sent: Vec<Instant> = answers(&all[0])
        .iter()
        .map(|step| step.packet.sent)
        .collect();
    assert!(sent.len() > 600);
    assert!(sent.windows(4).all(|four| four[0] != four[3]), "a burst");
    let plain = Scene {
        tune: |_, _| {},
        ..*scene
    };
    let plain = run::run(&plain, &Settings::of(&plain, &args("bbr")));
    let (short, long) = (longest_way(&paced, 550), longest_way(&plain, 550));
    assert!(short * 3 < long, "{short:?}, {long:?}");
}

#[test]
fn a_smaller_path_gets_smaller_pieces() {
    let (scene, timeline) = play("path-mtu");
    let all = Conversation::all(&timeline);
    let answers = answers(&all[0]);
    let path = scene.path_mtu.expect("a smaller MTU") as usize;
    let (lost, passed): (Vec<&Step<'_>>, Vec<&Step<'_>>) = answers
        .iter()
        .copied()
        .partition(|step| step.packet.lost().is_some());
    assert!(!lost.is_empty());
    assert!(lost.iter().all(|step| step.packet.lost() == Some("MTU")));
    // Header of IP and TCP, and timestamps.
    let most = |step: &&Step<'_>| step.segment.text_len as usize + 52;
    assert_eq!(passed.iter().map(most).max(), Some(path));
    let signs = signs(&timeline);
    assert!(!signs.is_empty());
    assert!(
        signs.iter().all(|sign| *sign == LossSign::PathMtu),
        "{signs:?}"
    );
    assert_eq!(summary(&timeline)["outcome"], "closed");
    let first = answers[0].segment.seq;
    let end = answers
        .iter()
        .map(|step| step.segment.seq + step.segment.text_len)
        .max_by_key(|end| first.distance_to(*end));
    let len: u32 = passed.iter().map(|step| step.segment.text_len).sum();
    assert_eq!(
        first.distance_to(end.expect("an end")),
        len,
        "each octet passed once"
    );
}

/// The path loses what is longer than 1300 octets without a word.
#[test]
fn a_black_hole_is_found_and_probed() {
    let (scene, timeline) = play("black-hole");
    let limit = scene.path_mtu.expect("a smaller MTU") as usize;
    let all = Conversation::all(&timeline);
    let answers = answers(&all[0]);
    let len = |step: &&Step<'_>| step.segment.text_len as usize + 52;
    let probe = |step: &&&Step<'_>| step.packet.reason == Some(SendReason::PathMtuProbe);
    let probes: Vec<(usize, bool)> = answers
        .iter()
        .filter(probe)
        .map(|step| (len(step), step.packet.lost().is_none()))
        .collect();
    let lost = (1500, false);
    assert_eq!(probes[..4], [lost, lost, lost, (1282, true)]);
    assert!(
        probes
            .iter()
            .all(|(len, passed)| *passed == (*len <= limit))
    );
    // Afterwards segments are as long as the probe was.
    let last = &answers[answers.len() - 10..answers.len() - 1];
    assert!(last.iter().all(|step| len(step) == 1282));
    let timers = timers(&timeline);
    let fired = timers.iter().filter(|text| text.starts_with("retransm"));
    assert_eq!(fired.count(), 2, "{timers:?}");
    assert_eq!(summary(&timeline)["outcome"], "closed");
}

#[test]
fn scenes_name_the_decision() {
    for (scene, words) in [
        ("tail-loss", "again, TLP"),
        ("tail-loss", "again, RACK"),
        ("lost-retransmission", "lost (fault) x ="),
        ("spurious-timeout", "again, RTO"),
        ("queue-overflow", "lost (queue)"),
        ("path-mtu", "again, path MTU"),
        ("path-mtu", "server: ICMP: MTU 1200"),
        ("black-hole", "server: black hole: MTU 1064"),
        ("black-hole", "again, MTU probe"),
        ("black-hole", "(1230) MTU probe"),
        ("black-hole", "server: probe: MTU 1282"),
    ] {
        let page = text(scene);
        assert!(page.contains(words), "{scene}:\n{page}");
    }
    assert_eq!(scenes::find("bbr").expect("a scene").faults, &[]);
}
