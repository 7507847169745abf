//! hyper and axum run on synfin's sockets without knowing it.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use synfin::{Addresses, Connector, Net, State, TcpListener, memory_link};
use tokio::sync::oneshot;

const SERVER: &str = "[fd77::1]:80";

/// A server's and a client's network.
fn joined() -> (Net, Net) {
    let (left, right) = memory_link(1500);
    let net = |link, address| Net::builder().link(link).address(address).build().unwrap();
    (net(left, "fd77::1/64"), net(right, "fd77::2/64"))
}

async fn listen(net: &Net) -> TcpListener {
    net.bind(SERVER.parse().unwrap()).await.unwrap()
}

/// Text in which every octet depends on its place.
fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
}

async fn body_of(response: Response<Incoming>) -> Bytes {
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::new(body)))
}

#[tokio::test]
async fn hyper_serves_hyper() {
    let (server, client) = joined();
    let listener = listen(&server).await;
    let serving = tokio::spawn(async move {
        let (stream, _peer) = listener.accept().await.unwrap();
        let connection = hyper::server::conn::http1::Builder::new();
        connection
            .serve_connection(TokioIo::new(stream), service_fn(echo))
            .await
    });

    let stream = client.connect(SERVER.parse().unwrap()).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    // The server takes one connection only: all requests have to go over it.
    for len in [0, 1, 1 << 20] {
        let request = Request::post("/")
            .header("host", "synfin")
            .body(Full::new(pattern(len)))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert!(body_of(response).await == pattern(len), "{len} octets");
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    serving.await.unwrap().unwrap();
    client.quiet().await;
    server.quiet().await;
    assert_eq!(
        client.totals()[State::TimeWait],
        1,
        "the client closed first"
    );
}

fn router() -> Router {
    Router::new()
        .route(
            "/hello/{name}",
            get(|Path(name): Path<String>| async move { format!("hello {name}") }),
        )
        .route("/echo", post(|body: Bytes| async move { body }))
}

#[tokio::test]
async fn axum_serves_many_clients_and_ends() {
    let (server, client) = joined();
    let listener = listen(&server).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        axum::serve(listener, router())
            .with_graceful_shutdown(async { drop(stopped.await) })
            .await
    });

    let clients: Vec<_> = (0..20)
        .map(|index| {
            let client: Client<_, Full<Bytes>> =
                Client::builder(TokioExecutor::new()).build(Connector::new(client.clone()));
            tokio::spawn(async move {
                let uri = format!("http://{SERVER}/hello/{index}").parse().unwrap();
                let response = client.get(uri).await.unwrap();
                let ends = *response.extensions().get::<Addresses>().unwrap();
                assert_eq!(ends.remote, SERVER.parse::<SocketAddr>().unwrap());
                assert_eq!(body_of(response).await, format!("hello {index}"));

                let request = Request::post(format!("http://{SERVER}/echo"))
                    .body(Full::new(pattern(300_000)))
                    .unwrap();
                let response = client.request(request).await.unwrap();
                let same = *response.extensions().get::<Addresses>().unwrap();
                assert!(body_of(response).await == pattern(300_000));
                assert_eq!(same, ends, "the connection is kept for the second request");
                ends.local
            })
        })
        .collect();
    let mut ports = Vec::new();
    for client in clients {
        ports.push(client.await.unwrap().port());
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 20, "a connection for each client");

    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    server.quiet().await;
    client.quiet().await;
}

#[tokio::test]
async fn a_client_is_told_that_nobody_listens() {
    let (_server, client) = joined();
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(Connector::new(client));
    let uri = format!("http://{SERVER}/").parse().unwrap();
    let error = client.get(uri).await.unwrap_err();
    assert!(error.is_connect());
    let mut source = std::error::Error::source(&error);
    let mut kind = None;
    while let Some(error) = source {
        kind = kind.or(error
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind));
        source = error.source();
    }
    assert_eq!(kind, Some(std::io::ErrorKind::ConnectionRefused));
}
