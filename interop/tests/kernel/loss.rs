//! The rows of `synfin-bench loss-real`, shortly: synfin and the kernel as sender and as receiver
//! over the simulator's link in real time. What is received is compared with what was sent, and
//! nothing is said about speed.

use std::process::Command;

use serde_json::Value;
use synfin_interop::harness::{self, Program, Test};
use synfin_interop::kernel;

pub(crate) fn tests() -> Vec<Test> {
    let both_ways = Test::new("loss::in_real_time_both_ways", in_real_time_both_ways);
    vec![both_ways.with(Program::Bench)]
}

const ARGUMENTS: &str = "loss-real --stack synfin,linux --receiver synfin,linux --cc cubic,bbr \
                         --loss 0.02 --seeds 1 --seconds 3 --jobs 2";

fn in_real_time_both_ways() {
    let output = Command::new(harness::program())
        .args(ARGUMENTS.split_whitespace())
        .output()
        .expect("synfin-bench starts");
    // A receiver that reads something else than was sent ends the work with an error.
    let printed = kernel::text_of("synfin-bench loss-real", output);
    let rows: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is a row"))
        .collect();
    let mut found: Vec<[&str; 3]> = rows.iter().map(conditions).collect();
    found.sort_unstable();
    let mut expected = Vec::new();
    for cc in ["bbr", "cubic"] {
        for sender in ["linux", "synfin"] {
            expected.extend(["linux", "synfin"].map(|receiver| [cc, sender, receiver]));
        }
    }
    assert_eq!(found, expected);
    for row in &rows {
        assert!(row["value"].as_f64() > Some(0.0), "nothing arrived: {row}");
        let extra = |key: &str| row["extra"][key].as_f64().expect("a number");
        assert!(extra("drops_random") > 0.0, "nothing was lost: {row}");
        assert!(extra("retransmissions") > 0.0, "nothing came again: {row}");
        assert_eq!(extra("refused"), 0.0, "{row}");
        assert_eq!(extra("acks_lost"), 0.0, "{row}");
    }
}

fn conditions(row: &Value) -> [&str; 3] {
    let param = &row["param"];
    [&param["cc"], &row["stack"], &param["receiver"]].map(|value| value.as_str().expect("a name"))
}
