//! What synfin's sockets do that a kernel's loopback cannot show: cancelled calls at every moment,
//! ends that vanish, and hours of virtual time.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use synfin::core::SoftError;
use synfin::{
    CloseReason, ConnectOptions, Ended, KeepAlive, ListenAddr, ListenOptions, MemoryLink, Net,
    State, TcpListener, TcpStream,
};
use synfin::{UserTimeout, memory_link};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

const SERVER: [&str; 2] = ["10.0.0.1:7", "[fd77::1]:7"];
const NOBODY: [&str; 2] = ["10.0.0.9:7", "[fd77::9]:7"];

fn build(link: MemoryLink, host: u8, tokio_time: bool) -> Net {
    let builder = Net::builder();
    let builder = if tokio_time {
        builder.tokio_time()
    } else {
        builder
    };
    let (v4, v6) = (format!("10.0.0.{host}/24"), format!("fd77::{host}/64"));
    builder
        .link(link)
        .address(&v4)
        .address(&v6)
        .build()
        .unwrap()
}

/// A server's and a client's network.
fn joined() -> (Net, Net) {
    let (left, right) = memory_link(1500);
    (build(left, 1, false), build(right, 2, false))
}

/// The same on tokio's clock.
fn joined_in_virtual_time() -> (Net, Net) {
    let (left, right) = memory_link(1500);
    (build(left, 1, true), build(right, 2, true))
}

/// A client's and a server's end of one connection, and the listener.
async fn pair(server: &Net, client: &Net) -> (TcpStream, TcpStream, TcpListener) {
    let addr = SERVER[0].parse().unwrap();
    let listener = server.bind(addr).await.unwrap();
    let there = client.connect(addr).await.unwrap();
    let (here, _peer) = listener.accept().await.unwrap();
    (there, here, listener)
}

/// The reason that an error carries.
fn reason(error: &io::Error) -> Option<CloseReason> {
    let ended: &Ended = error.get_ref()?.downcast_ref()?;
    Some(ended.0)
}

fn flows(net: &Net) -> u32 {
    net.totals().flows()
}

/// Polls once, whatever comes of it.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What arrives between a poll that found nothing and the next one wakes who has polled: text, the
/// end, a reset.
/// covers: BUG-14
#[tokio::test]
async fn whoever_has_polled_is_woken() {
    for what in ["text", "end", "reset"] {
        let (server, client) = joined();
        let (mut there, mut here, _listener) = pair(&server, &client).await;
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut octets = [0; 4];
        {
            let mut reading = pin!(here.read(&mut octets));
            let polled = reading.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending(), "{what}");
            assert_eq!(woken.0.load(Ordering::Relaxed), 0, "{what}");
            match what {
                "text" => there.write_all(b"text").await.unwrap(),
                "end" => there.shutdown().await.unwrap(),
                _ => there.abort(),
            }
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            assert!(woken.0.load(Ordering::Relaxed) > 0, "{what}");
            let polled = reading.as_mut().poll(&mut Context::from_waker(&waker));
            match what {
                "text" => assert!(matches!(polled, Poll::Ready(Ok(4)))),
                "end" => assert!(matches!(polled, Poll::Ready(Ok(0)))),
                _ => assert!(matches!(polled, Poll::Ready(Err(_)))),
            }
        }
    }
}

/// covers: BUG-15, AB-43
#[tokio::test]
async fn a_cancelled_connect_leaves_nothing() {
    // The more turns the drivers have before, the further the handshake is.
    for (turns, addr) in (0..12).flat_map(|turns| SERVER.map(|addr| (turns, addr))) {
        let (server, client) = joined();
        let listener = server.bind(addr.parse().unwrap()).await.unwrap();
        {
            let mut connecting = pin!(client.connect(addr.parse().unwrap()));
            if poll_once(connecting.as_mut()).await.is_some() {
                panic!("nobody has driven the network yet");
            }
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        }
        loop {
            let (mut stream, _peer) = tokio::select! {
                accepted = listener.accept() => accepted.unwrap(),
                () = client.quiet() => break,
            };
            match stream.read(&mut [0; 1]).await {
                Ok(read) => assert_eq!(read, 0),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
        server.quiet().await;
        assert!(
            poll_once(pin!(listener.accept())).await.is_none(),
            "{turns} turns"
        );
        // The port is free for the next.
        let next = client.connect(addr.parse().unwrap());
        let (next, accepted) = tokio::join!(next, listener.accept());
        assert_eq!(next.unwrap().local_addr().unwrap(), accepted.unwrap().1);
    }
}

#[tokio::test]
async fn cancelled_reads_and_accepts_lose_nothing() {
    let (server, client) = joined();
    let addr = SERVER[1].parse().unwrap();
    let listener = server.bind(addr).await.unwrap();
    assert!(poll_once(pin!(listener.accept())).await.is_none());
    let mut there = client.connect(addr).await.unwrap();
    let (mut here, _peer) = listener.accept().await.unwrap();
    assert!(poll_once(pin!(here.read(&mut [0; 9]))).await.is_none());
    assert!(poll_once(pin!(here.readable())).await.is_none());
    there.write_all(b"all there").await.unwrap();
    let mut octets = [0; 9];
    here.read_exact(&mut octets).await.unwrap();
    assert_eq!(&octets, b"all there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_at_once() {
    const COUNT: u32 = 200;
    const LEN: usize = 100_000;
    let (server, client) = joined();
    for addr in SERVER {
        let listener = server.bind(addr.parse().unwrap()).await.unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    tokio::io::copy(&mut read, &mut write).await.unwrap();
                });
            }
        });
    }
    let clients: Vec<_> = (0..COUNT)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move {
                let addr = SERVER[index as usize % 2].parse().unwrap();
                let (mut read, mut write) = client.connect(addr).await.unwrap().into_split();
                let sent: Vec<u8> = (0..LEN).map(|at| (at as u32 * (index + 1)) as u8).collect();
                let writing = async {
                    write.write_all(&sent).await.unwrap();
                    write.shutdown().await.unwrap();
                };
                let mut back = Vec::new();
                let (_, read) = tokio::join!(writing, read.read_to_end(&mut back));
                read.unwrap();
                assert!(back == sent, "connection {index}");
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    client.quiet().await;
    server.quiet().await;
    assert_eq!(
        client.totals()[State::TimeWait],
        COUNT,
        "each closed first here"
    );
    assert_eq!(flows(&client), COUNT);
    assert_eq!(flows(&server), 0);
}

#[tokio::test]
async fn a_dropped_listener_resets_whom_nobody_accepted() {
    let (server, client) = joined();
    let addr: SocketAddr = SERVER[0].parse().unwrap();
    let listener = server.bind(addr).await.unwrap();
    let mut waiting = client.connect(addr).await.unwrap();
    drop(listener);
    let error = waiting.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(reason(&error), Some(CloseReason::ResetByPeer));
    let error = client.connect(addr).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(reason(&error), Some(CloseReason::Refused));
    assert_eq!((flows(&client), flows(&server)), (0, 0));
    drop(waiting);
}

#[tokio::test]
async fn abort_and_unread_text_are_resets_and_leave_no_time_wait() {
    for abort in [true, false] {
        let (server, client) = joined();
        let (mut there, here, _listener) = pair(&server, &client).await;
        there.write_all(b"unread").await.unwrap();
        here.readable().await.unwrap();
        if abort {
            here.abort();
        } else {
            drop(here);
        }
        let error = there.write_all(&[0; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        drop(there);
        client.quiet().await;
        server.quiet().await;
        assert_eq!((flows(&client), flows(&server)), (0, 0));
    }
}

#[tokio::test]
async fn the_driver_outlives_the_sockets_and_ends_after_the_last() {
    let (left, right) = memory_link(1500);
    let server = build(left, 1, false);
    let (client, driver) = Net::builder()
        .link(right)
        .address("10.0.0.2/24")
        .build_with_driver()
        .unwrap();
    let driver = tokio::spawn(driver);
    let (mut there, mut here, listener) = pair(&server, &client).await;
    there.write_all(&[7; 100_000]).await.unwrap();
    drop((there, client));
    let mut octets = Vec::new();
    here.read_to_end(&mut octets).await.unwrap();
    assert_eq!(
        octets.len(),
        100_000,
        "what was queued is sent without its socket"
    );
    drop((here, listener));
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn without_a_driver_waiting_is_an_error() {
    let (left, _right) = memory_link(1500);
    let (net, driver) = Net::builder()
        .link(left)
        .address("10.0.0.1/24")
        .build_with_driver()
        .unwrap();
    let listener = net.bind(SERVER[0].parse().unwrap()).await.unwrap();
    let accepting = tokio::spawn(async move { listener.accept().await.map(drop) });
    tokio::task::yield_now().await;
    drop(driver);
    let error = accepting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    let error = net
        .connect("10.0.0.3:7".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    net.quiet().await;
}

#[tokio::test]
async fn what_cannot_be_connected_is_told_at_once() {
    let (_server, client) = joined();
    let kind = |error: io::Error| error.kind();
    let far = client.connect("192.0.2.1:7".parse().unwrap()).await;
    assert_eq!(far.map_err(kind).err(), Some(ErrorKind::NetworkUnreachable));
    let nothing = client.connect("10.0.0.1:0".parse().unwrap()).await;
    assert_eq!(nothing.map_err(kind).err(), Some(ErrorKind::InvalidInput));
    let options = ConnectOptions {
        local_addr: Some("10.0.0.77".parse().unwrap()),
        ..ConnectOptions::default()
    };
    let foreign = client
        .connect_with(SERVER[0].parse().unwrap(), options)
        .await;
    assert_eq!(
        foreign.map_err(kind).err(),
        Some(ErrorKind::AddrNotAvailable)
    );
    assert_eq!(flows(&client), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_answers() {
    for addr in NOBODY {
        let (_server, client) = joined_in_virtual_time();
        let begun = Instant::now();
        let error = client.connect(addr.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(reason(&error), Some(CloseReason::ConnectTimeout));
        // R2 of a SYN is 3 minutes at least, unless the peer's profile says less.
        assert!(
            begun.elapsed() >= Duration::from_secs(100),
            "{:?}",
            begun.elapsed()
        );
        client.quiet().await;
        assert_eq!(flows(&client), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_connect_gives_it_up() {
    let (_server, client) = joined_in_virtual_time();
    let connecting = client.connect(NOBODY[0].parse().unwrap());
    let waited = tokio::time::timeout(Duration::from_secs(5), connecting).await;
    assert!(waited.is_err());
    client.quiet().await;
    assert_eq!(flows(&client), 0);
}

#[tokio::test(start_paused = true)]
async fn time_wait_ends() {
    let (server, client) = joined_in_virtual_time();
    let (there, here, _listener) = pair(&server, &client).await;
    drop(there);
    drop(here);
    client.quiet().await;
    server.quiet().await;
    assert_eq!(client.totals()[State::TimeWait], 1);
    // tidy: allow(banned-word): tokio's time is paused, and passes at once
    tokio::time::sleep(Duration::from_secs(241)).await;
    assert_eq!(flows(&client), 0);
}

/// A client on tokio's clock, connected to a server whose cable is out by now.
async fn cut_off() -> (Net, TcpStream) {
    let (left, right) = memory_link(1500);
    let server = Net::builder().tokio_time().build().unwrap();
    let cable = server.attach(left);
    server.add_address(cable, "10.0.0.1".parse().unwrap(), 24);
    let client = build(right, 2, true);
    let (there, here, _listener) = pair(&server, &client).await;
    server.detach(cable);
    let error = here.readable().await.and(here.take_error());
    let reason = reason(&error.unwrap().expect("the address went with the cable"));
    assert_eq!(
        reason,
        Some(CloseReason::Unreachable(SoftError::AddressRemoved))
    );
    (client, there)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanished_is_missed() {
    let (_client, mut there) = cut_off().await;
    there
        .set_keepalive(Some(KeepAlive {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            count: 3,
            octet: false,
        }))
        .unwrap();
    let begun = Instant::now();
    let error = there.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(reason(&error), Some(CloseReason::KeepAliveTimeout));
    assert!(
        begun.elapsed() >= Duration::from_secs(80),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn text_that_nobody_acknowledges_times_out() {
    let (_client, mut there) = cut_off().await;
    let limit = Duration::from_secs(30);
    there.set_user_timeout(UserTimeout::After(limit)).unwrap();
    there.write_all(b"hello?").await.unwrap();
    let begun = Instant::now();
    let error = there.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(reason(&error), Some(CloseReason::UserTimeout));
    assert!(
        begun.elapsed() >= limit - Duration::from_millis(1),
        "{:?}",
        begun.elapsed()
    );
}

/// What a connection counts of itself, and what it leaves behind.
#[tokio::test]
async fn a_connection_can_be_asked_and_its_destination_is_remembered() {
    let (server, client) = joined();
    let listener = server
        .listen(ListenAddr::port(7), ListenOptions::default())
        .unwrap();
    let addr = SERVER[0].parse().unwrap();
    let (there, here) = tokio::join!(client.connect(addr), listener.accept());
    let (mut there, (mut here, _)) = (there.unwrap(), here.unwrap());
    there.write_all(b"request").await.unwrap();
    here.read_exact(&mut [0; 7]).await.unwrap();
    let info = here.tcp_info();
    assert_eq!(
        (info.state, info.bytes_received, info.data_segs_in),
        (1, 7, 1)
    );
    assert_eq!(there.tcp_info().bytes_sent, 7);
    drop((there, here));
    client.quiet().await;
    let known = client.destinations();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].remote, addr.ip());
    assert!(client.forget_destination(addr.ip()));
    client.forget_destinations();
    assert!(client.destinations().is_empty());
}

/// The second connection's request is there before the client's handshake is over.
/// covers: 7413-3, 7413-7
#[tokio::test]
async fn the_second_connect_carries_its_request_on_the_syn() {
    let (server, client) = joined();
    let options = ListenOptions {
        fast_open: Some(8),
        ..ListenOptions::default()
    };
    let listener = server.listen(ListenAddr::port(7), options).unwrap();
    for fast in [0, 1] {
        let addr = SERVER[0].parse().unwrap();
        let connecting = client.connect_fast(addr, ConnectOptions::default(), b"request");
        let (there, here) = tokio::join!(connecting, listener.accept());
        let (mut there, written) = there.unwrap();
        assert_eq!(written, 7);
        let (mut here, _) = here.unwrap();
        let mut request = [0; 7];
        here.read_exact(&mut request).await.unwrap();
        assert_eq!(&request, b"request");
        here.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        there.read_exact(&mut answer).await.unwrap();
        assert_eq!(client.counters().fast_open_active, fast);
        assert_eq!(server.counters().fast_open_passive, fast);
    }
}
