//! Ethernet devices, frame by frame: a stack on one, and neighbours that are octets.

mod addresses;
mod advertised;
mod arp;
mod discovery;
mod floods;
mod frames;
mod link;
mod listeners;
mod nonsense;
mod redirects;
mod routers;
