//! Synfin against the TCP of this machine's kernel: both roles, IPv4 and IPv6.
//!
//! Without the privilege or the programs the tests are listed as ignored with the reason; with
//! `SYNFIN_REQUIRE_PRIVILEGED=1` they fail instead.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod closing;
#[cfg(target_os = "linux")]
mod ethernet;
#[cfg(target_os = "linux")]
mod fast_open;
#[cfg(target_os = "linux")]
mod ipv6;
#[cfg(target_os = "linux")]
mod judgement;
#[cfg(target_os = "linux")]
mod loss;
#[cfg(target_os = "linux")]
mod ping;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod transfer;
#[cfg(target_os = "linux")]
mod trouble;
#[cfg(target_os = "linux")]
mod urgent;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if let Some(outcome) = trouble::run_as_peer() {
        return outcome;
    }
    let mut tests = judgement::tests();
    tests.extend(serve::tests());
    tests.extend(transfer::tests());
    tests.extend(closing::tests());
    tests.extend(trouble::tests());
    tests.extend(fast_open::tests());
    tests.extend(urgent::tests());
    tests.extend(ping::tests());
    tests.extend(loss::tests());
    tests.extend(ethernet::tests());
    tests.extend(ipv6::tests());
    synfin_interop::harness::run(tests)
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), Vec::new()).exit_code()
}
