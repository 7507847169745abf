//! TCP Fast Open (RFC 7413) against a scripted peer, as server and as client.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod server;
