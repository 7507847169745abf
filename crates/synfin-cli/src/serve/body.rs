//! The body of an answer: texts and pieces of a file, in order.
//!
//! A file is read on the runtime's blocking threads, a block at a time, and never further than
//! the piece asks; a file that became shorter meanwhile ends the connection, because the promised
//! length cannot be kept.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// Octets read at a time.
const BLOCK: u64 = 256 * 1024;

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These octets.
    Text(Bytes),
    /// These octets of the file.
    Slice(Range<u64>),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Slice(range) => range.end - range.start,
        }
    }
}

/// A body of known length.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: VecDeque<Piece>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// No piece needs a file, or an error was reported.
    None,
    Idle(File),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
}

impl Pieces {
    /// A body of text.
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        let text = Piece::Text(text.into());
        Self {
            pieces: VecDeque::from([text]),
            source: Source::None,
        }
    }

    /// A body with pieces of a file.
    pub(crate) fn of_file(file: File, pieces: Vec<Piece>) -> Self {
        Self {
            pieces: pieces.into(),
            source: Source::Idle(file),
        }
    }

    /// No body at all.
    pub(crate) fn empty() -> Self {
        Self {
            pieces: VecDeque::new(),
            source: Source::None,
        }
    }

    /// Octets left.
    pub(crate) fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// The next octets; `None` at the end.
    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Source::Reading(reading) = &mut self.source {
                let read = ready!(Pin::new(reading).poll(cx));
                let (file, block) = match read.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
                {
                    Ok(read) => read,
                    Err(error) => {
                        self.source = Source::None;
                        return Poll::Ready(Some(Err(error)));
                    }
                };
                self.source = Source::Idle(file);
                self.consume(block.len() as u64);
                return Poll::Ready(Some(Ok(block)));
            }
            let Some(piece) = self.pieces.front() else {
                return Poll::Ready(None);
            };
            match piece {
                Piece::Text(_) => {
                    let Some(Piece::Text(text)) = self.pieces.pop_front() else {
                        continue;
                    };
                    return Poll::Ready(Some(Ok(text)));
                }
                Piece::Slice(range) if range.is_empty() => {
                    self.pieces.pop_front();
                }
                Piece::Slice(range) => {
                    let block = range.start..range.end.min(range.start + BLOCK);
                    match std::mem::replace(&mut self.source, Source::None) {
                        Source::Idle(file) => {
                            self.source = Source::Reading(spawn_blocking(|| read(file, block)));
                        }
                        _ => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                    }
                }
            }
        }
    }

    fn consume(&mut self, octets: u64) {
        if let Some(Piece::Slice(range)) = self.pieces.front_mut() {
            range.start += octets;
        }
    }
}

fn read(mut file: File, block: Range<u64>) -> io::Result<(File, Bytes)> {
    let len = usize::try_from(block.end - block.start).map_err(io::Error::other)?;
    let mut octets = vec![0; len];
    file.seek(SeekFrom::Start(block.start))?;
    file.read_exact(&mut octets)?;
    Ok((file, octets.into()))
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_block(cx)
            .map(|block| block.map(|block| block.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}
