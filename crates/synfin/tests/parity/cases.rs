//! What both stacks do.

use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};

use super::{Backend, TcpListener, TcpStream};

async fn listen(net: &Backend) -> TcpListener {
    net.bind(Backend::LOCAL.parse().unwrap()).await.unwrap()
}

/// A client's and a server's end of one connection.
async fn pair(net: &Backend) -> (TcpStream, TcpStream) {
    let listener = listen(net).await;
    let client = net.connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _peer) = listener.accept().await.unwrap();
    (client, server)
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.kind(),
    }
}

/// Text in which every octet depends on its place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8)
        .collect()
}

#[tokio::test]
async fn both_ends_know_both_addresses() {
    let net = Backend::new();
    let listener = listen(&net).await;
    let addr = listener.local_addr().unwrap();
    assert_ne!(addr.port(), 0);
    let client = net.connect(addr).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(client.peer_addr().unwrap(), addr);
    assert_eq!(server.local_addr().unwrap(), addr);
    assert_eq!(client.local_addr().unwrap(), peer);
    assert_eq!(server.peer_addr().unwrap(), peer);
}

#[tokio::test]
async fn what_is_written_is_read() {
    let net = Backend::new();
    let (mut client, mut server) = pair(&net).await;
    client.write_all(b"question").await.unwrap();
    let mut buf = [0; 8];
    server.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"question");
    server.write_all(b"answer").await.unwrap();
    let mut buf = [0; 6];
    client.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"answer");
}

#[tokio::test]
async fn a_half_closed_connection_carries_the_other_half() {
    let net = Backend::new();
    let (mut client, mut server) = pair(&net).await;
    client.write_all(b"all of it").await.unwrap();
    client.shutdown().await.unwrap();
    let mut read = Vec::new();
    server.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"all of it");
    server.write_all(b"and back").await.unwrap();
    drop(server);
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"and back");
}

#[tokio::test]
async fn the_end_is_read_again_and_again() {
    let net = Backend::new();
    let (mut client, server) = pair(&net).await;
    drop(server);
    for _ in 0..3 {
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    }
    assert_eq!(client.peek(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(client.try_read(&mut [0; 9]).unwrap(), 0);
}

#[tokio::test]
async fn writing_after_shutdown_is_a_broken_pipe() {
    let net = Backend::new();
    let (mut client, server) = pair(&net).await;
    client.shutdown().await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(kind(client.write(b"more").await), ErrorKind::BrokenPipe);
    assert_eq!(kind(client.try_write(b"more")), ErrorKind::BrokenPipe);
    drop(server);
}

#[tokio::test]
async fn nobody_listens() {
    let net = Backend::new();
    let listener = listen(&net).await;
    let addr = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(kind(net.connect(addr).await), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_address_is_taken_once_and_only_if_it_is_ours() {
    let net = Backend::new();
    let listener = listen(&net).await;
    let taken = listener.local_addr().unwrap();
    assert_eq!(kind(net.bind(taken).await), ErrorKind::AddrInUse);
    let foreign = Backend::FOREIGN.parse().unwrap();
    assert_eq!(kind(net.bind(foreign).await), ErrorKind::AddrNotAvailable);
}

#[tokio::test]
async fn no_linger_time_resets() {
    let net = Backend::new();
    let (mut client, mut server) = pair(&net).await;
    assert_eq!(server.linger().unwrap(), None);
    server.write_all(b"read or lost").await.unwrap();
    let mut read = [0; 12];
    client.read_exact(&mut read).await.unwrap();
    server.set_zero_linger().unwrap();
    assert_eq!(server.linger().unwrap(), Some(Duration::ZERO));
    drop(server);
    assert_eq!(
        kind(client.read(&mut [0; 9]).await),
        ErrorKind::ConnectionReset
    );
    // It is told once.
    assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(kind(client.write(b"more").await), ErrorKind::BrokenPipe);
    assert!(client.take_error().unwrap().is_none());
}

#[tokio::test]
async fn text_that_nobody_read_resets() {
    let net = Backend::new();
    let (mut client, server) = pair(&net).await;
    client.write_all(b"never read").await.unwrap();
    server.readable().await.unwrap();
    drop(server);
    assert_eq!(
        kind(client.read(&mut [0; 9]).await),
        ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn an_error_can_be_taken() {
    let net = Backend::new();
    let (mut client, server) = pair(&net).await;
    assert!(client.take_error().unwrap().is_none());
    server.set_zero_linger().unwrap();
    drop(server);
    client.readable().await.unwrap();
    let error = client.take_error().unwrap().expect("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(client.take_error().unwrap().is_none());
    assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn peeking_takes_nothing() {
    let net = Backend::new();
    let (mut client, mut server) = pair(&net).await;
    client.write_all(b"look").await.unwrap();
    let mut buf = [0; 2];
    assert_eq!(server.peek(&mut buf).await.unwrap(), 2);
    assert_eq!(&buf, b"lo");
    let mut buf = [0; 4];
    server.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"look");
}

#[tokio::test]
async fn trying_does_not_wait() {
    let net = Backend::new();
    let (mut client, server) = pair(&net).await;
    let mut buf = [0; 9];
    assert_eq!(kind(server.try_read(&mut buf)), ErrorKind::WouldBlock);
    client.write_all(b"now").await.unwrap();
    server.readable().await.unwrap();
    assert_eq!(server.try_read(&mut buf).unwrap(), 3);
    assert_eq!(kind(server.try_read(&mut buf)), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn readiness_of_both_halves() {
    let net = Backend::new();
    let (mut client, server) = pair(&net).await;
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = server.ready(both).await.unwrap();
    assert!(ready.is_writable());
    client.write_all(b"now").await.unwrap();
    let ready = server.ready(Interest::READABLE).await.unwrap();
    assert!(ready.is_readable() && !ready.is_writable());
}

#[tokio::test]
async fn a_full_connection_waits_for_its_reader() {
    let net = Backend::new();
    let (client, mut server) = pair(&net).await;
    let chunk = pattern(1 << 16);
    let mut written = 0;
    client.writable().await.unwrap();
    loop {
        match client.try_write(&chunk) {
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    let reader = tokio::spawn(async move {
        let mut read = vec![0; written];
        server.read_exact(&mut read).await.unwrap();
        server
    });
    client.writable().await.unwrap();
    assert!(client.try_write(b"again").unwrap() > 0);
    drop(reader.await.unwrap());
}

#[tokio::test]
async fn octets_arrive_whole_and_in_order_both_ways() {
    const LEN: usize = 3 << 20;
    let net = Backend::new();
    let (client, server) = pair(&net).await;
    let ends = [client, server].map(|stream| {
        let (mut read, mut write) = stream.into_split();
        let writer = tokio::spawn(async move { write.write_all(&pattern(LEN)).await });
        tokio::spawn(async move {
            let mut octets = Vec::new();
            read.read_to_end(&mut octets).await.unwrap();
            writer.await.unwrap().unwrap();
            octets
        })
    });
    for end in ends {
        assert!(end.await.unwrap() == pattern(LEN));
    }
}

#[tokio::test]
async fn several_slices_in_one_write() {
    let net = Backend::new();
    let (mut client, mut server) = pair(&net).await;
    assert!(client.is_write_vectored());
    let slices = [&b"one "[..], b"", b"two ", b"three"].map(IoSlice::new);
    assert_eq!(client.write_vectored(&slices).await.unwrap(), 13);
    assert_eq!(client.try_write_vectored(&slices[..1]).unwrap(), 4);
    drop(client);
    let mut read = String::new();
    server.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "one two threeone ");
}

#[tokio::test]
async fn nothing_can_be_written() {
    let net = Backend::new();
    let (mut client, mut server) = pair(&net).await;
    assert_eq!(client.write(b"").await.unwrap(), 0);
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read(&mut [0; 2]).await.unwrap(), 1);
}

#[tokio::test]
async fn the_writing_half_ends_when_it_is_dropped() {
    let net = Backend::new();
    let (client, mut server) = pair(&net).await;
    let (mut read, write) = client.into_split();
    drop(write);
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
    server.write_all(b"still").await.unwrap();
    drop(server);
    let mut octets = Vec::new();
    read.read_to_end(&mut octets).await.unwrap();
    assert_eq!(octets, b"still");
}

#[tokio::test]
async fn halves_are_joined_again() {
    let net = Backend::new();
    let (client, mut server) = pair(&net).await;
    let (other, _) = pair(&net).await;
    let (read, write) = client.into_split();
    let (other_read, _other_write) = other.into_split();
    let error = other_read.reunite(write).unwrap_err();
    let mut client = read.reunite(error.1).unwrap();
    client.write_all(b"whole").await.unwrap();
    drop(client);
    let mut octets = Vec::new();
    server.read_to_end(&mut octets).await.unwrap();
    assert_eq!(octets, b"whole");
}

#[tokio::test]
async fn borrowed_halves_work_together() {
    let net = Backend::new();
    let (mut client, mut server) = pair(&net).await;
    let echo = tokio::spawn(async move {
        let (mut read, mut write) = server.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap()
    });
    let (mut read, mut write) = client.split();
    let text = pattern(300_000);
    let mut back = Vec::new();
    let writing = async {
        write.write_all(&text).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (_, read) = tokio::join!(writing, read.read_to_end(&mut back));
    assert_eq!(read.unwrap(), text.len());
    assert!(back == text);
    assert_eq!(echo.await.unwrap(), text.len() as u64);
}

#[tokio::test]
async fn options_are_kept() {
    let net = Backend::new();
    let (client, _server) = pair(&net).await;
    assert!(!client.nodelay().unwrap());
    client.set_nodelay(true).unwrap();
    assert!(client.nodelay().unwrap());
    assert_eq!(client.ttl().unwrap(), 64);
    client.set_ttl(9).unwrap();
    assert_eq!(client.ttl().unwrap(), 9);
    assert_eq!(kind(client.set_ttl(0)), ErrorKind::InvalidInput);
    assert_eq!(kind(client.set_ttl(256)), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_connection_that_ended_before_accept_can_be_accepted() {
    let net = Backend::new();
    let listener = listen(&net).await;
    let mut client = net.connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(b"gone").await.unwrap();
    drop(client);
    let (mut server, _peer) = listener.accept().await.unwrap();
    let mut octets = Vec::new();
    server.read_to_end(&mut octets).await.unwrap();
    assert_eq!(octets, b"gone");
}

#[tokio::test]
async fn many_tasks_accept_at_a_time() {
    const COUNT: usize = 20;
    let net = Backend::new();
    let listener = std::sync::Arc::new(listen(&net).await);
    let addr = listener.local_addr().unwrap();
    let accepting: Vec<_> = (0..COUNT)
        .map(|_| {
            let listener = std::sync::Arc::clone(&listener);
            tokio::spawn(async move { listener.accept().await.unwrap().1 })
        })
        .collect();
    let mut clients = Vec::new();
    for _ in 0..COUNT {
        clients.push(net.connect(addr).await.unwrap());
    }
    let mut accepted = Vec::new();
    for task in accepting {
        accepted.push(task.await.unwrap());
    }
    let mut connected: Vec<_> = clients
        .iter()
        .map(|client| client.local_addr().unwrap())
        .collect();
    accepted.sort();
    connected.sort();
    assert_eq!(accepted, connected);
}

#[tokio::test]
async fn many_tasks_wait_for_one_stream() {
    let net = Backend::new();
    let (mut client, server) = pair(&net).await;
    let server = std::sync::Arc::new(server);
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move { server.peek(&mut [0; 9]).await.unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    client.write_all(b"all").await.unwrap();
    for task in waiting {
        assert_eq!(task.await.unwrap(), 3);
    }
}
