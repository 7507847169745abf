//! The life of the server's connections: accepted, handed to hyper, closed, and summed up in a
//! line.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use synfin::{CloseReason, ConnectionInfo, Net, State, TcpListener, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer;
use super::body::Pieces;
use super::say;
use super::site::Site;
use super::upload::Inbox;

/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(75);
/// How long answers may take to finish after the signal.
const GRACE: Duration = Duration::from_secs(3);

/// What is served.
pub(crate) struct Content {
    /// The files.
    pub(crate) site: Site,
    /// Where uploads go, if they are taken.
    pub(crate) inbox: Option<Inbox>,
}

/// Serves until `stop`, then closes all connections and waits until the peers have agreed, for
/// some seconds at most.
pub(crate) async fn serve(
    net: &Net,
    listener: TcpListener,
    content: Content,
    stop: impl Future<Output = ()>,
) {
    let content = Arc::new(content);
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let life = Life::new(net.clone(), peer);
                    let (content, stopped) = (Arc::clone(&content), stopped.clone());
                    connections.spawn(async move {
                        let summary = life.run(stream, content, stopped).await;
                        say(&summary.to_string());
                    });
                }
                Err(error) => {
                    say(&format!("cannot accept: {error}"));
                    break;
                }
            },
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    drop(stopping);
    while connections.join_next().await.is_some() {}
    // Last FINs on their way; a peer that is gone does not hold us up.
    let _ = timeout(GRACE, net.quiet()).await;
}

/// One connection from its acceptance to its summary.
struct Life {
    net: Net,
    peer: SocketAddr,
    accepted: synfin_core::Instant,
    requests: AtomicU64,
}

impl Life {
    fn new(net: Net, peer: SocketAddr) -> Self {
        let accepted = net.now();
        Self {
            net,
            peer,
            accepted,
            requests: AtomicU64::new(0),
        }
    }

    async fn run(
        self,
        stream: TcpStream,
        content: Arc<Content>,
        mut stop: watch::Receiver<()>,
    ) -> Summary {
        // Answers are written in large pieces: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let ending = Arc::new(Ending::default());
        let watched = Watched {
            stream,
            ending: Arc::clone(&ending),
        };
        let service = service_fn(|request| {
            self.requests.fetch_add(1, Ordering::Relaxed);
            respond(request, Arc::clone(&content))
        });
        {
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(IDLE)
                    .half_close(true)
                    .serve_connection(TokioIo::new(watched), service)
            );
            tokio::select! {
                // Its error is in the connection's own reason, which is summed up below.
                _ = connection.as_mut() => {}
                _ = stop.changed() => {
                    connection.as_mut().graceful_shutdown();
                    if timeout(GRACE, connection.as_mut()).await.is_err() {
                        ending.abort.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
        let lasted = self.net.now().saturating_duration_since(self.accepted);
        Summary {
            peer: self.peer,
            requests: self.requests.into_inner(),
            lasted,
            info: ending.take(),
        }
    }
}

async fn respond(
    request: Request<Incoming>,
    content: Arc<Content>,
) -> Result<Response<Pieces>, Infallible> {
    let is_upload = matches!(*request.method(), Method::PUT | Method::POST);
    Ok(match &content.inbox {
        Some(inbox) if is_upload => {
            let path = request.uri().path().to_owned();
            inbox.receive(&path, request.into_body()).await
        }
        _ => {
            let (method, uri) = (request.method(), request.uri());
            answer::answer(&content.site, method, uri, request.headers())
        }
    })
}

/// What is known of a connection when its stream is dropped.
#[derive(Default)]
struct Ending {
    abort: AtomicBool,
    info: Mutex<Option<ConnectionInfo>>,
}

impl Ending {
    fn take(&self) -> Option<ConnectionInfo> {
        self.info
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// A stream that leaves its last words behind.
struct Watched {
    stream: TcpStream,
    ending: Arc<Ending>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.ending.abort.load(Ordering::Relaxed) {
            let _ = self.stream.set_linger(Some(Duration::ZERO));
        }
        let mut info = self
            .ending
            .info
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *info = Some(self.stream.info());
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The line about a connection.
struct Summary {
    peer: SocketAddr,
    requests: u64,
    lasted: Duration,
    info: Option<ConnectionInfo>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.requests == 1 { "" } else { "s" };
        write!(f, "{}  {} request{plural}", self.peer, self.requests)?;
        if let Some(info) = &self.info {
            // What is still queued leaves before the FIN, when the stream is dropped already.
            let queued = if info.close_reason.is_none() {
                info.unsent
            } else {
                0
            };
            let (received, sent) = (info.octets_received, info.octets_sent + u64::from(queued));
            write!(f, ", {received} octets in, {sent} out")?;
            write!(f, ", {} segments sent again", info.retransmissions)?;
            write!(f, ", {}", ended(info))?;
        }
        write!(f, ", {:.3} s", self.lasted.as_secs_f64())
    }
}

fn ended(info: &ConnectionInfo) -> String {
    match (info.close_reason, info.state) {
        (Some(CloseReason::Graceful), _) => "closed".to_owned(),
        (Some(reason), _) => reason.to_string(),
        (None, State::CloseWait | State::LastAck) => "closed first by the client".to_owned(),
        (None, State::FinWait1 | State::FinWait2 | State::TimeWait) => {
            "closed first by the server".to_owned()
        }
        (None, _) => "closed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
