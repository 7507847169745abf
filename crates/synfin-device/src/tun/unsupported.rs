//! The place of the TUN device on systems for which there is none yet: it cannot be made.

use std::convert::Infallible;

use synfin_core::wire::MacAddress;
use synfin_core::{Device, DeviceCaps, Frame, Instant, Transmit, TransmitOutcome};

use super::{TunCounts, TunError, TunOptions, check_name};

/// A TUN device; on this system none can be made.
#[derive(Debug)]
pub struct Tun {
    never: Infallible,
}

impl Tun {
    /// Fails with [`TunError::Unsupported`].
    pub fn create(options: &TunOptions) -> Result<Self, TunError> {
        check_name(&options.name)?;
        Err(TunError::Unsupported)
    }

    /// Fails with [`TunError::Unsupported`].
    pub fn create_queues(options: &TunOptions, _queues: u16) -> Result<Vec<Self>, TunError> {
        Self::create(options).map(|tun| vec![tun])
    }

    /// Fails with [`TunError::Unsupported`].
    pub fn open(name: &str) -> Result<Self, TunError> {
        check_name(name)?;
        Err(TunError::Unsupported)
    }

    /// Fails with [`TunError::Unsupported`].
    pub fn open_tap(name: &str, _station: MacAddress) -> Result<Self, TunError> {
        Self::open(name)
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        match self.never {}
    }

    /// What passed so far.
    pub fn counts(&self) -> TunCounts {
        match self.never {}
    }
}

impl Device for Tun {
    fn caps(&self) -> DeviceCaps {
        match self.never {}
    }

    fn receive(&mut self, _now: Instant, _frame: &mut Frame) -> bool {
        match self.never {}
    }

    fn can_transmit(&mut self, _now: Instant) -> bool {
        match self.never {}
    }

    fn transmit(&mut self, _now: Instant, _frame: &Transmit<'_>) -> TransmitOutcome {
        match self.never {}
    }
}
