//! A processor for each thread, where the system gives it.

/// So many processors that this process may use; `None` if there are fewer, or nobody tells.
#[cfg(target_os = "linux")]
pub(super) fn cpus(count: usize) -> Option<Vec<usize>> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let allowed = sched_getaffinity(None).ok()?;
    let all = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let cpus: Vec<usize> = all.take(count).collect();
    (cpus.len() == count).then_some(cpus)
}

/// Keeps the calling thread on a processor; tells whether that was possible.
#[cfg(target_os = "linux")]
pub(super) fn pin(cpu: usize) -> bool {
    let mut only = rustix::thread::CpuSet::new();
    only.set(cpu);
    rustix::thread::sched_setaffinity(None, &only).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn cpus(_count: usize) -> Option<Vec<usize>> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_cpu: usize) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_stays_on_its_processor() {
        let cpus = cpus(1).expect("this test runs somewhere");
        let on = std::thread::spawn(move || {
            assert!(pin(cpus[0]));
            let allowed = rustix::thread::sched_getaffinity(None).unwrap();
            (allowed.count(), allowed.is_set(cpus[0]))
        });
        assert_eq!(on.join().unwrap(), (1, true));
        assert_eq!(super::cpus(100_000), None);
    }
}
