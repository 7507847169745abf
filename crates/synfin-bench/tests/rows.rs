//! The command as its readers meet it: each work prints rows with the keys that are defined.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The rows that a command line prints.
fn rows(words: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_synfin-bench"))
        .args(words.split_whitespace())
        .output()
        .expect("the command starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {told}");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let parse = |line| serde_json::from_str(line).expect("a line is a JSON object");
    text.lines().map(parse).collect()
}

/// Each row has its work, its `param` and these keys in `extra`, and measured something.
fn has(rows: &[Value], work: &str, param: &[&str], extra: &[&str]) {
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(row["work"], work);
        assert!(row["value"].is_number(), "{row}");
        for key in param {
            assert!(!row["param"][key].is_null(), "{key}: {row}");
        }
        for key in extra.iter().chain(&["runs", "memcpy_hot_ns"]) {
            assert!(!row["extra"][key].is_null(), "{key}: {row}");
        }
        let peer = row["stack"] == "smoltcp";
        assert_eq!(row["extra"]["peer_scaled"].is_number(), peer, "{row}");
    }
}

#[test]
fn rates_stand_with_what_they_were_measured_under() {
    let bulk = rows("bulk --stack all --api slice,owned --bytes 300000 --flows 2 --runs 2");
    has(
        &bulk,
        "bulk",
        &["mtu", "gso", "flows", "api", "shards"],
        &["copies", "quantum"],
    );
    let apis: Vec<_> = bulk.iter().map(|row| &row["param"]["api"]).collect();
    assert_eq!(apis, ["slice", "owned", "slice"]);
    assert_eq!(bulk[0]["extra"]["runs"], 2);
    assert_eq!(bulk[0]["extra"]["bytes"], 300_000);

    let churn = rows("churn --stack all --in-flight 2,5 --seconds 1 --runs 1 --addresses 64");
    let keys = [
        "packets_per_connection",
        "time_wait",
        "time_wait_is_55_s",
        "warm_up",
    ];
    has(&churn, "churn", &["in_flight", "standing", "shards"], &keys);
    assert_eq!(churn.len(), 4);
    assert_eq!(
        churn[0]["extra"]["time_wait_is_55_s"], false,
        "after a second"
    );

    let active = rows("active --stack all --n 20 --busy 5 --seconds 1 --runs 1");
    has(
        &active,
        "active",
        &["n", "busy", "family", "shards"],
        &["outstanding"],
    );

    let latency = rows("latency --in-flight 5 --seconds 1 --runs 1 --addresses 64");
    let keys = ["p50", "p999", "p99999", "max", "idle_loop_max", "calls"];
    has(&latency, "latency", &["standing"], &keys);
    assert!(latency[0]["extra"]["p50"].as_f64() <= latency[0]["extra"]["max"].as_f64());

    let flood = rows("synflood --stack all --rate 1000 --seconds 5 --runs 1");
    let keys = ["legit_share", "growth", "generator_s", "syns"];
    has(&flood, "synflood", &["standing"], &keys);
}

#[test]
fn shards_have_a_figure_each_and_are_summed() {
    let keys = ["shard_values", "shard_cpu_shares", "misdirected", "cores"];
    for words in [
        "bulk --stack all --bytes 3000000 --runs 1 --shards 1,2",
        "churn --stack all --in-flight 3 --seconds 1 --runs 1 --addresses 64 --shards 1,2",
        "active --stack all --n 20 --busy 5 --seconds 1 --runs 1 --shards 1,2",
    ] {
        let work = words.split_whitespace().next().expect("a work");
        let rows = rows(words);
        // The peer has no shards: one row of it.
        assert_eq!(rows.len(), 3, "{words}");
        has(&rows, work, &["shards"], &[]);
        has(&rows[..2], work, &["shards"], &keys);
        for (row, shards) in rows.iter().zip([1, 2]) {
            assert_eq!(
                (&row["stack"], &row["param"]["shards"]),
                (&"synfin".into(), &shards.into())
            );
            assert_eq!(row["extra"]["misdirected"], 0);
            let values = row["extra"]["shard_values"].as_array().expect("a list");
            let values: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
            assert_eq!(values.len(), shards, "{row}");
            let sum: f64 = values.iter().sum();
            let value = row["value"].as_f64().expect("a number");
            // Less than their sum: what is ready early counts for as long as the last takes.
            assert!(value > 0.0 && value <= sum * 1.01, "{row}");
        }
    }
}

#[test]
fn a_machine_too_small_for_the_shards_says_so() {
    let cores = std::thread::available_parallelism()
        .expect("the system tells")
        .get();
    let shards = cores + 1;
    let words = format!("bulk --bytes 100000 --runs 1 --shards {shards}");
    let output = Command::new(env!("CARGO_BIN_EXE_synfin-bench"))
        .args(words.split_whitespace())
        .output()
        .expect("the command starts");
    assert!(output.status.success(), "{output:?}");
    let row: Value = serde_json::from_slice(&output.stdout).expect("one row");
    let note = row["extra"]["note"].as_str().expect("a note");
    assert!(
        note.contains(&format!("more shards ({shards}) than cores ({cores})")),
        "{note}"
    );
    assert!(row["extra"]["pinned_to"].is_null(), "{row}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(note));
}

#[test]
fn memory_is_weighed_for_both_families_and_drawn() {
    let dir = tempfile::tempdir().expect("a place for pictures");
    let plot = dir.path().display();
    let words = format!("idle --stack all --n 100,200 --family 4,6 --runs 1 --plot {plot}");
    let idle = rows(&words);
    has(
        &idle,
        "idle",
        &["n", "family"],
        &["peak", "alive", "endpoints"],
    );
    assert_eq!(idle.len(), 8);
    let picture = |path: &Path| std::fs::read_to_string(path).expect("it was drawn");
    let svg = picture(&dir.path().join("idle.svg"));
    assert!(svg.contains("smoltcp family 6"));

    let time_wait = rows("timewait --n 3000 --family 4 --runs 1");
    has(
        &time_wait,
        "timewait",
        &["n", "family"],
        &["peak", "entries"],
    );
    let each = time_wait[0]["value"].as_f64().unwrap();
    // A record has two ports, two addresses and two sequence numbers at least.
    assert!((16.0..4096.0).contains(&each), "{each}");
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    for words in [
        "bulk --gso",
        "bulk --api lent",
        "idle --family 5",
        "measure {}",
        "timewait --n 0",
        "churn --shards 0",
        "active --shards 257",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_synfin-bench"))
            .args(words.split_whitespace())
            .output()
            .expect("the command starts");
        assert!(!output.status.success(), "{words}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{words}"
        );
    }
}
