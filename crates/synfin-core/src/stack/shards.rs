//! What a stack does as one of several that are one host: packets that became whole here and
//! belong elsewhere, and its part of the ports.

use alloc::collections::VecDeque;
use core::net::IpAddr;

use synfin_wire::FourTuple;

use crate::buffer::Chunk;
use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::ip::input::Packet;
use crate::shard::{Home, Shard, ShardMap};
use crate::stack::Stack;
use crate::stack::ingress::Via;
use crate::time::Instant;

/// Packets that may wait to be fetched for other shards.
const STRAYS_MAX: usize = 64;

/// The place of this stack among others.
#[derive(Debug)]
pub(super) struct Shards {
    pub(super) own: Shard,
    map: ShardMap,
    strays: VecDeque<Waiting>,
    /// Moves on with each port that is tried.
    pub(super) next_port: u32,
}

#[derive(Debug)]
struct Waiting {
    device: DeviceId,
    home: u16,
    chunk: Chunk,
}

/// A packet that came in parts and belongs to another shard.
#[derive(Debug)]
pub struct Stray<'a> {
    /// The device that received the parts.
    pub device: DeviceId,
    /// The shard to which it belongs.
    pub home: u16,
    /// The whole IP packet, without a link header.
    pub packet: &'a [u8],
}

impl Shards {
    pub(super) fn new(own: Shard, map: ShardMap) -> Self {
        Self {
            own,
            map,
            strays: VecDeque::new(),
            next_port: 0,
        }
    }

    /// Whether a connection belongs here.
    pub(super) fn is_home(&self, tuple: &FourTuple) -> bool {
        self.map.of_tuple(tuple) == self.own.index
    }
}

impl Stack {
    /// Tells where frames and connections belong; the same in all shards of a host.
    pub fn shard_map(&self) -> ShardMap {
        self.shards.map
    }

    /// The address from which a connection to `remote` would come if none is chosen.
    pub fn source_address(&mut self, remote: IpAddr) -> Option<IpAddr> {
        self.choose_local_address(remote, None).ok()
    }

    /// Hands the next packet that has become whole here and belongs to another shard to `carry`;
    /// tells whether there was one. To be asked after frames were handled; nothing else may take
    /// these packets there, and beyond 64 they are dropped with
    /// [`DropReason::HandOverFull`].
    pub fn poll_stray(&mut self, carry: impl FnOnce(Stray<'_>)) -> bool {
        let Some(waiting) = self.shards.strays.pop_front() else {
            return false;
        };
        carry(Stray {
            device: waiting.device,
            home: waiting.home,
            packet: waiting.chunk.as_slice(),
        });
        self.cx.pool.free(waiting.chunk);
        true
    }

    /// Takes a packet from the [`poll_stray`](Self::poll_stray) of another shard.
    pub fn handle_stray(&mut self, now: Instant, device: DeviceId, packet: &[u8]) {
        self.set_now(now);
        let mut chunk = self.frame_from(packet).chunk;
        match self.accept_packet(device, &mut chunk, Via::Packets) {
            Ok(packet) if packet.fragment.is_none() => {
                let fragmented = true;
                let packet = Packet {
                    fragmented,
                    ..packet
                };
                self.deliver(device, &packet, chunk);
            }
            refused => {
                let reason = refused.err().unwrap_or(DropReason::BadFragment);
                self.cx.counters.count_drop(reason);
                self.cx.pool.free(chunk);
            }
        }
    }

    /// The home of a packet that has become whole here, if it is elsewhere.
    pub(super) fn elsewhere(&self, packet: &[u8]) -> Option<u16> {
        match self.shards.map.of_packet(packet) {
            Home::One(home) if home != self.shards.own.index => Some(home),
            _ => None,
        }
    }

    /// Keeps a packet until it is fetched for its home.
    pub(super) fn hand_on(&mut self, device: DeviceId, home: u16, chunk: Chunk) {
        if self.shards.strays.len() >= STRAYS_MAX {
            self.cx.counters.count_drop(DropReason::HandOverFull);
            return self.cx.pool.free(chunk);
        }
        self.shards.strays.push_back(Waiting {
            device,
            home,
            chunk,
        });
    }

    /// Whether this stack speaks for the host on its links.
    pub(super) fn is_spokesman(&self) -> bool {
        self.shards.own.is_spokesman()
    }
}
