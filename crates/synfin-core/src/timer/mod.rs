//! Deadlines by the million: a hierarchical wheel.

mod chunks;
mod filed;
mod wheel;

pub(crate) use filed::{Filed, UNIT_NANOS};
pub(crate) use wheel::Wheel;
