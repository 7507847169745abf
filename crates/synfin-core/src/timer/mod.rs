//! Deadlines by the million: a hierarchical wheel.

mod wheel;

pub(crate) use wheel::Wheel;
