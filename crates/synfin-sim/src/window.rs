//! A peer that takes back what its window has promised (RFC 9293 section 3.8.6).

use crate::ecn;

/// The window field of a TCP segment.
pub(crate) fn write(packet: &mut [u8], field: u16) {
    ecn::rewrite(packet, |segment| {
        segment[14..16].copy_from_slice(&field.to_be_bytes());
    });
}
