//! Whole connections over a link in memory.

use std::fs;

use synfin::memory_link;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const SERVER: &str = "10.0.0.1:80";

/// What one connection on which the client writes `request`, and closes only after the server has,
/// reads and leaves behind.
async fn converse(content: Content, request: &str) -> (String, String) {
    let (left, right) = memory_link(1500);
    let net = |link, addr| Net::builder().link(link).address(addr).build();
    let server = net(left, "10.0.0.1/24").expect("a network");
    let client = net(right, "10.0.0.2/24").expect("a network");
    let addr = SERVER.parse().expect("an address");
    let listener = server.bind(addr).await.expect("a free port");
    let mut there = client.connect(addr).await.expect("it listens");
    let (here, peer) = listener.accept().await.expect("it connects");
    let (_stopping, stopped) = watch::channel(());
    let life = Life::new(server.clone(), peer).run(here, Arc::new(content), stopped);
    let talk = async {
        there
            .write_all(request.as_bytes())
            .await
            .expect("it takes it");
        let mut answer = Vec::new();
        there.read_to_end(&mut answer).await.expect("it ends");
        String::from_utf8(answer).expect("text")
    };
    let (summary, answer) = tokio::join!(life, talk);
    (summary.to_string(), answer)
}

fn content(dir: &TempDir, upload: bool) -> Content {
    let site = Site::new(dir.path()).expect("it exists");
    let inbox = upload.then(|| Inbox::new(dir.path()).expect("it exists"));
    Content { site, inbox }
}

#[tokio::test]
async fn the_summary_of_a_server_that_closes_first_counts_all_octets() {
    for len in [0, 5, 20_000, 400_000] {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("x"), "y".repeat(len)).expect("it can be written");
        let request = "GET /x HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n";
        let (summary, answer) = converse(content(&dir, false), request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let octets = format!(" {} octets in, {} out", request.len(), answer.len());
        assert!(answer.len() > len && summary.contains(&octets), "{summary}");
        assert!(summary.contains("  1 request,"), "{summary}");
    }
}

#[tokio::test]
async fn a_body_is_taken_only_where_uploads_are() {
    for (upload, status) in [(true, "201 Created"), (false, "405 Method Not Allowed")] {
        for method in ["PUT", "POST"] {
            let dir = tempfile::tempdir().expect("a directory");
            let request = format!(
                "{method} /x HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\
                 Content-Length: 4\r\n\r\ntext"
            );
            let (_, answer) = converse(content(&dir, upload), &request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            let written = fs::read_to_string(dir.path().join("x")).ok();
            assert_eq!(written.as_deref(), upload.then_some("text"), "{method}");
        }
    }
}
