//! Two networks on an Ethernet link, whose IPv6 configures itself.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use synfin::core::wire::MacAddress;
use synfin::core::{
    AddressOrigin, AddressState, Device, DeviceCaps, Frame, Instant, Ipv6Config, Transmit,
    TransmitOutcome,
};
use synfin::{Link, MemoryLink, Net, memory_link};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A link in memory that carries Ethernet frames.
struct Ethernet(MemoryLink, MacAddress);

impl Device for Ethernet {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps::ethernet(1500, self.1)
    }

    fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.0.receive(now, frame)
    }

    fn can_transmit(&mut self, now: Instant) -> bool {
        self.0.can_transmit(now)
    }

    fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        self.0.transmit(now, frame)
    }
}

impl Link for Ethernet {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        frame: &mut Frame,
    ) -> Poll<io::Result<()>> {
        self.0.poll_receive(cx, now, frame)
    }

    fn flush(&mut self) {
        self.0.flush();
    }
}

fn link() -> (Ethernet, Ethernet) {
    let (left, right) = memory_link(1514);
    let station = |last| MacAddress([2, 0, 0, 0, 0, last]);
    (Ethernet(left, station(1)), Ethernet(right, station(2)))
}

fn empty() -> Net {
    Net::builder().tokio_time().build().expect("a network")
}

/// Virtual time in which every address is probed.
async fn probes_end() {
    // tidy: allow(banned-word): time is tokio's and paused
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// covers: 4862-1
#[tokio::test(start_paused = true)]
async fn a_server_listens_at_once_and_is_reached_when_its_address_is_its_own() {
    let (left, right) = link();
    let (server, client) = (empty(), empty());
    let device = server.attach(left);
    server.add_address(device, "fd77::1".parse().unwrap(), 64);
    let listener = server.bind("[fd77::1]:7".parse().unwrap()).await.unwrap();
    let probed = server.ipv6_addresses(device);
    assert!(
        probed
            .iter()
            .all(|own| own.state == AddressState::Tentative)
    );

    let theirs = client.attach(right);
    client.add_address(theirs, "fd77::2".parse().unwrap(), 64);
    probes_end().await;
    let settled = server.ipv6_addresses(device);
    assert_eq!(settled.len(), 2, "given, and link-local");
    assert!(
        settled
            .iter()
            .all(|own| own.state == AddressState::Preferred)
    );
    assert!(server.ipv6_routers(device).is_empty());

    let made = settled
        .iter()
        .find(|own| own.origin == AddressOrigin::LinkLocal);
    let made = made.expect("a link-local address").addr;
    assert!(made.is_unicast_link_local());
    let to = "[fd77::1]:7".parse().unwrap();
    let (stream, taken) = tokio::join!(client.connect(to), listener.accept());
    let (mut here, peer) = taken.unwrap();
    assert_eq!(peer.ip().to_string(), "fd77::2");
    let mut there = stream.unwrap();
    there.write_all(b"word").await.unwrap();
    there.shutdown().await.unwrap();
    let mut read = String::new();
    here.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "word");
}

/// covers: 4862-1
#[tokio::test(start_paused = true)]
async fn an_address_that_the_other_has_is_a_duplicate() {
    let (left, right) = link();
    let (first, second) = (empty(), empty());
    let device = first.attach_with(left, Ipv6Config::manual());
    first.add_address(device, "fd77::1".parse().unwrap(), 64);
    assert_eq!(
        first.ipv6_addresses(device)[0].state,
        AddressState::Preferred
    );
    let theirs = second.attach(right);
    second.add_address(theirs, "fd77::1".parse().unwrap(), 64);
    probes_end().await;
    let wanted = second.ipv6_addresses(theirs);
    let wanted = wanted
        .iter()
        .find(|own| own.origin == AddressOrigin::Manual);
    assert_eq!(wanted.map(|own| own.state), Some(AddressState::Duplicate));
}
