//! TCP Fast Open (RFC 7413): text on the SYN, for peers that have proved their address before.
//!
//! The server's cookie is a keyed function of the client's address; its key follows from the time,
//! and the one before stays good, so that nothing is stored. The client keeps what it learned of a
//! peer in a bounded cache. What happens to a SYN at a listener stands in `stack/passive.rs`.
//!
//! Invariants: a child is counted at its listener exactly while it is in SYN-RECEIVED; text that
//! left on the SYN is a record of its own, behind the SYN's.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;

use synfin_wire::tcp::FastOpenCookie;

use crate::config::FastOpenConfig;
use crate::event::ListenerId;
use crate::state::State;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::segment::Seg;
use crate::tcp::tally::FastOpenResult;
use crate::time::Instant;
use crate::trace::{FastOpenEvent, LossSign, TraceEvent};

/// Room that a SYN's text leaves for options, whichever they are.
const OPTION_SPACE: u16 = 40;

/// What a connection keeps until its handshake is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// We connect: the option of our first SYN.
    Client { path: Path, option: FastOpenCookie },
    /// A listener's child, and the fresh cookie its SYN,ACK carries.
    Child {
        listener: ListenerId,
        fresh: Option<FastOpenCookie>,
    },
}

/// Between which addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
}

/// How good the cookie of a SYN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Current,
    /// Of the key before: good, and to be replaced.
    Previous,
    Bad,
}

/// Judges a cookie. covers: 7413-6
pub(crate) fn judge(cx: &Context, client: IpAddr, cookie: &FastOpenCookie) -> Standing {
    let epoch = epoch(cx);
    if *cookie == cookie_of(cx, client, epoch) {
        Standing::Current
    } else if epoch > 0 && *cookie == cookie_of(cx, client, epoch - 1) {
        Standing::Previous
    } else {
        Standing::Bad
    }
}

/// The cookie for a client. covers: 7413-6
pub(crate) fn fresh_cookie(cx: &Context, client: IpAddr) -> FastOpenCookie {
    cookie_of(cx, client, epoch(cx))
}

fn epoch(cx: &Context) -> u64 {
    let lifetime = cx.config.tcp.fast_open.key_lifetime.as_nanos().max(1);
    (u128::from(cx.now.as_nanos()) / lifetime) as u64
}

fn cookie_of(cx: &Context, client: IpAddr, epoch: u64) -> FastOpenCookie {
    let mac = cx.secrets.fast_open_mac(client, epoch);
    FastOpenCookie::new(&mac.to_be_bytes()).expect("8 octets make a cookie")
}

/// What the client has learned of its peers; the oldest makes room.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: BTreeMap<Path, Known>,
    /// In order of their first entry.
    order: VecDeque<Path>,
}

#[derive(Clone, Copy, Debug)]
enum Known {
    /// The peer's cookie, and the MSS option that came with it.
    Cookie(FastOpenCookie, Option<u16>),
    /// It does not work: not to be tried before then.
    NotBefore(Instant),
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    fn put(&mut self, path: Path, known: Known, config: &FastOpenConfig) {
        if self.entries.insert(path, known).is_none() {
            self.order.push_back(path);
        }
        while self.order.len() > config.cache as usize {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    /// The option to open with: a cookie, the request for one, or none at all.
    fn option_for(&self, path: Path, now: Instant) -> Option<FastOpenCookie> {
        match self.entries.get(&path) {
            Some(Known::Cookie(cookie, _)) => Some(*cookie),
            Some(Known::NotBefore(at)) if *at > now => None,
            _ => Some(FastOpenCookie::REQUEST),
        }
    }

    fn mss(&self, path: Path) -> Option<u16> {
        match self.entries.get(&path) {
            Some(Known::Cookie(_, mss)) => *mss,
            _ => None,
        }
    }
}

/// An application connects and wants it fast. covers: 7413-1, 7413-7
pub(crate) fn prepare(c: &mut Connection, cx: &mut Context, path: Path) {
    let Some(option) = cx.fast_open.option_for(path, cx.now) else {
        trace(c, cx, FastOpenEvent::NotTried);
        return;
    };
    c.active().fast_open = Some(Box::new(Opening::Client { path, option }));
    if option.is_request() {
        trace(c, cx, FastOpenEvent::Requested);
    }
}

/// Octets of text that leave with our first SYN. covers: 7413-7
pub(crate) fn syn_text(c: &mut Connection, cx: &mut Context) -> u32 {
    let Some(Opening::Client { path, option }) = opening(c) else {
        return 0;
    };
    if option.is_request() || c.state != State::SynSent {
        return 0;
    }
    // What the path takes is known; of the peer, what it said last time.
    let room = c
        .cold
        .path_mtu
        .current
        .saturating_sub(c.ip_header_len() + 20);
    let mss = room.min(c.effective_peer_mss(cx.fast_open.mss(path)));
    let len = c.unsent().min(u32::from(mss.saturating_sub(OPTION_SPACE)));
    trace(c, cx, FastOpenEvent::Used { len });
    len
}

/// The SYN is sent again, without text and option; the next connect is a plain one.
/// covers: 7413-7, 7413-8
pub(crate) fn on_syn_repeated(c: &mut Connection, cx: &mut Context) {
    let Some(Opening::Client { path, .. }) = opening(c) else {
        return;
    };
    c.active().fast_open = None;
    if c.state != State::SynSent {
        return; // SYNs that crossed
    }
    cx.counters.fast_open_active_fail += 1;
    c.cold.rare().fast_open = FastOpenResult::NoAnswer;
    avoid(c, cx, path, FastOpenEvent::NoAnswer);
}

fn avoid(c: &Connection, cx: &mut Context, path: Path, why: FastOpenEvent) {
    let config = cx.config.tcp.fast_open;
    let until = Known::NotBefore(cx.now + config.avoid);
    cx.fast_open.put(path, until, &config);
    trace(c, cx, why);
}

/// The option of our SYN or SYN,ACK, which only its first copy carries: whatever cannot pass
/// shall not stop the second.
pub(crate) fn option(c: &Connection) -> Option<FastOpenCookie> {
    let first = c.active.as_ref()?.send.sent.front()?.copies == 1;
    match opening(c)? {
        Opening::Client { option, .. } => Some(option).filter(|_| first),
        Opening::Child { fresh, .. } => fresh.filter(|_| first),
    }
}

/// Our SYN was answered: what the answer says of the peer is remembered. covers: 7413-7
pub(crate) fn on_syn_ack(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let Some(Opening::Client { path, option }) = opening(c) else {
        return;
    };
    let offered = seg.options.fast_open.filter(|cookie| !cookie.is_request());
    if let Some(cookie) = offered {
        let config = cx.config.tcp.fast_open;
        let known = Known::Cookie(cookie, seg.options.mss);
        cx.fast_open.put(path, known, &config);
        trace(c, cx, FastOpenEvent::Learned);
    } else if option.is_request() {
        c.cold.rare().fast_open = FastOpenResult::NoCookie;
        avoid(c, cx, path, FastOpenEvent::NotOffered);
    }
}

/// The handshake is over. Text of the SYN that was not acknowledged with it goes first, without
/// any harm to the congestion window. covers: 7413-4, 7413-9
pub(crate) fn on_established(c: &mut Connection, cx: &mut Context) {
    let client = matches!(opening(c), Some(Opening::Client { .. }));
    let sent_text = c.marks.take(Marks::SYN_TEXT);
    if client {
        c.active().fast_open = None;
    }
    if !sent_text {
        return;
    }
    let Some(active) = &mut c.active else { return };
    if active.send.sent.is_empty() {
        cx.counters.fast_open_active += 1;
        c.cold.rare().fast_open = FastOpenResult::Accepted;
        trace(c, cx, FastOpenEvent::Accepted);
        return;
    }
    active.send.mark_lost(0, LossSign::FastOpenRefused);
    c.marks.clear(Marks::HANDSHAKE_ACK);
    cx.counters.fast_open_active_fail += u64::from(client);
    let came_of = &mut c.cold.rare().fast_open;
    if *came_of == FastOpenResult::None {
        *came_of = FastOpenResult::NotTaken;
    }
    trace(c, cx, FastOpenEvent::Refused);
}

/// A child may answer before the handshake is over. covers: 7413-3
pub(crate) fn may_send_early(c: &Connection) -> bool {
    c.state == State::SynReceived
        && c.snd.nxt != c.cold.iss
        && matches!(opening(c), Some(Opening::Child { .. }))
}

/// The listener at which this connection is to be counted off, told once.
///
/// A RST gives the place back at once. RFC 7413 section 5.1 would rather hold it until the
/// SYN,ACK would have timed out: a host that shows its own good cookie under the address of
/// another one, which answers the SYN,ACK by RST, makes more children than the limit says. But
/// a cookie is good for the address it was given to only, so that this takes a host that sees
/// what is sent to that address, and a child that is gone holds no memory. What would be held is
/// the places of honest clients that gave up. covers: 7413-11
pub(crate) fn take_ended_child(c: &mut Connection) -> Option<ListenerId> {
    if c.state == State::SynReceived && !c.marks.has(Marks::OFF_WIRE) {
        return None;
    }
    match opening(c)? {
        Opening::Child { listener, .. } => {
            c.active().fast_open = None;
            Some(listener)
        }
        Opening::Client { .. } => None,
    }
}

fn opening(c: &Connection) -> Option<Opening> {
    c.active.as_ref()?.fast_open.as_deref().copied()
}

fn trace(c: &Connection, cx: &mut Context, event: FastOpenEvent) {
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::FastOpen(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    /// covers: 7413-7
    #[test]
    fn the_cache_is_bounded_and_forgets_what_does_not_work() {
        let config = FastOpenConfig {
            cache: 2,
            ..FastOpenConfig::default()
        };
        let path = |last| Path {
            local: IpAddr::from([10, 0, 0, 1]),
            remote: IpAddr::from([10, 0, 0, last]),
        };
        let cookie = FastOpenCookie::new(&[1; 8]).expect("a cookie");
        let now = Instant::from_nanos(0);
        let later = now + Duration::from_secs(1);
        let mut cache = Cache::new();
        cache.put(path(2), Known::Cookie(cookie, Some(1400)), &config);
        cache.put(path(3), Known::NotBefore(later), &config);
        assert_eq!(cache.option_for(path(2), now), Some(cookie));
        assert_eq!(cache.mss(path(2)), Some(1400));
        assert_eq!(cache.option_for(path(3), now), None);
        let request = Some(FastOpenCookie::REQUEST);
        assert_eq!(cache.option_for(path(3), later), request);
        cache.put(path(4), Known::Cookie(cookie, None), &config);
        assert_eq!(cache.option_for(path(2), now), request, "the oldest went");
        assert_eq!(cache.entries.len(), 2);
    }
}
