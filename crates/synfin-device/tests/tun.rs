//! The TUN device against the kernel, each test in a network namespace of its own.
//!
//! Without the privilege the tests are listed as ignored with the reason; with
//! `SYNFIN_REQUIRE_PRIVILEGED=1` they fail instead.
// A namespace and capabilities of one thread are not in the standard library.
#![allow(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
#[path = "tun/linux.rs"]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    linux::run()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    use libtest_mimic::{Arguments, Trial};
    use synfin_device::{Tun, TunError, TunOptions};

    let trial = Trial::test("there_is_none_and_it_says_so", || {
        let outcome = Tun::create(&TunOptions::default());
        assert!(matches!(outcome, Err(TunError::Unsupported)));
        Ok(())
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}
