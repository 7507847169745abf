//! Buffers: chunks from a bounded pool, and queues of octets made of them.

mod chunk_list;
mod pool;

pub(crate) use chunk_list::ChunkList;
pub use chunk_list::Slices;
pub(crate) use pool::{Chunk, Pool, Pressure};
