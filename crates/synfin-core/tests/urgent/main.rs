//! Urgent text (RFC 9293 section 3.8.5, RFC 6093) against a scripted peer.

#[path = "../support/mod.rs"]
mod support;

mod arriving;
mod leaving;
