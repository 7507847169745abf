//! synfin-trace
