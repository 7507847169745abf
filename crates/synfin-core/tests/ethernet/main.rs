//! Ethernet devices, frame by frame: a stack on one, and neighbours that are octets.

mod arp;
mod discovery;
mod floods;
mod frames;
mod link;
