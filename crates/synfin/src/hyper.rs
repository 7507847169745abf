//! A connector for the clients of hyper-util.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::error;
use crate::net::Net;
use crate::stream::TcpStream;

/// Connects to the server that a URI names, over a [`Net`].
///
/// ```
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use synfin::{Connector, Net};
///
/// # fn client(net: Net) -> Client<Connector, String> {
/// Client::builder(TokioExecutor::new()).build(Connector::new(net))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    net: Net,
    server: Option<SocketAddr>,
}

impl Connector {
    /// The host of a URI must be an address: names are not resolved.
    pub fn new(net: Net) -> Self {
        Self { net, server: None }
    }

    /// Whatever the URI says, the server is this one.
    pub fn to(net: Net, server: SocketAddr) -> Self {
        Self {
            net,
            server: Some(server),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let net = self.net.clone();
        let server = self.server.map_or_else(|| server_of(&uri), Ok);
        Box::pin(async move { Ok(TokioIo::new(net.connect(server?).await?)) })
    }
}

impl Connection for TcpStream {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        match (self.local_addr(), self.peer_addr()) {
            (Ok(local), Ok(remote)) => connected.extra(Addresses { local, remote }),
            _ => connected,
        }
    }
}

/// The two ends of the connection that a response came over; in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The own end.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

fn server_of(uri: &Uri) -> io::Result<SocketAddr> {
    let host = uri
        .host()
        .ok_or_else(|| error::invalid("the URI names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip: IpAddr = host.parse().map_err(|_| {
        error::invalid(format!(
            "{host} is not an address, and names are not resolved"
        ))
    })?;
    let port = uri.port_u16().or(match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    });
    let port = port.ok_or_else(|| error::invalid("the URI names no port"))?;
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::server_of;

    #[test]
    fn the_server_of_a_uri() {
        let server = |uri: &str| server_of(&uri.parse().unwrap()).map(|addr| addr.to_string());
        assert_eq!(server("http://10.0.0.1/x").unwrap(), "10.0.0.1:80");
        assert_eq!(server("http://[fd77::1]:8080/").unwrap(), "[fd77::1]:8080");
        assert_eq!(server("https://10.0.0.1/").unwrap(), "10.0.0.1:443");
        assert!(server("http://example.org/").is_err());
        assert!(server("/only/a/path").is_err());
    }
}
