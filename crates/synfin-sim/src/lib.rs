//! synfin-sim
