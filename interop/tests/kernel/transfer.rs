//! Bulk data through a stack in a thread of the test: both roles, both ways, also over a bad
//! network; curl and nginx as the kernel's programs.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown as KernelShutdown;
use std::path::Path;

use synfin_core::Shutdown;
use synfin_interop::Family;
use synfin_interop::capture;
use synfin_interop::harness::Test;
use synfin_interop::host::{Host, HostOptions, synfin_addr};
use synfin_interop::kernel::{self, Nginx, sha256};
use synfin_interop::pair::{Pair, Role};
use synfin_interop::pattern::Pattern;
use synfin_interop::socket::Socket;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

type Case = (&'static str, fn(Family));

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for family in Family::ALL {
        for role in Role::ALL {
            let name = format!("transfer::both_ways_at_once::{family}::{}", role.name());
            tests.push(Test::new(name, move || both_ways_at_once(family, role)));
            let name = format!("transfer::a_bad_network::{family}::{}", role.name());
            tests.push(Test::new(name, move || a_bad_network(family, role)));
        }
        let cases: [Case; 7] = [
            ("fetch_from_nginx", fetch_from_nginx),
            ("fifty_fetches_at_once", fifty_fetches_at_once),
            ("upload_by_curl", upload_by_curl),
            ("upload_by_curl_on_a_bad_network", upload_on_a_bad_network),
            ("fetch_on_a_bad_network", fetch_on_a_bad_network),
            ("fetch_of_256_mib_at_2_percent_loss", large_fetch_at_loss),
            ("upload_of_256_mib_at_2_percent_loss", large_upload_at_loss),
        ];
        for (name, case) in cases {
            tests.push(Test::new(
                format!("transfer::{name}::{family}"),
                move || case(family),
            ));
        }
    }
    tests
}

/// The faults of "a bad network", both ways.
const BAD: &str = "drop=0.02,reorder=0.02,duplicate=0.01,seed=20";

fn both_ways_at_once(family: Family, role: Role) {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("both.pcap");
    let options = HostOptions {
        capture: Some(capture.clone()),
        ..HostOptions::default()
    };
    let host = Host::start(options);
    exchange(&host, family, role, 32 * MIB);
    drop(host);
    capture::judge_bulk(&capture, &capture::SLOW_RECEIVER);
}

fn a_bad_network(family: Family, role: Role) {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("bad.pcap");
    let faults = BAD.parse().expect("a list of faults");
    let host = Host::start(HostOptions {
        capture: Some(capture.clone()),
        faults,
        ..HostOptions::default()
    });
    exchange(&host, family, role, 8 * MIB);
    drop(host);
    let explained = [&capture::LOSS[..], &capture::SLOW_RECEIVER[..]].concat();
    capture::judge(&capture, &explained);
}

/// Both sides send `len` octets at the same time, end their half, and find what they expect.
pub(crate) fn exchange(host: &Host, family: Family, role: Role, len: u64) {
    let Pair {
        ours, mut theirs, ..
    } = Pair::open(host, role, family);
    let checked = ours.begin_check(Pattern::new(1));
    let written = ours.begin_fill(Pattern::new(2), len);
    let mut to_kernel = theirs.try_clone().expect("a second handle");
    let reader = std::thread::spawn(move || {
        let mut pattern = Pattern::new(2);
        let mut octets = vec![0; 64 * 1024];
        loop {
            match to_kernel.read(&mut octets).expect("the kernel can read") {
                0 => return pattern.offset(),
                read => pattern.check(&octets[..read]),
            }
        }
    });
    let mut pattern = Pattern::new(1);
    while pattern.offset() < len {
        theirs
            .write_all(&pattern.next(64 * 1024))
            .expect("the kernel can write");
    }
    theirs
        .shutdown(KernelShutdown::Write)
        .expect("it is connected");
    written.wait("all is written").expect("synfin can write");
    ours.shutdown(Shutdown::Write);
    assert_eq!(checked.wait("the kernel's end of the stream"), Ok(len));
    assert_eq!(
        reader.join().expect("the kernel found what it expected"),
        len
    );
    ours.close(None);
    host.wait_for_silence();
}

/// Writes a file of a pattern and returns its hash.
fn make_file(path: &Path, len: u64) -> String {
    let mut file = fs::File::create(path).expect("the file can be made");
    let mut pattern = Pattern::new(len);
    while pattern.offset() < len {
        let piece = pattern.next((len - pattern.offset()).min(MIB) as usize);
        file.write_all(&piece).expect("the file can be written");
    }
    drop(file);
    sha256(path)
}

/// Sends a request, and returns the connection, which the server closes after its answer.
fn request<'h>(host: &'h Host, nginx: &Nginx, name: &str) -> Socket<'h> {
    let ours = Socket::connect(host, nginx.addr());
    let text = format!("GET /{name} HTTP/1.1\r\nHost: kernel\r\nConnection: close\r\n\r\n");
    ours.write_all(text.as_bytes());
    ours
}

/// Takes the head off an answer that was saved with it.
fn strip_head(path: &Path, body: &Path) {
    let answer = fs::read(path).expect("the answer was saved");
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    fs::write(body, &answer[head + 4..]).expect("the file can be written");
}

fn fetch_from_nginx(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("fetch.pcap");
    // Without a capture first: 256 MiB are too much to keep.
    for (sizes, packets) in [
        (&[256 * MIB][..], None),
        (&[0, 1, 64 * KIB, 8 * MIB][..], Some(capture.clone())),
    ] {
        let host = Host::start(HostOptions {
            capture: packets,
            ..HostOptions::default()
        });
        let mut nginx = Nginx::start(folder.path(), folder.path(), family);
        for size in sizes {
            fetch_and_compare(&host, &nginx, folder.path(), *size);
        }
        nginx.kill();
    }
    capture::judge_bulk(&capture, &capture::SLOW_RECEIVER);
}

pub(crate) fn fetch_and_compare(host: &Host, nginx: &Nginx, folder: &Path, size: u64) {
    let name = format!("{size}.bin");
    let hash = make_file(&folder.join(&name), size);
    let ours = request(host, nginx, &name);
    let saved = folder.join("answer");
    ours.begin_save(&saved)
        .wait("the answer")
        .expect("the whole answer");
    ours.close(None);
    let body = folder.join("body");
    strip_head(&saved, &body);
    assert_eq!(sha256(&body), hash, "{size} octets");
    host.wait_for_silence();
}

fn fetch_on_a_bad_network(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = BAD.parse().expect("a list of faults");
    let host = Host::start(HostOptions {
        faults,
        ..HostOptions::default()
    });
    let nginx = Nginx::start(folder.path(), folder.path(), family);
    fetch_and_compare(&host, &nginx, folder.path(), 8 * MIB);
}

/// A host on a network that loses 2 % of the packets, both ways.
fn lossy_host() -> Host {
    let faults = "drop=0.02,seed=20".parse().expect("a list of faults");
    Host::start(HostOptions {
        faults,
        ..HostOptions::default()
    })
}

fn large_fetch_at_loss(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let host = lossy_host();
    let nginx = Nginx::start(folder.path(), folder.path(), family);
    fetch_and_compare(&host, &nginx, folder.path(), 256 * MIB);
}

fn large_upload_at_loss(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    upload(&lossy_host(), family, folder.path(), 256 * MIB);
}

fn fifty_fetches_at_once(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::plain();
    let nginx = Nginx::start(folder.path(), folder.path(), family);
    let hash = make_file(&folder.path().join("file"), MIB);
    let sockets: Vec<_> = (0..50).map(|_| request(&host, &nginx, "file")).collect();
    let path = |index: usize| folder.path().join(format!("answer{index}"));
    let saved: Vec<_> = sockets
        .iter()
        .enumerate()
        .map(|(index, socket)| socket.begin_save(&path(index)))
        .collect();
    for (index, answer) in saved.into_iter().enumerate() {
        answer.wait("the answer").expect("the whole answer");
        let body = folder.path().join("body");
        strip_head(&path(index), &body);
        assert_eq!(sha256(&body), hash, "answer {index}");
    }
    sockets.into_iter().for_each(|socket| socket.close(None));
    host.wait_for_silence();
}

fn upload_by_curl(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("upload.pcap");
    let host = Host::start(HostOptions {
        capture: Some(capture.clone()),
        ..HostOptions::default()
    });
    for size in [0, 1, 64 * KIB, 64 * MIB] {
        upload(&host, family, folder.path(), size);
    }
    drop(host);
    capture::judge_bulk(&capture, &capture::SLOW_RECEIVER);
}

fn upload_on_a_bad_network(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = BAD.parse().expect("a list of faults");
    let host = Host::start(HostOptions {
        faults,
        ..HostOptions::default()
    });
    upload(&host, family, folder.path(), 8 * MIB);
}

/// Takes one PUT of curl, answers it and compares what came with what was sent.
pub(crate) fn upload(host: &Host, family: Family, folder: &Path, size: u64) {
    let port = 9000 + (size % 97) as u16;
    let listener = host.listen(port);
    let file = folder.join("upload.bin");
    let hash = make_file(&file, size);
    let url = kernel::url(synfin_addr(family, port), "upload.bin");
    // `Expect:` takes out the question for permission, which the server below does not answer.
    let curl = kernel::start(&format!(
        "curl -sS --max-time 100 -H Expect: -T {} {url}",
        file.display()
    ));
    let ours = Socket::accept(host, listener);
    let request = ours.read_until(is_whole_request);
    let head = head_len(&request).expect("the request is whole");
    let body = folder.join("body");
    fs::write(&body, &request[head..]).expect("the file can be written");
    ours.write_all(
        b"HTTP/1.1 201 Created\r\nContent-Length: 8\r\nConnection: close\r\n\r\nreceived",
    );
    ours.close(None);
    let answer = curl.wait_with_output().expect("curl can be waited for");
    assert_eq!(kernel::text_of("curl", answer), "received");
    assert_eq!(sha256(&body), hash, "{size} octets");
    host.wait_for_silence();
}

fn head_len(request: &[u8]) -> Option<usize> {
    // A head is short: the rest of a long request is not searched again and again.
    let start = &request[..request.len().min(4096)];
    start
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|end| end + 4)
}

fn is_whole_request(read: &[u8]) -> bool {
    let Some(head) = head_len(read) else {
        return false;
    };
    let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
    let len = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let len: usize = len
        .expect("curl tells the length")
        .trim()
        .parse()
        .expect("a number");
    read.len() >= head + len
}
