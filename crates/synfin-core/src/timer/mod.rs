//! Deadlines by the million: a hierarchical wheel.

mod chunks;
mod delay;
mod filed;
mod wheel;

pub(crate) use delay::Delay;
pub(crate) use filed::{Filed, UNIT_NANOS};
pub(crate) use wheel::Wheel;
