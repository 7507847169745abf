//! synfin-core
