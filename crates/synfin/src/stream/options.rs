//! Options of a connection: those of `tokio::net::TcpStream`, and those that `socket2` would set
//! on a descriptor.

use std::io;
use std::time::Duration;

use synfin_core::{KeepAlive, SocketOptions, UserTimeout};

use super::TcpStream;
use crate::error;

impl TcpStream {
    /// Whether Nagle's algorithm is off.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.socket.options().nodelay)
    }

    /// Switches Nagle's algorithm off, or on again.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.change(|options| options.nodelay = nodelay)
    }

    /// Time to live, or hop limit, of what is sent.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.socket.options().ttl.into())
    }

    /// Sets the time to live, or hop limit.
    ///
    /// # Errors
    /// `InvalidInput` unless it is from 1 to 255.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let ttl = u8::try_from(ttl).map_err(|_| error::invalid("ttl must not exceed 255"))?;
        self.socket.change(|options| options.ttl = ttl)
    }

    /// What dropping does: `None` leaves the rest to the stack.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.linger())
    }

    /// What dropping does: zero sends RST; a longer time lets the stack finish within it, and then
    /// it sends RST. Dropping does not block.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger);
        Ok(())
    }

    /// Dropping sends RST.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// How the peer is asked for signs of life, if it is.
    pub fn keepalive(&self) -> Option<KeepAlive> {
        self.socket.options().keep_alive
    }

    /// Switches keep-alive on or off (RFC 9293 section 3.8.4).
    ///
    /// # Errors
    /// `InvalidInput` for a value out of its range.
    pub fn set_keepalive(&self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.socket
            .change(|options| options.keep_alive = keep_alive)
    }

    /// How long text may stay unacknowledged.
    pub fn user_timeout(&self) -> UserTimeout {
        self.socket.options().user_timeout
    }

    /// Sets how long text may stay unacknowledged (RFC 9293 section 3.8.3).
    ///
    /// # Errors
    /// None as yet.
    pub fn set_user_timeout(&self, timeout: UserTimeout) -> io::Result<()> {
        self.socket.change(|options| options.user_timeout = timeout)
    }

    /// All options.
    pub fn options(&self) -> SocketOptions {
        self.socket.options()
    }

    /// Sets all options.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of its range; nothing is changed then.
    pub fn set_options(&self, options: SocketOptions) -> io::Result<()> {
        self.socket.change(|old| *old = options)
    }
}
