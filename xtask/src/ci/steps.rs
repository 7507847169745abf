//! The steps of `cargo xtask ci` and what each runs.

use std::fs;
use std::process::Command;

use super::run::{Count, run};
use crate::tidy;
use crate::workspace::{Result, Workspace};

/// Makes privileged tests that cannot run fail instead of being ignored.
const REQUIRE_PRIVILEGED: &str = "SYNFIN_REQUIRE_PRIVILEGED";
/// Random networks for each property of the simulation.
const RUNS: &str = "SYNFIN_RUNS";
/// Packets of a flood.
const FLOOD: &str = "SYNFIN_FLOOD";

/// A named part of the run.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) work: Work,
}

type Work = fn(&Workspace) -> Result<Count>;

fn step(name: &'static str, about: &'static str, work: Work) -> Step {
    Step { name, about, work }
}

/// The steps in their order; `long` adds those that are run by hand.
pub(crate) fn all(long: bool) -> Vec<Step> {
    let mut steps = vec![
        step("fmt", "the code is formatted", fmt),
        step("clippy", "no warning in any target", clippy),
        step("docs", "documentation builds, its links lead on", docs),
        step("tidy", "size, shape, names, dependency direction", tidy),
        step("alone", "each library alone, with each feature", alone),
        step("no-std", "engine and headers linked without std", no_std),
        step(
            "privileged",
            "against the kernel in network namespaces",
            privileged,
        ),
    ];
    if long {
        steps.push(step("networks", "50,000 random networks", networks));
        steps.push(step("floods", "attacks with 10^6 packets each", floods));
        steps.push(step(
            "determinism",
            "2,000 random networks, each run twice",
            determinism,
        ));
        steps.push(step(
            "matrix",
            "what synfin must reach under named conditions",
            matrix,
        ));
        steps.push(step(
            "loss-real",
            "goodput at loss beside the kernel's, for most of an hour",
            loss_real,
        ));
        if has_nightly() {
            steps.push(step(
                "address",
                "AddressSanitizer where unsafe code is",
                address,
            ));
        } else {
            println!("no nightly toolchain: AddressSanitizer is left out");
        }
    }
    steps
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

fn fmt(_: &Workspace) -> Result<Count> {
    run(cargo(&["fmt", "--all", "--check"]))
}

fn clippy(_: &Workspace) -> Result<Count> {
    run(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn docs(_: &Workspace) -> Result<Count> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    run(command)
}

fn tidy(workspace: &Workspace) -> Result<Count> {
    Ok(Count::one(tidy::run(workspace, true)?))
}

fn alone(workspace: &Workspace) -> Result<Count> {
    let mut count = Count::default();
    let packages = workspace.packages.iter();
    let published = packages.filter(|package| workspace.folder(package).starts_with("crates/"));
    for package in published.filter(|package| package.is_library()) {
        let base = ["check", "-p", &package.name, "--no-default-features"];
        count += run(cargo(&base))?;
        for feature in package
            .features
            .keys()
            .filter(|feature| *feature != "default")
        {
            let mut command = cargo(&base);
            command.args(["--features", feature]);
            count += run(command)?;
        }
    }
    Ok(count)
}

/// Links and runs a program that has no standard library. A crate that pulls `std` in brings a
/// second panic handler, and the probe does not link.
fn no_std(workspace: &Workspace) -> Result<Count> {
    let folder = workspace.root.join("xtask/no-std-probe");
    let target = workspace.target.join("no-std-probe");
    // The same versions as in the workspace; cargo drops the lines that the probe does not need.
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))
        .map_err(|error| format!("Cargo.lock of the probe: {error}"))?;
    let mut build = cargo(&["build", "--manifest-path"]);
    build
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    let mut count = run(build)?;
    if count.failed == 0 {
        count += run(Command::new(target.join("debug/no-std-probe")))?;
    }
    Ok(count)
}

fn floods(_: &Workspace) -> Result<Count> {
    let mut count = Count::default();
    for (package, test) in [("synfin-core", "attacks"), ("synfin-sim", "syn_flood")] {
        let mut command = cargo(&["test", "--release", "-p", package, "--test", test]);
        command.env(FLOOD, "1000000");
        count += run(command)?;
    }
    Ok(count)
}

fn privileged(_: &Workspace) -> Result<Count> {
    let mut command = cargo(&["test", "--no-fail-fast", "-p", "synfin-interop"]);
    command.args(["-p", "synfin-device"]);
    command.env(REQUIRE_PRIVILEGED, "1");
    run(command)
}

fn networks(_: &Workspace) -> Result<Count> {
    let mut command = cargo(&["test", "--release", "--no-fail-fast", "-p", "synfin-sim"]);
    command.env(RUNS, "50000");
    run(command)
}

fn determinism(_: &Workspace) -> Result<Count> {
    let mut command = cargo(&["test", "--release", "--no-fail-fast", "-p", "synfin-sim"]);
    command
        .env(RUNS, "2000")
        .env("SYNFIN_CHECK_DETERMINISM", "1");
    run(command)
}

/// The rows of the documentation; on a machine that does nothing else.
fn loss_real(_: &Workspace) -> Result<Count> {
    let mut command = cargo(&["run", "--release", "-p", "synfin-bench", "--", "loss-real"]);
    command.args(["--stack", "synfin,linux", "--at-least", "0.9"]);
    run(command)
}

/// All rows, with those that take too long for the ordinary tests.
fn matrix(_: &Workspace) -> Result<Count> {
    let words = ["run", "--release", "-p", "synfin-bench", "--", "matrix"];
    run(cargo(&words))
}

fn address(workspace: &Workspace) -> Result<Count> {
    let target = workspace.target.join("address-sanitizer");
    let host = host()?;
    let mut command = cargo(&["+nightly", "test", "--no-fail-fast", "-p", "synfin-device"]);
    // A named target keeps the flags off build scripts and procedural macros.
    command
        .args(["--lib", "--tests", "--target", &host])
        .arg("--target-dir")
        .arg(target);
    command.env("RUSTFLAGS", "-Zsanitizer=address");
    run(command)
}

fn has_nightly() -> bool {
    let version = cargo(&["+nightly", "--version"]).output();
    version.is_ok_and(|output| output.status.success())
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let text = output.map_err(|error| format!("rustc: {error}"))?.stdout;
    String::from_utf8_lossy(&text)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| "rustc does not name its host".to_owned())
}
