//! What the operating system says of this process's memory.

/// Octets of memory that this process holds now.
pub(crate) fn resident() -> Result<u64, String> {
    kib_of("/proc/self/status", "VmRSS:")
}

/// The most that it has held.
pub(crate) fn peak() -> Result<u64, String> {
    kib_of("/proc/self/status", "VmHWM:")
}

/// Fails when the machine is about to run out: it may be shared.
pub(crate) fn check(held: u64) -> Result<(), String> {
    let available = kib_of("/proc/meminfo", "MemAvailable:")?;
    if available < RESERVE {
        let gib = available as f64 / (1u64 << 30) as f64;
        return Err(format!("{gib:.1} GiB of memory are left with {held} held"));
    }
    Ok(())
}

/// Octets of the machine's memory that stay free.
const RESERVE: u64 = 2 << 30;

/// Octets of memory that a work may count on: half of what is available.
pub(crate) fn budget() -> Result<u64, String> {
    Ok(kib_of("/proc/meminfo", "MemAvailable:")? / 2)
}

fn kib_of(file: &str, key: &str) -> Result<u64, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let kib = kib.ok_or_else(|| format!("{file} has no {key}"))?;
    Ok(kib * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_is_seen() {
        const LEN: usize = 64 << 20;
        let before = resident().unwrap();
        let held = std::hint::black_box(vec![1u8; LEN]);
        // Other tests of this process come and go meanwhile.
        assert!(resident().unwrap() >= before + LEN as u64 / 2);
        assert!(peak().unwrap() >= held.len() as u64);
        assert!(kib_of("/proc/self/status", "VmNone:").is_err());
    }
}
