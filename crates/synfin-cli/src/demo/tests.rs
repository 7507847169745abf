//! Each scene ends by itself, shows what its name says, and gives the same bytes twice.

mod pictures;
mod recovery;

use synfin_core::{AckReason, Cause, SendReason};
use synfin_trace::{Conversation, Lifeline, Packet, Style, Timeline, json_lines, pcapng, svg};

use super::run::{self, Settings};
use super::scene::Scene;
use super::{page, scenes};
use crate::args::DemoArgs;

pub(super) fn args(name: &str) -> DemoArgs {
    DemoArgs {
        scene: name.to_owned(),
        seed: 1,
        list: false,
        rtt: None,
        rate: None,
        loss: None,
        bytes: None,
        connections: None,
        full: true,
        json: false,
        svg: None,
        pcap: None,
    }
}

fn play(name: &str) -> (&'static Scene, Timeline) {
    let scene = scenes::find(name).expect("a scene");
    (scene, run::run(scene, &Settings::of(scene, &args(name))))
}

fn text(name: &str) -> String {
    let (scene, timeline) = play(name);
    page(scene, &timeline, Style::default())
}

/// The states of one end, in order, from the JSON lines: its first `from`, then every `to`.
fn states(timeline: &Timeline, host: &str) -> Vec<String> {
    let mut states = Vec::new();
    for line in json_lines(timeline).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if line["event"] == "state" && line["host"] == host {
            if states.is_empty() {
                states.push(line["from"].as_str().expect("a name").to_owned());
            }
            states.push(line["to"].as_str().expect("a name").to_owned());
        }
    }
    states
}

fn summary(timeline: &Timeline) -> serde_json::Value {
    let lines = json_lines(timeline);
    let last = lines.lines().last().expect("a line");
    serde_json::from_str(last).expect("JSON")
}

fn paths(name: &str) -> (String, String) {
    let (_, timeline) = play(name);
    let path = |host| states(&timeline, host).join(" ");
    (path("client"), path("server"))
}

const OPENS: &str = "CLOSED SYN-SENT ESTABLISHED";
const ACCEPTS: &str = "LISTEN SYN-RECEIVED ESTABLISHED";

/// covers: ST-213, ST-408, ST-501, ST-601, AB-20
#[test]
fn the_default_scene_goes_through_all_states_of_a_close() {
    let (client, server) = paths("open-close");
    let closes = "FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED";
    assert_eq!(client, format!("{OPENS} {closes}"));
    assert_eq!(server, format!("{ACCEPTS} CLOSE-WAIT LAST-ACK CLOSED"));
    let (client, server) = paths("server-closes");
    assert_eq!(client, format!("{OPENS} CLOSE-WAIT LAST-ACK CLOSED"));
    assert_eq!(server, format!("{ACCEPTS} {closes}"));
}

#[test]
fn closes_take_their_paths() {
    let joined = paths("three-segment-close").0;
    assert_eq!(joined, format!("{OPENS} FIN-WAIT-1 TIME-WAIT CLOSED"));
    let crossed = format!("{OPENS} FIN-WAIT-1 CLOSING TIME-WAIT CLOSED");
    let (client, server) = paths("simultaneous-close");
    assert_eq!(client, crossed);
    assert_eq!(
        server,
        crossed.replace("CLOSED SYN-SENT", "LISTEN SYN-RECEIVED")
    );
    let (client, server) = paths("simultaneous-open");
    let opens = "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED";
    assert!(
        client.starts_with(opens) && server.starts_with(opens),
        "{client} / {server}"
    );
    for (scene, first) in [
        ("http-close", "server"),
        ("http-client-closes", "client"),
        ("http-keep-alive", "client"),
    ] {
        assert_eq!(summary(&play(scene).1)["closed_first"], first, "{scene}");
        assert_eq!(summary(&play(scene).1)["time_wait"], first, "{scene}");
    }
}

#[test]
fn resets_end_at_once() {
    for (scene, outcome) in [
        ("reset", "reset by client"),
        ("close-with-unread-data", "reset by client"),
        ("half-open", "reset by server"),
        ("refused", "refused"),
        ("peer-crash", "client gave up: retransmission timed out"),
        ("keep-alive", "client gave up: keep-alive timed out"),
        ("never-closes", "client gave up: FIN-WAIT-2 timed out"),
        ("blind-reset", "reset by server"),
    ] {
        let summary = summary(&play(scene).1);
        assert_eq!(summary["outcome"], outcome, "{scene}");
        assert_eq!(summary["time_wait"], serde_json::Value::Null, "{scene}");
    }
}

#[test]
fn losses_are_repaired() {
    for (scene, lost, retransmissions) in [
        ("lost-syn", 1, 1),
        ("lost-syn-ack", 1, 2),
        ("lost-handshake-ack", 1, 1),
        ("lost-fin", 1, 1),
        ("lost-last-ack", 1, 1),
        ("fast-retransmit", 1, 1),
        ("rto", 3, 3),
        ("out-of-order", 0, 0),
        ("ecn", 0, 0),
        ("shrunk-window", 0, 0),
    ] {
        let summary = summary(&play(scene).1);
        assert_eq!(summary["lost"], lost, "{scene}");
        assert_eq!(summary["retransmissions"], retransmissions, "{scene}");
        assert_eq!(summary["outcome"], "closed", "{scene}");
    }
}

#[test]
fn what_the_name_says_is_seen() {
    for (scene, words) in [
        ("lost-last-ack", "again, TLP"),
        ("rto", "again, RTO"),
        ("old-duplicate-syn", "RST seq=1"),
        ("fast-retransmit", "again, RACK"),
        ("ecn", "ECN: cwnd reduced"),
        ("zero-window", "window probe"),
        ("shrunk-window", "ACK ack=1449 win=2048"),
        ("out-of-order", "late"),
        ("keep-alive", "keep-alive probe"),
        ("time-wait-reuse", "TIME-WAIT gives way"),
        ("time-wait-2msl", "the address is in use"),
        ("never-closes", "FIN-WAIT-2, 60 s"),
        ("half-open", "host restarts"),
        ("open-close", "2 MSL, 60 s"),
        ("syn-flood", "SYN,ACK seq=0 ack=1 SYN cookie"),
        ("blind-reset", "RST seq=1033 forged"),
        ("blind-reset", "ACK ack=33 challenge"),
    ] {
        let text = text(scene);
        assert!(text.contains(words), "{scene}:\n{text}");
    }
    let (_, timeline) = play("process-exit");
    assert_eq!(Conversation::all(&timeline).len(), 3);
    let text = text("half-close");
    assert!(
        text.contains("FIN-WAIT-2") && text.contains("256 B back"),
        "{text}"
    );
}

/// The queue is full when the honest client comes: the server keeps nothing of its SYN, and serves
/// it.
/// covers: ATT-1, 4987-3
#[test]
fn an_honest_client_gets_through_a_flood() {
    let (client, server) = paths("syn-flood");
    assert_eq!(
        client,
        format!("{OPENS} FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED")
    );
    assert_eq!(server, format!("{ACCEPTS} CLOSE-WAIT LAST-ACK CLOSED"));
    let (_, timeline) = play("syn-flood");
    let connections = Conversation::all(&timeline);
    assert_eq!(connections.len(), 1, "the crowd is left out");
    let opened = connections[0].changes(Lifeline::Right);
    assert_eq!(opened[0].at, opened[1].at, "nothing is kept before the ACK");
    let text = text("syn-flood");
    assert!(text.contains("16 half open, 58"), "{text}");
    assert!(text.contains("cookies, 1 back"), "{text}");
    assert!(text.contains("256 B back"), "{text}");
}

/// Two challenges for four forged segments; the connection answers a request in between, and falls
/// by the one with the exact number.
/// covers: ATT-15, ATT-17, 5961-1, 5961-2, 5961-3, 5961-4
#[test]
fn forged_segments_need_the_exact_number() {
    let (_, timeline) = play("blind-reset");
    let packets = timeline.packets.iter();
    let forged: Vec<&Packet> = packets.clone().filter(|packet| packet.forged).collect();
    assert_eq!(forged.len(), 4);
    let challenges =
        packets.filter(|packet| packet.reason == Some(SendReason::Ack(AckReason::Challenge)));
    assert_eq!(challenges.count(), 2);
    let server = Conversation::all(&timeline)[0].changes(Lifeline::Right);
    let last = server.last().expect("it ends");
    assert_eq!(Some(last.at), forged[3].arrived());
    assert_eq!(last.cause, Cause::Reset);
    let text = text("blind-reset");
    for words in [
        "SYN seq=1033 forged",
        "RST seq=1000033 forged",
        "RST seq=65 forged",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert!(text.contains("512 B back"), "{text}");
    assert!(json_lines(&timeline).contains("\"reason\":\"forged\""));
}

/// The answer to the second request is there a round trip earlier.
/// covers: 7413-3, 7413-7
#[test]
fn fast_open_saves_a_round_trip() {
    let (scene, timeline) = play("fast-open");
    let connections = Conversation::all(&timeline);
    assert_eq!(connections.len(), 2);
    let answered: Vec<f64> = connections
        .iter()
        .map(|connection| {
            let start = connection.steps[0].packet.sent;
            let answer = connection.steps.iter().find_map(|step| {
                let from_server = step.from != connection.steps[0].from;
                let arrived = step.packet.arrived().filter(|_| from_server);
                arrived.filter(|_| step.segment.text_len > 0)
            });
            let answer = answer.expect("an answer");
            answer.saturating_duration_since(start).as_secs_f64() * 1e3
        })
        .collect();
    let saved = answered[0] - answered[1];
    assert!((saved - scene.rtt_ms).abs() < 1.0, "{answered:?}");
    let text = text("fast-open");
    for words in [
        "SYN seq=0 cookie?",
        "SYN 1:33 (32) cookie",
        "SYN,ACK seq=0 ack=33",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert_eq!(text.matches("32 B from client").count(), 2, "{text}");
}

/// Nothing new leaves while the window ends before what was sent, and then everything does.
/// covers: 9293-MUST-34, 9293-MUST-35, 9293-SHLD-15
#[test]
fn a_sender_survives_a_window_that_is_taken_back() {
    let (_, timeline) = play("shrunk-window");
    let lines: Vec<serde_json::Value> = json_lines(&timeline)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let at = |line: &serde_json::Value| line["t"].as_f64().expect("a time");
    let of = |host: &str, event: &str| {
        let lines = lines.iter();
        lines
            .filter(|line| line["host"] == host && line["event"] == event)
            .collect::<Vec<_>>()
    };
    let received = of("server", "received");
    let shrunk = received.iter().find(|line| line["window"] == 2048);
    let shrunk = at(shrunk.expect("the window is taken back"));
    let open = received
        .iter()
        .find(|line| at(line) > shrunk && line["window"].as_u64() > Some(2048));
    let open = at(open.expect("there is room again"));
    assert!(open - shrunk > 1.0, "{shrunk} s to {open} s");
    let meanwhile = of("server", "sent").into_iter().filter(|line| {
        let text = line["len"].as_u64() > Some(0);
        text && at(line) >= shrunk && at(line) < open
    });
    assert_eq!(meanwhile.count(), 0, "no text beyond the window");
    assert!(
        text("shrunk-window").contains("30.1 KB back"),
        "all of it arrives"
    );
}

/// The ladder, the lines and the summary agree on what held the server back.
#[test]
fn what_held_the_sender_back_is_told() {
    let (_, timeline) = play("zero-window");
    let lines = json_lines(&timeline);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let held: Vec<serde_json::Value> = lines
        .clone()
        .filter(|line| line["event"] == "held" && line["by"] == "the receive window")
        .collect();
    assert_eq!(held.len(), 1, "once, not for each probe");
    let seconds = held[0]["seconds"].as_f64().expect("a number");
    assert!((2.9..3.1).contains(&seconds), "{seconds} s until it reads");
    let summary = summary(&timeline);
    let totals = summary["held"].as_array().expect("a list");
    let total = totals
        .iter()
        .find(|total| total["host"] == "server" && total["by"] == "the receive window");
    assert_eq!(total.expect("a total")["seconds"], held[0]["seconds"]);
    // The totals of an end are all of its time between ESTABLISHED and its close.
    let of_client = totals.iter().filter(|total| total["host"] == "client");
    let of_client: Vec<&str> = of_client.filter_map(|total| total["by"].as_str()).collect();
    assert_eq!(of_client, ["the application"], "it had nothing to send");
    let page = text("zero-window");
    assert!(
        page.contains("( server: held 3 s by the receive window )"),
        "{page}"
    );
    assert!(page.contains("Server was held back by the receive window for 3 s"));
    assert!(svg(&timeline).contains("held 3 s: rwnd"));
}

#[test]
fn two_attempts_that_meet_have_numbers_of_their_own() {
    let text = text("old-duplicate-syn");
    let word = |line: &str, key: &str| {
        let from = line.find(key)? + key.len();
        let digits = line[from..].split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    };
    let syns: Vec<u32> = text
        .lines()
        .filter(|line| line.contains("-- SYN seq=") && line.contains("SYN-SENT"))
        .filter_map(|line| word(line, "seq="))
        .collect();
    let answers: Vec<u32> = text
        .lines()
        .filter(|line| line.contains("SYN,ACK"))
        .filter_map(|line| word(line, "ack="))
        .collect();
    assert_eq!(syns.len(), 2, "{text}");
    assert_ne!(syns[0], syns[1], "{text}");
    assert_eq!(answers, [syns[0] + 1, syns[1] + 1], "{text}");
}

#[test]
fn text_that_a_reset_refused_is_not_counted_as_delivered() {
    let text = text("half-open");
    assert!(text.contains("33:65 (32)"), "{text}");
    assert!(
        text.contains(" 32 B from client to server, 256 B back."),
        "{text}"
    );
}

/// covers: INV-13
#[test]
fn every_scene_gives_the_same_bytes_twice() {
    for scene in scenes::all() {
        let once = || {
            let (scene, timeline) = play(scene.name);
            let mut capture = Vec::new();
            pcapng(&timeline, &mut capture).expect("memory takes everything");
            let text = page(scene, &timeline, Style::default());
            (text, json_lines(&timeline), svg(&timeline), capture)
        };
        assert!(once() == once(), "{}", scene.name);
    }
}

#[test]
fn every_scene_fits_the_page() {
    for scene in scenes::all() {
        for folded in [false, true] {
            let (scene, timeline) = play(scene.name);
            let style = Style {
                colour: false,
                unfolded: !folded,
            };
            for line in page(scene, &timeline, style).lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", scene.name);
            }
        }
    }
}
