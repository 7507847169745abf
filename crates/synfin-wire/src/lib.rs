//! synfin-wire
