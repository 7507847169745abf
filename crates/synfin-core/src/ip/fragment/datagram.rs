//! One datagram of which parts have come, and what becomes of them.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use synfin_wire::checksum::Sum;
use synfin_wire::extension::FRAGMENT_HEADER_LEN;
use synfin_wire::{ipv4, ipv6};

use super::marks::MarksSeen;
use crate::buffer::{Chunk, Pool};
use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::ip::input::Packet;
use crate::tcp::ecn::IpEcn;
use crate::time::Instant;

/// The longest packet: what its length field can say, beside the fixed header for IPv6.
const LONGEST: usize = 65_535;

/// Which parts belong together. covers: 791-2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    /// 0 for IPv6, where each part may name another header.
    pub(crate) protocol: u8,
    pub(crate) id: u32,
}

/// A part of a datagram, as its packet tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) key: Key,
    pub(crate) device: DeviceId,
    /// Where it belongs, in octets, and where it ends.
    from: u32,
    to: u32,
    /// This is not the last one.
    more: bool,
    ecn: IpEcn,
    /// Where it starts in its packet.
    start: usize,
}

impl Part {
    /// `None` if the packet is whole.
    pub(crate) fn of(packet: &Packet, device: DeviceId) -> Option<Self> {
        let fragment = packet.fragment?;
        let v4 = packet.src.is_ipv4();
        let from = u32::from(fragment.offset);
        Some(Self {
            key: Key {
                src: packet.src,
                dst: packet.dst,
                protocol: if v4 { packet.protocol } else { 0 },
                id: fragment.id,
            },
            device,
            from,
            to: from + packet.payload_len as u32,
            more: fragment.more,
            ecn: IpEcn::of(packet.tos),
            start: packet.payload_start,
        })
    }

    /// Cuts off what is not kept: padding, and headers but those of the first part.
    pub(super) fn trim(&self, chunk: &mut Chunk) {
        chunk.truncate(self.start + (self.to - self.from) as usize);
        if self.from > 0 {
            chunk.trim_front(self.start);
        }
    }

    /// Octets before its own in its chunk.
    fn head(&self) -> usize {
        if self.from > 0 { 0 } else { self.start }
    }
}

/// A part that is kept.
#[derive(Debug)]
struct Piece {
    chunk: Chunk,
    /// Octets of headers before those of the part: in the first one.
    head: usize,
}

impl Piece {
    fn octets(&self) -> &[u8] {
        &self.chunk.as_slice()[self.head..]
    }
}

/// Parts of a datagram, in order, none over another.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) key: Key,
    /// Over which the first of them came.
    pub(crate) device: DeviceId,
    /// When it did.
    pub(super) began: Instant,
    pieces: BTreeMap<u32, Piece>,
    /// Octets of all of them.
    have: u32,
    /// Where the last part ends, once it has come.
    end: Option<u32>,
    /// What the chunks cost.
    cost: usize,
    marks: MarksSeen,
    /// Nothing more is taken of it, and why.
    spoiled: Option<DropReason>,
}

impl Datagram {
    pub(super) fn new(part: &Part, now: Instant) -> Self {
        Self {
            key: part.key,
            device: part.device,
            began: now,
            pieces: BTreeMap::new(),
            have: 0,
            end: None,
            cost: 0,
            marks: MarksSeen::default(),
            spoiled: None,
        }
    }

    /// Number of parts.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(crate) fn is_spoiled(&self) -> bool {
        self.spoiled.is_some()
    }

    /// Whether a part can be taken; it looks at its neighbours only.
    /// covers: 791-5, 8200-8, 815-1, ATT-58
    pub(super) fn judge(&self, part: &Part, chunk: &[u8], most: usize) -> Result<(), DropReason> {
        if let Some(reason) = self.spoiled {
            return Err(reason);
        }
        let before = self.pieces.range(..=part.from).next_back();
        if let Some((from, piece)) = before {
            let same = *from == part.from && piece.octets() == &chunk[part.head()..];
            let is_last = self.end == Some(part.to);
            if same && is_last != part.more {
                return Err(DropReason::FragmentDuplicate);
            }
            if from + piece.octets().len() as u32 > part.from {
                return Err(DropReason::FragmentOverlap);
            }
        }
        let behind = self.pieces.range(part.from..).next();
        let overlaps = behind.is_some_and(|(from, _)| *from < part.to);
        if overlaps || self.contradicts_end(part) {
            return Err(DropReason::FragmentOverlap);
        }
        if self.pieces.len() >= most {
            return Err(DropReason::FragmentLimit);
        }
        Ok(())
    }

    /// There is one last part, and nothing behind it.
    fn contradicts_end(&self, part: &Part) -> bool {
        let beyond = self.end.is_some_and(|end| part.to > end);
        // A second end is before the first one, so that what ends there is behind it.
        let behind = self.pieces.last_key_value();
        let not_last = !part.more && behind.is_some_and(|(from, _)| *from >= part.to);
        beyond || not_last
    }

    /// Keeps a part that was judged.
    pub(super) fn insert(&mut self, part: &Part, chunk: Chunk) {
        self.have += part.to - part.from;
        self.cost += chunk.capacity();
        self.marks.note(part.ecn);
        if !part.more {
            self.end = Some(part.to);
        }
        let head = part.head();
        self.pieces.insert(part.from, Piece { chunk, head });
    }

    /// All octets up to the end are there: none is there twice, and none behind it.
    pub(super) fn is_whole(&self) -> bool {
        self.end == Some(self.have)
    }

    pub(super) fn spoil(&mut self, pool: &mut Pool, reason: DropReason) {
        self.spoiled = Some(reason);
        self.cost = 0;
        for piece in core::mem::take(&mut self.pieces).into_values() {
            pool.free(piece.chunk);
        }
    }

    pub(super) fn discard(mut self, pool: &mut Pool) {
        self.spoil(pool, DropReason::ReassemblyTimeout);
    }

    /// The packet of the first part, if it has come: what an error may be about.
    pub(crate) fn first_packet(&self) -> Option<&[u8]> {
        Some(self.pieces.get(&0)?.chunk.as_slice())
    }

    /// The packet that was cut into parts, with the headers of the first one.
    ///
    /// # Errors
    /// It would be too long, or its marks contradict each other.
    pub(super) fn join(self, pool: &mut Pool) -> Result<Chunk, DropReason> {
        let joined = self.try_join(pool);
        self.discard(pool);
        joined
    }

    fn try_join(&self, pool: &mut Pool) -> Result<Chunk, DropReason> {
        // covers: 3168-11
        let ecn = self.marks.join().ok_or(DropReason::FragmentMarks)?;
        let first = self.pieces.get(&0).ok_or(DropReason::BadFragment)?;
        let v4 = self.key.src.is_ipv4();
        let head = match v4 {
            true => first.head,
            false => first.head - FRAGMENT_HEADER_LEN,
        };
        let len = head + self.have as usize;
        // Another part may have told less of what stands before. covers: 791-3, 8200-7
        let longest = if v4 {
            LONGEST
        } else {
            LONGEST + ipv6::HEADER_LEN
        };
        if len > longest {
            return Err(DropReason::BadFragment);
        }
        let mut whole = pool.alloc_frame(len);
        whole.set_len(len);
        let octets = whole.as_mut_slice();
        octets[..head].copy_from_slice(&first.chunk.as_slice()[..head]);
        let mut at = head;
        for piece in self.pieces.values() {
            let part = piece.octets();
            octets[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        if v4 {
            finish_v4(octets, head, ecn);
        } else {
            let next_header = first.chunk.as_slice()[head];
            finish_v6(octets, head, next_header, ecn);
        }
        Ok(whole)
    }
}

/// Makes the header of a part that of the whole packet.
fn finish_v4(packet: &mut [u8], head: usize, ecn: IpEcn) {
    debug_assert!(head >= ipv4::HEADER_LEN, "it was parsed");
    // `try_join` has looked at the length.
    let len = packet.len() as u16;
    let header = &mut packet[..head];
    header[1] = header[1] & !3 | ecn.bits();
    header[2..4].copy_from_slice(&len.to_be_bytes());
    header[6..8].fill(0);
    header[10..12].fill(0);
    let mut sum = Sum::new();
    sum.add(header);
    header[10..12].copy_from_slice(&sum.finish().to_be_bytes());
}

/// The same; the header before the fragment header names now what that one has named.
fn finish_v6(packet: &mut [u8], head: usize, next_header: u8, ecn: IpEcn) {
    let payload_len = (packet.len() - ipv6::HEADER_LEN) as u16;
    packet[4..6].copy_from_slice(&payload_len.to_be_bytes());
    packet[1] = packet[1] & !0x30 | ecn.bits() << 4;
    let (mut names, mut at) = (6, ipv6::HEADER_LEN);
    // The chain was walked when the part came, so that each header fits.
    while at < head {
        names = at;
        at += 8 + usize::from(packet[at + 1]) * 8;
    }
    packet[names] = next_header;
}
