//! Two stacks of synfin, joined in memory.

use std::io;
use std::net::SocketAddr;

use synfin::{Net, memory_link};
pub(crate) use synfin::{TcpListener, TcpStream};

#[path = "cases.rs"]
mod cases;

pub(crate) struct Backend {
    server: Net,
    client: Net,
}

impl Backend {
    pub(crate) const FOREIGN: &str = "192.0.2.1:0";
    pub(crate) const LOCAL: &str = "10.0.0.1:0";

    pub(crate) fn new() -> Self {
        let (left, right) = memory_link(1500);
        Self {
            server: Net::builder()
                .link(left)
                .address("10.0.0.1/24")
                .build()
                .unwrap(),
            client: Net::builder()
                .link(right)
                .address("10.0.0.2/24")
                .build()
                .unwrap(),
        }
    }

    pub(crate) async fn bind(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        self.server.bind(addr).await
    }

    pub(crate) async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        self.client.connect(addr).await
    }
}
