//! The `synfin` command.
fn main() {}
