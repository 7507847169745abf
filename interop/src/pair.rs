//! A connection with synfin at one end and a socket of the kernel at the other.

use std::net::{SocketAddr, TcpListener, TcpStream};

use socket2::SockRef;
use synfin_core::State;

use crate::Family;
use crate::host::{Host, synfin_addr};
use crate::kernel::{self, PATIENCE};
use crate::socket::Socket;

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Synfin listens, the kernel connects.
    Accepts,
    /// The kernel listens, synfin connects.
    Connects,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Accepts, Self::Connects];

    /// As part of a test's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepts => "synfin_accepts",
            Self::Connects => "synfin_connects",
        }
    }
}

/// Both ends of an established connection.
pub struct Pair<'h> {
    /// Synfin's.
    pub ours: Socket<'h>,
    /// The kernel's.
    pub theirs: TcpStream,
    kernel: SocketAddr,
    synfin: SocketAddr,
}

impl<'h> Pair<'h> {
    /// Opens a connection.
    ///
    /// # Panics
    /// When it does not come about.
    pub fn open(host: &'h Host, role: Role, family: Family) -> Self {
        let (ours, theirs) = match role {
            Role::Accepts => {
                let listener = host.listen(7000);
                let addr = synfin_addr(family, 7000);
                let theirs = TcpStream::connect_timeout(&addr, PATIENCE).expect("synfin accepts");
                (Socket::accept(host, listener), theirs)
            }
            Role::Connects => {
                let listener = TcpListener::bind((family.kernel(), 0)).expect("a free port");
                let addr = listener
                    .local_addr()
                    .expect("a bound socket has an address");
                let ours = Socket::connect(host, addr);
                ours.wait_for_state(State::Established);
                let (theirs, _) = listener.accept().expect("the handshake is done");
                (ours, theirs)
            }
        };
        theirs
            .set_read_timeout(Some(PATIENCE))
            .expect("a limit is set");
        theirs
            .set_write_timeout(Some(PATIENCE))
            .expect("a limit is set");
        let (kernel, synfin) = (ours.remote(), ours.local());
        assert_eq!(theirs.local_addr().ok(), Some(kernel));
        assert_eq!(theirs.peer_addr().ok(), Some(synfin));
        Self {
            ours,
            theirs,
            kernel,
            synfin,
        }
    }

    /// What the kernel calls this connection, after either end was given away too.
    pub fn view(&self) -> View {
        View {
            kernel: self.kernel,
            synfin: self.synfin,
        }
    }
}

/// The kernel's view of a connection.
#[derive(Clone, Copy, Debug)]
pub struct View {
    kernel: SocketAddr,
    synfin: SocketAddr,
}

impl View {
    /// Waits until `ss` shows the connection in a state.
    pub fn wait_for(self, state: &str) {
        kernel::wait_for_state(self.kernel, self.synfin, Some(state));
    }

    /// Waits until the kernel has no such connection.
    pub fn wait_until_gone(self) {
        kernel::wait_for_state(self.kernel, self.synfin, None);
    }
}

/// Lets the kernel end a connection by RST when its socket is dropped.
///
/// # Panics
/// When the kernel refuses.
pub fn reset_on_close(stream: &TcpStream) {
    let linger = Some(std::time::Duration::ZERO);
    SockRef::from(stream)
        .set_linger(linger)
        .expect("linger can be set");
}
