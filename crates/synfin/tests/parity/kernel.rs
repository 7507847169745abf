//! The kernel's stack over its loopback.

use std::io;
use std::net::SocketAddr;

pub(crate) use tokio::net::{TcpListener, TcpStream};

#[path = "cases.rs"]
mod cases;

pub(crate) struct Backend;

impl Backend {
    pub(crate) const FOREIGN: &str = "192.0.2.1:0";
    pub(crate) const LOCAL: &str = "127.0.0.1:0";

    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) async fn bind(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(addr).await
    }

    pub(crate) async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(addr).await
    }
}
