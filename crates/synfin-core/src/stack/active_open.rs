//! Active OPEN (RFC 9293 section 3.10.1): route, local address, port (RFC 6056) and ISS of a new
//! connection.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use synfin_wire::{FourTuple, SeqNum};

use crate::demux::{FlowKey, Place};
use crate::event::{ConnId, ConnectError};
use crate::ip::route::is_connectable;
use crate::slab::SlotId;
use crate::stack::{ConnectOptions, Stack};
use crate::state::{Cause, State};
use crate::tcp::connection::{Connection, Marks, Opening};
use crate::tcp::destination;
use crate::tcp::fast_open;
use crate::time::Instant;
use crate::trace::{Role, TraceEvent, UserCall};

/// The place of the TIME-WAIT record that has the four-tuple and gives way.
type Prior = Option<u32>;

impl Stack {
    /// Active OPEN: a SYN leaves with the next [`poll_transmit`](Self::poll_transmit).
    /// covers: ST-002, ST-003, 9293-MUST-43, 9293-MUST-44, 9293-MUST-45, 9293-MUST-46
    ///
    /// An ephemeral port is one with which the connection belongs to this shard; one that the
    /// application chose must be.
    ///
    /// # Errors
    /// When it cannot be tried at all; nothing was sent then.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        options: ConnectOptions,
    ) -> Result<ConnId, ConnectError> {
        self.set_now(now);
        if remote.port() == 0 || !is_connectable(remote.ip(), &self.tables.addresses) {
            return Err(ConnectError::InvalidRemote);
        }
        let local_ip = self.choose_local_address(remote.ip(), options.local_addr)?;
        let (device, device_mtu) = self.path_to(remote.ip()).ok_or(ConnectError::NoRoute)?;
        let (tuple, prior) = match options.local_port {
            Some(port) => self.claim_port(SocketAddr::new(local_ip, port), remote)?,
            None => self.choose_port(local_ip, remote)?,
        };
        let local = self
            .tables
            .addresses
            .intern(local_ip)
            .ok_or(ConnectError::LimitReached)?;
        let key = FlowKey::of(&tuple, local);
        let socket = options.socket.unwrap_or(self.cx.config.socket);
        let opening = Opening {
            key: key.key,
            remote_v6: key.remote_v6,
            iss: self.initial_sequence_number(&tuple, prior),
            ts_offset: self.cx.secrets.timestamp_offset(local_ip, remote.ip()),
            flow: self.cx.tracer.new_flow(),
            device,
            own_mss: self.own_mss(device, tuple.is_ipv6(), &socket),
            device_mtu,
            socket: options.socket,
        };
        let mut c = Connection::new(opening, &mut self.cx);
        destination::on_open(&mut c, &mut self.cx);
        let Ok(id) = self.tables.conns.insert(c) else {
            self.tables.addresses.release(local);
            return Err(ConnectError::LimitReached);
        };
        self.insert_flow(&tuple, Place::Conn(id.index));
        if options.fast_open {
            let path = fast_open::Path {
                local: local_ip,
                remote: remote.ip(),
            };
            let c = self.tables.conns.get_mut(id).expect("just made");
            fast_open::prepare(c, &mut self.cx, path);
        }
        self.start_active_open(id, tuple);
        Ok(ConnId(id))
    }

    fn start_active_open(&mut self, id: SlotId, tuple: FourTuple) {
        self.cx.counters.active_opens += 1;
        self.totals.enter(State::Closed);
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if self.cx.tracer.is_on() {
            self.cx.trace(
                c.cold.flow,
                TraceEvent::Opened {
                    tuple,
                    role: Role::Active,
                },
            );
            self.cx.trace(c.cold.flow, TraceEvent::Call(UserCall::Open));
        }
        c.marks.set(Marks::ACTIVE_OPEN.or(Marks::SEND_SYN));
        c.transition(&mut self.cx, Cause::ActiveOpen);
        self.settle(id);
    }

    pub(super) fn choose_local_address(
        &mut self,
        remote: IpAddr,
        wanted: Option<IpAddr>,
    ) -> Result<IpAddr, ConnectError> {
        let addresses = &self.tables.addresses;
        match wanted {
            Some(addr) if addr.is_ipv4() == remote.is_ipv4() && addresses.is_own(addr) => Ok(addr),
            Some(_) => Err(ConnectError::AddressNotAvailable),
            // An own address is reached from itself.
            None if addresses.is_own(remote) => Ok(remote),
            None => self
                .routes
                .source_for(remote, addresses)
                .ok_or(ConnectError::NoRoute),
        }
    }

    /// A port that the application chose. TIME-WAIT gives way if its timestamp is old enough that
    /// the new incarnation's segments cannot be taken for old ones. covers: ST-1008
    fn claim_port(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(FourTuple, Prior), ConnectError> {
        let tuple = FourTuple { local, remote };
        if local.port() == 0 {
            return self.choose_port(local.ip(), remote);
        }
        if !self.shards.is_home(&tuple) {
            return Err(ConnectError::OtherShard);
        }
        match self.find_flow(&tuple) {
            None => Ok((tuple, None)),
            Some(Place::TimeWait(index)) if self.may_reuse(index) => Ok((tuple, Some(index))),
            Some(_) => Err(ConnectError::AddressInUse),
        }
    }

    /// RFC 6056 section 3.3.4: a keyed offset for each destination, and a counter that moves on.
    /// One round over the range, and where nothing is free what TIME-WAIT gives back.
    /// covers: 6056-1 to 6056-6, BUG-22, ATT-12
    fn choose_port(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
    ) -> Result<(FourTuple, Prior), ConnectError> {
        let (low, high) = self.cx.config.ephemeral_ports;
        let range = u32::from(high - low) + 1;
        let offset = self.cx.secrets.port_offset(local, remote);
        let mut reusable = None;
        for _ in 0..range {
            let step = self.shards.next_port;
            self.shards.next_port = step.wrapping_add(1);
            self.cx.counters.ports_tried += 1;
            let port = low + (offset.wrapping_add(step) % range) as u16;
            let tuple = FourTuple {
                local: SocketAddr::new(local, port),
                remote,
            };
            if !self.shards.is_home(&tuple) {
                continue;
            }
            match self.find_flow(&tuple) {
                None if !self.listener_index.has_port(port) => {
                    return Ok((tuple, None));
                }
                Some(Place::TimeWait(index)) if reusable.is_none() && self.may_reuse(index) => {
                    reusable = Some((tuple, Some(index)));
                }
                _ => {}
            }
        }
        reusable.ok_or(ConnectError::NoPort)
    }

    fn may_reuse(&self, index: u32) -> bool {
        let records = &self.tables.time_wait;
        let Some(record) = records.id_at(index).and_then(|id| records.get(id)) else {
            return false;
        };
        let entered = record.deadline - self.cx.config.tcp.patience.time_wait;
        let age = self.cx.now.saturating_duration_since(entered);
        record.ts_recent.is_some() && age > Duration::from_secs(1)
    }

    /// The ISS; a TIME-WAIT record that stands in the way goes, and the numbers begin beyond its.
    fn initial_sequence_number(&mut self, tuple: &FourTuple, prior: Prior) -> SeqNum {
        let iss = self.cx.secrets.isn(tuple, self.cx.now);
        let Some(index) = prior else { return iss };
        let records = &self.tables.time_wait;
        let Some(id) = records.id_at(index) else {
            return iss;
        };
        let iss = records.get(id).map_or(iss, |record| record.iss_after(iss));
        self.cx.counters.time_wait_recycled += 1;
        self.end_time_wait(id, Cause::Reopened);
        iss
    }
}
