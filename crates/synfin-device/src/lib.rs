//! synfin-device
