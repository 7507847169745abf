//! Networks of several shards, each with a driver of its own: to sockets they are one.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;

use synfin::core::{Cursor, Filter, FourTuple, ShardMap};
use synfin::{ConnectOptions, MemoryLink, Net, NetBuilder, State, memory_link};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const SERVER: &str = "10.0.0.1:7";
const STREAMS: u8 = 48;
const TEXT: usize = 30_000;

fn server() -> SocketAddr {
    SERVER.parse().unwrap()
}

fn planned(host: u8, shards: u16) -> impl FnOnce(NetBuilder) -> NetBuilder {
    move |builder| {
        let (v4, v6) = (format!("10.0.0.{host}/24"), format!("fd77::{host}/64"));
        builder.address(&v4).address(&v6).shards(shards)
    }
}

/// Two networks over one link, which the first shard of each reads.
fn over_one_link(shards: [u16; 2]) -> [Net; 2] {
    let (left, right) = memory_link(1500);
    let build = |link, host, shards| planned(host, shards)(Net::builder().link(link)).build();
    [
        build(left, 1, shards[0]).unwrap(),
        build(right, 2, shards[1]).unwrap(),
    ]
}

/// Two networks over a device with a queue for each shard.
fn over_queues(shards: u16) -> [Net; 2] {
    let pairs = (0..shards).map(|_| memory_link(1500));
    let (left, right): (Vec<MemoryLink>, Vec<MemoryLink>) = pairs.unzip();
    let build = |links, host| planned(host, shards)(Net::builder().link_queues(links)).build();
    [build(left, 1).unwrap(), build(right, 2).unwrap()]
}

fn text(n: u8) -> Vec<u8> {
    (0..TEXT).map(|at| n ^ (at / 7) as u8).collect()
}

/// Each stream says something of its own and hears it again, whole; all are open at a time.
async fn echo_on_many(server_net: &Net, client: &Net, at: SocketAddr) {
    let listener = server_net.bind(at).await.unwrap();
    let at = SocketAddr::new(at.ip(), listener.local_addr().unwrap().port());
    let echoes = tokio::spawn(async move {
        let mut echoes = JoinSet::new();
        for _ in 0..STREAMS {
            let (stream, _peer) = listener.accept().await.unwrap();
            echoes.spawn(async move {
                let (mut read, mut write) = stream.into_split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
            });
        }
        echoes.join_all().await;
    });
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(client.connect(at).await.unwrap());
    }
    assert_eq!(client.totals()[State::Established], u32::from(STREAMS));
    let mut talks = JoinSet::new();
    for (n, stream) in (0..).zip(streams) {
        talks.spawn(async move {
            let (mut read, mut write) = stream.into_split();
            let said = text(n);
            let say = async {
                write.write_all(&said).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut heard = Vec::new();
            let (_, len) = tokio::join!(say, read.read_to_end(&mut heard));
            assert_eq!(len.unwrap(), TEXT);
            assert!(heard == text(n), "stream {n} is not what was said");
        });
    }
    talks.join_all().await;
    echoes.await.unwrap();
    client.quiet().await;
    server_net.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_over_one_link_are_whole() {
    for shards in [[1, 2], [4, 1], [4, 4]] {
        let [server_net, client] = over_one_link(shards);
        assert_eq!(
            [server_net.shards(), client.shards()],
            shards.map(usize::from)
        );
        echo_on_many(&server_net, &client, server()).await;
        for (net, shards) in [&server_net, &client].into_iter().zip(shards) {
            let crossed = net.hand_over();
            assert_eq!(crossed.handed_over > 0, shards > 1, "{crossed:?}");
            assert_eq!(crossed.dropped, 0);
            assert_eq!(net.counters().estab_resets, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_over_queues_are_whole() {
    let [server_net, client] = over_queues(3);
    echo_on_many(&server_net, &client, "[fd77::1]:0".parse().unwrap()).await;
    // Both have keys of their own: what is at home in a queue of one is not in that of the other.
    assert!(server_net.hand_over().handed_over > 0);
    assert_eq!(server_net.hand_over().dropped, 0);
    assert_eq!(server_net.counters().estab_resets, 0);
}

/// The same in one thread, with drivers that take turns.
#[tokio::test(flavor = "current_thread")]
async fn one_thread_will_do() {
    let [server_net, client] = over_one_link([2, 4]);
    echo_on_many(&server_net, &client, server()).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_chosen_port_is_one_of_the_host() {
    let [server_net, client] = over_one_link([1, 4]);
    let listener = server_net.bind(server()).await.unwrap();
    let mut held = Vec::new();
    for port in 40_000..40_016 {
        let options = ConnectOptions {
            local_port: Some(port),
            ..ConnectOptions::default()
        };
        let stream = client.connect_with(server(), options).await.unwrap();
        assert_eq!(stream.local_addr().unwrap().port(), port);
        let again = client.connect_with(server(), options).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
        held.push((stream, listener.accept().await.unwrap()));
    }
    // Nobody else listens where somebody does, in any shard.
    let again = server_net.bind(server()).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
}

/// All flows of all shards, page by page and each once.
#[tokio::test(flavor = "current_thread")]
async fn the_listing_goes_through_all_shards() {
    let [server_net, client] = over_one_link([4, 4]);
    let listener = server_net.bind(server()).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push((
            client.connect(server()).await.unwrap(),
            listener.accept().await.unwrap(),
        ));
    }
    for net in [&server_net, &client] {
        let mut ports = BTreeSet::new();
        let (mut rows, mut pages, mut next) = (0, 0, Some(Cursor::default()));
        while let Some(after) = next {
            let page = net.connections(after, &Filter::default());
            rows += page.rows.len();
            pages += 1;
            let both = |port: u16, other: u16| port.max(other);
            ports.extend(
                page.rows
                    .iter()
                    .map(|row| both(row.tuple.local.port(), row.tuple.remote.port())),
            );
            next = page.next;
        }
        assert_eq!((rows, ports.len(), pages), (40, 40, 4));
        assert_eq!(net.totals().flows(), 40);
    }
    assert_eq!(server_net.totals().listeners, 1, "one of the host");
}

/// When nobody holds a network any more its drivers end, all of them, but not before the last
/// connection of any shard has left the wire.
#[tokio::test(flavor = "current_thread")]
async fn drivers_end_together() {
    let (left, right) = memory_link(1500);
    let seed = [5; 32];
    let plan = planned(1, 4)(Net::builder().seed(seed).link(left));
    let (server_net, drivers) = plan.build_with_drivers().unwrap();
    assert_eq!(drivers.len(), 4);
    let mut running = JoinSet::new();
    for driver in drivers {
        running.spawn(driver);
    }
    let client = planned(2, 1)(Net::builder().link(right)).build().unwrap();
    let listener = server_net.bind(server()).await.unwrap();
    let mut here = Vec::new();
    let mut there = Vec::new();
    // None of them in the first shard, which reads the link for the others.
    let map = ShardMap::new(seed, 4);
    for port in 40_000..40_012 {
        let remote = SocketAddr::from(([10, 0, 0, 2], port));
        let local = server();
        if map.of_tuple(&FourTuple { local, remote }) == 0 {
            continue;
        }
        let options = ConnectOptions {
            local_port: Some(port),
            ..ConnectOptions::default()
        };
        there.push(client.connect_with(server(), options).await.unwrap());
        here.push(listener.accept().await.unwrap().0);
    }
    assert!(here.len() > 3);
    for stream in &mut here {
        stream.write_all(b"the last words").await.unwrap();
    }
    drop((here, listener, server_net));
    for stream in &mut there {
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "the last words");
    }
    drop(there);
    for ended in running.join_all().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_cannot_be_is_told() {
    let told = |builder: NetBuilder| builder.build().unwrap_err();
    for shards in [0, 257] {
        let (link, _other) = memory_link(1500);
        let error = told(Net::builder().link(link).shards(shards));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("from 1 to 256"), "{error}");
    }
    let links = [memory_link(1500), memory_link(1500)].map(|(link, _)| link);
    let error = told(Net::builder().link_queues(links).shards(3));
    assert!(error.to_string().contains("2 queues"), "{error}");
    let links = [memory_link(1500), memory_link(1400)].map(|(link, _)| link);
    let error = told(Net::builder().link_queues(links).shards(2));
    assert!(error.to_string().contains("alike"), "{error}");
    let error = Net::builder().shards(2).build_with_driver().map(drop);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
}
