//! Synfin's ends: a stack on a TUN device, as any program would have it.

use std::io;
use std::net::Ipv4Addr;

use synfin_core::{
    ConnectOptions, Event, ListenAddr, ListenOptions, Memory, RecvOutcome, Route, SendOutcome,
    Stack, StackConfig,
};
use synfin_device::{Pump, Tun};
use synfin_sim::Random;

use super::super::args::Controller;
use super::super::engine::BUFFER;
use super::run::Progress;
use super::space::Side;
use super::text::Text;
use super::{LOOK_AGAIN, PORT};

/// A stack with the device that it stands on.
pub(super) struct End {
    stack: Stack,
    pump: Pump<Tun>,
}

impl End {
    /// With its addresses; what it sends to others goes by way of the kernel.
    pub(super) fn new(side: Side, cc: Controller, seed: u64, tun: Tun) -> io::Result<Self> {
        let mut config = StackConfig::default();
        config.tcp.congestion = cc.name();
        config.socket.send_buffer = (BUFFER as u32).into();
        config.socket.recv_buffer = (BUFFER as u32).into();
        let seed = Random::part(seed, 2 + side as u64).seed();
        let stack = Stack::new(config, Memory::default(), seed);
        let mut stack = stack.map_err(io::Error::other)?;
        let pump = Pump::new(&mut stack, tun);
        stack.add_address(pump.id(), side.synfin().into(), 24);
        stack.add_route(Route::default_via(side.gateway().into(), pump.id()));
        Ok(Self { stack, pump })
    }

    /// Sends for as long as the run lasts. Returns the retransmission timeouts.
    pub(super) fn send(mut self, remote: Ipv4Addr, progress: &Progress) -> io::Result<u64> {
        let now = self.pump.clock().now();
        let remote = (remote, PORT).into();
        let opened = self.stack.connect(now, remote, ConnectOptions::default());
        opened.map_err(io::Error::other)?;
        let mut text = Text::new();
        self.drive(progress, |stack, event| {
            match event {
                Event::Connected(id) | Event::Writable(id) => {
                    let Some(mut conn) = stack.conn_mut(id) else {
                        return Ok(());
                    };
                    while let Ok(SendOutcome::Queued(len)) = conn.send(&[text.next()]) {
                        text.advance(len);
                    }
                }
                Event::Closed { reason, .. } => {
                    return Err(io::Error::other(format!("synfin sends: {reason:?}")));
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(self.stack.counters().timeouts)
    }

    /// Makes it possible to connect.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        let addr = ListenAddr::port(PORT);
        let listening = self.stack.listen(addr, ListenOptions::default());
        listening.map(drop).map_err(io::Error::other)
    }

    /// Reads for as long as the run lasts.
    pub(super) fn receive(mut self, progress: &Progress) -> io::Result<()> {
        let mut text = Text::new();
        let mut room = vec![0; 65_536];
        self.drive(progress, |stack, event| {
            let id = match event {
                Event::Acceptable(listener) => stack.accept(listener),
                Event::Readable(id) => Some(id),
                Event::Closed { reason, .. } => {
                    return Err(io::Error::other(format!("synfin receives: {reason:?}")));
                }
                _ => None,
            };
            let Some(mut conn) = id.and_then(|id| stack.conn_mut(id)) else {
                return Ok(());
            };
            while let Ok(RecvOutcome::Data(len)) = conn.recv(&mut room) {
                progress.read(&mut text, &room[..len])?;
            }
            Ok(())
        })
    }

    fn drive(
        &mut self,
        progress: &Progress,
        mut application: impl FnMut(&mut Stack, Event) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut outcome = Ok(());
        while outcome.is_ok() && !progress.is_over() {
            let deadline = self.pump.step(&mut self.stack, |stack, event| {
                let done = application(stack, event);
                if outcome.is_ok() {
                    outcome = done;
                }
            });
            let look_again = self.pump.clock().now() + LOOK_AGAIN;
            let deadline = deadline.map_or(look_again, |deadline| deadline.min(look_again));
            self.pump.wait(Some(deadline), &[])?;
        }
        outcome
    }
}
