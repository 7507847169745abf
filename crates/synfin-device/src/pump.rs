//! Drives one stack over one device in the calling thread: a step, then a wait that is precise to
//! what the kernel's timers are.
//!
//! For programs without an asynchronous runtime, and for tests against a kernel. The application
//! runs inside the step, so nothing is locked.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant as StdInstant};

use synfin_core::{Device, DeviceId, Event, Instant, Ipv6Config, Stack, transmit, turn};

use crate::tun::sys;

/// The monotonic clock of the system as the engine counts time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: StdInstant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            origin: StdInstant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        // The engine's instants begin at 1; 2^64 ns are 584 years.
        Instant::from_nanos(self.origin.elapsed().as_nanos() as u64 + 1)
    }

    /// How long until `instant`; zero when it has passed.
    pub fn until(&self, instant: Instant) -> Duration {
        Duration::from_nanos(instant.as_nanos().saturating_sub(self.now().as_nanos()))
    }
}

/// A device with the loop that drives it.
///
/// ```no_run
/// # use synfin_core::{Memory, Stack, StackConfig};
/// # use synfin_device::{Pump, Tun, TunOptions};
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut stack = Stack::new(StackConfig::default(), Memory::default(), [7; 32])?;
/// let options = TunOptions::default().with_address("10.77.0.1".parse()?, 24);
/// let mut pump = Pump::new(&mut stack, Tun::create(&options)?);
/// stack.add_address(pump.id(), "10.77.0.2".parse()?, 24);
/// loop {
///     let deadline = pump.step(&mut stack, |_stack, event| println!("{event:?}"));
///     pump.wait(deadline, &[])?;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Pump<D> {
    device: D,
    id: DeviceId,
    clock: Clock,
}

impl<D: Device + AsFd> Pump<D> {
    /// Attaches `device` to `stack`; the clock starts now.
    pub fn new(stack: &mut Stack, device: D) -> Self {
        Self::with_ipv6(stack, device, Ipv6Config::default())
    }

    /// The same, and says how IPv6 is configured where the device carries Ethernet frames.
    pub fn with_ipv6(stack: &mut Stack, device: D, ipv6: Ipv6Config) -> Self {
        let id = stack.add_device_with(device.caps(), ipv6);
        Self {
            device,
            id,
            clock: Clock::start(),
        }
    }

    /// The device as the stack knows it.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, to be changed.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// The clock by which the stack is driven.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Carries what is due between device and stack and hands events to `application`
    /// ([`turn`]). Returns when it must be called again at the latest.
    pub fn step(
        &mut self,
        stack: &mut Stack,
        application: impl FnMut(&mut Stack, Event),
    ) -> Option<Instant> {
        let deadline = turn(
            stack,
            self.id,
            &mut self.device,
            self.clock.now(),
            application,
        );
        earlier(deadline, self.device.poll_timeout())
    }

    /// Sends what the stack has because of calls that were made outside of a step. Returns when
    /// the next step is due at the latest.
    pub fn flush(&mut self, stack: &mut Stack) -> Option<Instant> {
        transmit(stack, self.id, &mut self.device, self.clock.now());
        earlier(stack.poll_timeout(), self.device.poll_timeout())
    }

    /// Waits for a frame, for `deadline`, or until one of `others` can be read.
    pub fn wait(&self, deadline: Option<Instant>, others: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut fds = Vec::with_capacity(others.len() + 1);
        fds.push(self.device.as_fd());
        fds.extend_from_slice(others);
        let timeout = deadline.map(|deadline| self.clock.until(deadline));
        sys::wait_readable(&fds, timeout).map(drop)
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
