//! `axum::serve` on a [`TcpListener`].

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;

use crate::listener::TcpListener;
use crate::stream::TcpStream;

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    /// The next connection. Without a driver there will be none, ever.
    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        match Self::accept(self).await {
            Ok(accepted) => accepted,
            Err(_) => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}
