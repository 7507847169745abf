//! Buffers: chunks from a bounded pool, and queues of octets made of them.

mod chunk_list;
mod owned;
mod pool;
mod slices;

pub(crate) use chunk_list::ChunkList;
pub use owned::Buffer;
pub(crate) use pool::{Chunk, Pool, Pressure};
pub use slices::Slices;
