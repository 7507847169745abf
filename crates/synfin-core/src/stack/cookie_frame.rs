//! The packet of a SYN,ACK with a cookie, written in one go: under a flood nothing else is sent as
//! often. It has nothing that the general way of `egress` would not write, in the same order; what
//! is rare (user timeout, counters of accurate ECN, traces) goes that way.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_wire::{Flags, Timestamps, protocol};

use crate::replies::CookieReply;

/// What the packet says besides its cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) cookie: &'a CookieReply,
    pub(super) flags: Flags,
    pub(super) wnd: u16,
    pub(super) window_scale: Option<u8>,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    /// IPv6 only.
    pub(super) flow_label: u32,
}

/// An IPv6 header, a TCP header and the options.
pub(super) const LONGEST: usize = 40 + 20 + 20;

/// Writes the packet and tells its length. Addresses of two families cannot meet here.
pub(super) fn write(frame: &Frame<'_>, to: &mut [u8; LONGEST]) -> usize {
    let tuple = &frame.cookie.tuple;
    match (tuple.local.ip(), tuple.remote.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let (ip, segment) = to.split_at_mut(20);
            let len = write_segment(frame, segment);
            write_v4(frame, src, dst, len, ip);
            let pseudo = sum(&ip[12..20]);
            seal(segment, len, pseudo);
            20 + len
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let (ip, segment) = to.split_at_mut(40);
            let len = write_segment(frame, segment);
            write_v6(frame, src, dst, len, ip);
            let pseudo = sum(&ip[8..40]);
            seal(segment, len, pseudo);
            40 + len
        }
        _ => {
            debug_assert!(false, "{tuple} is of two families");
            0
        }
    }
}

fn write_v4(frame: &Frame<'_>, src: Ipv4Addr, dst: Ipv4Addr, len: usize, to: &mut [u8]) {
    let total = 20 + len as u16;
    to[..2].copy_from_slice(&[0x45, frame.tos]);
    to[2..4].copy_from_slice(&total.to_be_bytes());
    // No identification, DF.
    to[4..8].copy_from_slice(&[0, 0, 0x40, 0]);
    to[8..12].copy_from_slice(&[frame.ttl, protocol::TCP, 0, 0]);
    to[12..16].copy_from_slice(&src.octets());
    to[16..20].copy_from_slice(&dst.octets());
    let checksum = !fold(sum(&to[..20]));
    to[10..12].copy_from_slice(&checksum.to_be_bytes());
}

fn write_v6(frame: &Frame<'_>, src: Ipv6Addr, dst: Ipv6Addr, len: usize, to: &mut [u8]) {
    let first = 6 << 28 | u32::from(frame.tos) << 20 | frame.flow_label;
    to[..4].copy_from_slice(&first.to_be_bytes());
    to[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    to[6..8].copy_from_slice(&[protocol::TCP, frame.ttl]);
    to[8..24].copy_from_slice(&src.octets());
    to[24..40].copy_from_slice(&dst.octets());
}

/// MSS, SACK permitted, timestamps, NOP, window scale: the order of every SYN of ours. Without
/// timestamps a cookie offers the MSS alone.
fn write_segment(frame: &Frame<'_>, to: &mut [u8]) -> usize {
    let cookie = frame.cookie;
    let [mss_high, mss_low] = cookie.own_mss.to_be_bytes();
    to[20..24].copy_from_slice(&[2, 4, mss_high, mss_low]);
    let mut len = 24;
    if let Some(timestamps) = cookie.baked.timestamps {
        let sack = cookie.baked.offer.sack;
        write_timestamps(timestamps, sack, &mut to[len..len + 12]);
        len += 12;
    }
    if let Some(shift) = frame.window_scale {
        to[len..len + 4].copy_from_slice(&[1, 3, 3, shift]);
        len += 4;
    }
    let offset = (len as u16 / 4) << 12 | frame.flags.bits();
    to[..2].copy_from_slice(&cookie.tuple.local.port().to_be_bytes());
    to[2..4].copy_from_slice(&cookie.tuple.remote.port().to_be_bytes());
    to[4..8].copy_from_slice(&cookie.baked.iss.raw().to_be_bytes());
    to[8..12].copy_from_slice(&(cookie.irs + 1).raw().to_be_bytes());
    to[12..14].copy_from_slice(&offset.to_be_bytes());
    to[14..16].copy_from_slice(&frame.wnd.to_be_bytes());
    to[16..20].fill(0);
    len
}

fn write_timestamps(timestamps: Timestamps, sack: bool, to: &mut [u8]) {
    let head = if sack { [4, 2, 8, 10] } else { [1, 1, 8, 10] };
    to[..4].copy_from_slice(&head);
    to[4..8].copy_from_slice(&timestamps.val.to_be_bytes());
    to[8..12].copy_from_slice(&timestamps.ecr.to_be_bytes());
}

fn seal(segment: &mut [u8], len: usize, pseudo: u64) {
    let pseudo = pseudo + u64::from(protocol::TCP) + len as u64;
    let checksum = !fold(pseudo + sum(&segment[..len]));
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
}

/// The sum of octets whose number is a multiple of four, as 32-bit words: 2^16 counts as one.
fn sum(octets: &[u8]) -> u64 {
    let words = octets.chunks_exact(4);
    words
        .map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]])))
        .sum()
}

/// Adds the carries until 16 bits are left. At most twenty words and the pseudo-header came in.
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}
