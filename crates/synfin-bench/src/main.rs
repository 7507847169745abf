//! `synfin-bench`: the works that performance claims rest on, for synfin and its peers, under the
//! same conditions in the same run.
//!
//! One JSON object per result goes to stdout and nothing else; what was left out and why, and
//! progress when it is a terminal, go to stderr. `docs/benchmarks.md` has the definitions. Exit
//! codes: 0 fine, 1 something failed, 2 the command line is wrong.

mod active;
mod bulk;
mod calibration;
mod churn;
mod exchange;
mod idle;
mod loss;
mod matrix;
mod measure;
mod memory;
mod pair;
mod parallel;
mod pattern;
mod plot;
mod population;
mod report;
mod shards;
mod stopwatch;
mod synflood;
mod timewait;
mod traffic;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measure synfin and its peers under the same conditions
#[derive(Debug, Parser)]
#[command(name = "synfin-bench", version)]
struct Cli {
    #[command(subcommand)]
    work: Work,
}

/// What to measure.
#[derive(Debug, Subcommand)]
enum Work {
    /// Text in one direction between two stacks in one thread
    Bulk(bulk::BulkArgs),
    /// Whole lifetimes of connections per second
    Churn(churn::ChurnArgs),
    /// Octets of memory of an established connection that carries nothing
    Idle(idle::IdleArgs),
    /// Octets of memory of a connection in TIME-WAIT
    Timewait(timewait::TimeWaitArgs),
    /// Ping-pongs on some of many established connections
    Active(active::ActiveArgs),
    /// SYNs of nobody at a listener, and a client that means it
    Synflood(synflood::SynfloodArgs),
    /// How long each call of the engine takes during a churn
    Latency(churn::LatencyArgs),
    /// Goodput of one connection over a lossy link of 100 Mbit/s and 40 ms, in virtual time
    Loss(loss::LossArgs),
    /// The same between network namespaces of a kernel, in real time; needs root
    #[cfg(target_os = "linux")]
    LossReal(loss::RealArgs),
    /// What the engine must reach under named conditions, in virtual time
    Matrix(matrix::MatrixArgs),
    /// One run of a case, for the works that give each run a process of its own
    #[command(hide = true)]
    Measure {
        /// The case, as the parent process writes it
        case: String,
    },
}

fn main() -> ExitCode {
    let out = &mut report::stdout();
    let result = match Cli::parse().work {
        Work::Bulk(args) => bulk::run(&args, out),
        Work::Churn(args) => churn::run(&args, out),
        Work::Idle(args) => idle::run(&args, out),
        Work::Timewait(args) => timewait::run(&args, out),
        Work::Active(args) => active::run(&args, out),
        Work::Synflood(args) => synflood::run(&args, out),
        Work::Latency(args) => churn::run_latency(&args, out),
        Work::Measure { case } => measure::child(&case, out),
        Work::Loss(args) => loss::run(&args, out),
        #[cfg(target_os = "linux")]
        Work::LossReal(args) => loss::run_real(&args, out),
        Work::Matrix(args) => matrix::run(&args, out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the rows has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synfin-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let refused = |words: &str| {
            let words = words.split_whitespace();
            Cli::try_parse_from([&["synfin-bench"], words.collect::<Vec<_>>().as_slice()].concat())
                .is_err()
        };
        assert!(refused(""));
        assert!(refused("gain"));
        assert!(refused("loss --stack lwip"));
        assert!(refused("loss --cc vegas"));
        assert!(refused("loss --loss 1.5"));
        assert!(refused("loss --seeds 0"));
        assert!(refused("loss --seeds 5-2"));
        assert!(refused("loss --seconds 0"));
        assert!(refused("loss --jobs 0"));
        #[cfg(target_os = "linux")]
        {
            assert!(refused("loss-real --stack smoltcp"));
            assert!(refused("loss-real --at-least 2"));
            assert!(!refused(
                "loss-real --stack synfin,linux --receiver synfin,linux --cc bbr --at-least 0.9"
            ));
        }
        assert!(refused("matrix --jobs 0"));
        assert!(!refused(
            "loss --stack all --loss 0,0.03 --cc bbr,bbr3 --seeds 2-5 --json"
        ));
    }
}
