//! The memory of this process, where the operating system tells, and whether it will do.

use crate::failure::Failure;

/// Octets for a connection: both ends, their places in the tables, what the applications and the
/// simulator keep of it.
const PER_CONNECTION: u64 = 720;
/// Octets for everything else.
const BESIDES: u64 = 96 << 20;

/// Octets that this process holds now.
pub(super) fn resident() -> Option<u64> {
    kib_of("/proc/self/status", "VmRSS:")
}

/// The most that it has held.
pub(super) fn peak() -> Option<u64> {
    kib_of("/proc/self/status", "VmHWM:")
}

/// Fails if the machine does not have the memory for so many connections.
pub(super) fn enough_for(connections: u32) -> Result<(), Failure> {
    match kib_of("/proc/meminfo", "MemAvailable:") {
        Some(available) => fits(connections, available),
        None => Ok(()),
    }
}

fn fits(connections: u32, available: u64) -> Result<(), Failure> {
    let needed = u64::from(connections) * PER_CONNECTION + BESIDES;
    if needed <= available {
        return Ok(());
    }
    let most = available.saturating_sub(BESIDES) / PER_CONNECTION;
    Err(Failure::Failed(format!(
        "{connections} connections need about {} MiB of memory, and {} MiB are available: \
         try --connections {most}",
        needed >> 20,
        available >> 20
    )))
}

fn kib_of(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_with_what_would() {
        assert!(fits(1_000_000, 2 << 30).is_ok());
        let told = fits(10_000_000, 2 << 30).expect_err("too many").to_string();
        assert!(told.contains("10000000 connections need about"), "{told}");
        let most = told.rsplit(' ').next().and_then(|n| n.parse().ok());
        let most: u32 = most.expect("a number");
        assert!(fits(most, 2 << 30).is_ok() && fits(most + 1, 2 << 30).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells() {
        let resident = resident().expect("VmRSS");
        assert!(resident > 1 << 20 && peak().expect("VmHWM") >= resident);
    }
}
