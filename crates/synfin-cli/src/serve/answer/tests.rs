//! Requests as hyper reads them from a connection, and the octets it answers with.

use std::fs;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Served {
    _dir: tempfile::TempDir,
    site: Site,
}

fn served() -> Served {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("digits.txt"), "0123456789").expect("a file");
    fs::write(dir.path().join("empty"), "").expect("a file");
    fs::write(dir.path().join("big.bin"), vec![7; 700_000]).expect("a file");
    fs::create_dir(dir.path().join("sub")).expect("a directory");
    let site = Site::new(dir.path()).expect("it exists");
    Served { _dir: dir, site }
}

impl Served {
    /// Everything the server sends until it closes.
    fn exchange(&self, requests: &str) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(1 << 20);
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                let (method, uri) = (request.method().clone(), request.uri().clone());
                let response = answer(&self.site, &method, &uri, request.headers());
                std::future::ready(Ok::<_, std::convert::Infallible>(response))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(server), service);
            let mut octets = Vec::new();
            let talk = async {
                client
                    .write_all(requests.as_bytes())
                    .await
                    .expect("there is room");
                client.read_to_end(&mut octets).await.expect("it ends");
            };
            let (served, ()) = tokio::join!(connection, talk);
            served.expect("the connection ends well");
            octets
        })
    }

    /// One request with `Connection: close`; the head in lower case, and the body.
    fn request(&self, line: &str, fields: &str) -> (String, Vec<u8>) {
        let octets = self.exchange(&format!(
            "{line} HTTP/1.1\r\nHost: h\r\n{fields}Connection: close\r\n\r\n"
        ));
        let end = octets
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head")
            + 4;
        let head = String::from_utf8_lossy(&octets[..end]).to_lowercase();
        (head, octets[end..].to_vec())
    }
}

#[test]
fn get_and_head() {
    let served = served();
    let (head, body) = served.request("GET /digits.txt", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    assert!(head.contains("accept-ranges: bytes\r\n"), "{head}");
    assert_eq!(body, b"0123456789");

    let (head, body) = served.request("HEAD /digits.txt", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    assert!(body.is_empty());

    let (head, body) = served.request("GET /empty", "");
    assert!(head.contains("content-length: 0\r\n"), "{head}");
    assert!(body.is_empty());

    let (head, body) = served.request("GET /big.bin", "");
    assert!(
        head.contains("content-type: application/octet-stream\r\n"),
        "{head}"
    );
    assert_eq!(body, vec![7; 700_000]);
}

#[test]
fn connections_persist_until_asked_to_close() {
    let first = "GET /digits.txt HTTP/1.1\r\nHost: h\r\n\r\n";
    let last = "GET /empty HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let octets = served().exchange(&format!("{first}{first}{last}"));
    let text = String::from_utf8_lossy(&octets);
    assert_eq!(text.matches("HTTP/1.1 200").count(), 3, "{text}");
    assert_eq!(text.matches("0123456789").count(), 2, "{text}");
}

#[test]
fn ranges() {
    let served = served();
    let (head, body) = served.request("GET /digits.txt", "Range: bytes=2-4\r\n");
    assert!(head.starts_with("http/1.1 206"), "{head}");
    assert!(head.contains("content-range: bytes 2-4/10\r\n"), "{head}");
    assert!(head.contains("content-length: 3\r\n"), "{head}");
    assert_eq!(body, b"234");

    let (head, body) = served.request("GET /digits.txt", "Range: bytes=0-1,-2\r\n");
    assert!(head.starts_with("http/1.1 206"), "{head}");
    assert!(head.contains("multipart/byteranges; boundary="), "{head}");
    assert!(
        head.contains(&format!("content-length: {}\r\n", body.len())),
        "{head}"
    );
    let body = String::from_utf8(body).expect("text");
    assert!(
        body.contains("Content-Range: bytes 0-1/10\r\n\r\n01\r\n--"),
        "{body}"
    );
    assert!(
        body.contains("Content-Range: bytes 8-9/10\r\n\r\n89\r\n--"),
        "{body}"
    );
    assert!(body.ends_with("--\r\n"), "{body}");

    let (head, _) = served.request("GET /digits.txt", "Range: bytes=10-\r\n");
    assert!(head.starts_with("http/1.1 416"), "{head}");
    assert!(head.contains("content-range: bytes */10\r\n"), "{head}");
}

#[test]
fn versions() {
    let served = served();
    let (head, _) = served.request("GET /digits.txt", "");
    let line = head
        .lines()
        .find(|line| line.starts_with("etag:"))
        .expect("a tag");
    let tag = line.trim_start_matches("etag: ").to_owned();
    let (head, body) = served.request("GET /digits.txt", &format!("If-None-Match: W/{tag}\r\n"));
    assert!(head.starts_with("http/1.1 304"), "{head}");
    assert!(body.is_empty());
    let (head, _) = served.request(
        "GET /digits.txt",
        &format!("Range: bytes=0-0\r\nIf-Range: {tag}\r\n"),
    );
    assert!(head.starts_with("http/1.1 206"), "{head}");
    let (head, body) = served.request(
        "GET /digits.txt",
        "Range: bytes=0-0\r\nIf-Range: \"other\"\r\n",
    );
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body.len(), 10);
}

#[test]
fn what_is_not_served() {
    let served = served();
    for (line, status, field) in [
        ("GET /nothing", "404", "content-length"),
        ("GET /../../etc/passwd", "404", "content-length"),
        ("PUT /digits.txt", "405", "allow: get, head"),
        ("DELETE /digits.txt", "405", "allow: get, head"),
        ("GET /sub", "301", "location: /sub/\r\n"),
        ("GET //sub?a=b", "301", "location: /sub/?a=b\r\n"),
    ] {
        let (head, _) = served.request(line, "");
        assert!(
            head.starts_with(&format!("http/1.1 {status}")),
            "{line}: {head}"
        );
        assert!(head.contains(field), "{line}: {head}");
    }
}

#[test]
fn directories() {
    let served = served();
    let (head, body) = served.request("GET /", "");
    assert!(
        head.contains("content-type: text/html; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(String::from_utf8_lossy(&body).contains("digits.txt"));
    let (head, body) = served.request("HEAD /", "");
    assert!(!head.contains("content-length: 0\r\n"), "{head}");
    assert!(body.is_empty());
}
