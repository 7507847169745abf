//! Each scene shows what its name says.
