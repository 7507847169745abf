//! Async TCP sockets on a stack in this process, with the names and the meaning of `tokio::net`.
//!
//! [`Net`] is the stack with its links; [`TcpListener`] and [`TcpStream`] are made from it. Code
//! that is generic over `AsyncRead` and `AsyncWrite` runs on them unchanged, and so do hyper and
//! axum. The protocol is in [`synfin-core`](synfin_core), re-exported as [`core`]; here are locks,
//! wakers and errors of `std::io`.
//!
//! | feature | what |
//! |---|---|
//! | `tun` | networks over a TUN device |
//! | `axum` | `axum::serve` takes a [`TcpListener`] |
//! | `hyper` | a connector for hyper's clients |
//!
//! ```
//! use synfin::{Net, memory_link};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (left, right) = memory_link(1500);
//! let server = Net::builder().link(left).address("fd77::1/64").build()?;
//! let client = Net::builder().link(right).address("fd77::2/64").build()?;
//!
//! let listener = server.bind("[fd77::1]:7".parse()?).await?;
//! tokio::spawn(async move {
//!     let (stream, _peer) = listener.accept().await?;
//!     let (mut read, mut write) = stream.into_split();
//!     tokio::io::copy(&mut read, &mut write).await // echo, and FIN when `write` is dropped
//! });
//!
//! let mut stream = client.connect("[fd77::1]:7".parse()?).await?;
//! stream.write_all(b"there and back").await?;
//! stream.shutdown().await?;
//! let mut echo = Vec::new();
//! stream.read_to_end(&mut echo).await?;
//! assert_eq!(echo, b"there and back");
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "axum")]
mod axum;
mod clock;
mod driver;
mod error;
mod group;
mod host;
#[cfg(feature = "hyper")]
mod hyper;
mod link;
mod listener;
mod net;
mod port;
mod socket;
mod stream;
mod timer;
#[cfg(all(feature = "tun", target_os = "linux"))]
mod tun;
mod wait;
#[cfg(target_os = "linux")]
mod watch;

pub use synfin_core as core;
pub use synfin_core::{
    CloseReason, ConnectOptions, ConnectionInfo, KeepAlive, ListenAddr, ListenOptions, Memory,
    Profile, SocketOptions, StackConfig, State, TcpInfo, UserTimeout,
};

pub use crate::driver::Driver;
pub use crate::error::Ended;
pub use crate::group::HandOver;
#[cfg(feature = "hyper")]
pub use crate::hyper::{Addresses, Connector};
pub use crate::link::{Link, MemoryLink, memory_link};
pub use crate::listener::TcpListener;
pub use crate::net::{Net, NetBuilder};
pub use crate::stream::{
    OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpStream, WriteHalf,
};
