//! `synfin demo`.
#![allow(dead_code)]
mod http;
mod program;
mod scene;
mod scenes;
use crate::args::DemoArgs;
use crate::failure::Failure;
pub(crate) fn run(_args: &DemoArgs) -> Result<(), Failure> {
    Ok(())
}
