//! `synfin serve` and the kernel's curl.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use synfin_interop::Family;
use synfin_interop::capture;
use synfin_interop::harness::{Program, Test};
use synfin_interop::kernel::{self, PATIENCE, sha256};
use synfin_interop::pattern::Pattern;
use synfin_interop::serve::{INTERFACE, Serve};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

type Case = (&'static str, fn(Family));

pub(crate) fn tests() -> Vec<Test> {
    let cases: [Case; 9] = [
        ("files_arrive_whole", files_arrive_whole),
        ("a_large_file_arrives_whole", a_large_file_arrives_whole),
        ("fifty_curls_at_once", fifty_curls_at_once),
        ("a_bad_network", a_bad_network),
        ("two_files_on_one_connection", two_files_on_one_connection),
        ("a_closed_port_is_refused", a_closed_port_is_refused),
        ("a_killed_curl_leaves_nothing", a_killed_curl_leaves_nothing),
        (
            "a_download_survives_a_dead_interface",
            a_download_survives_a_dead_interface,
        ),
        (
            "an_end_by_signal_closes_connections",
            an_end_by_signal_closes_connections,
        ),
    ];
    let mut tests = Vec::new();
    for family in Family::ALL {
        for (name, case) in cases {
            let test = Test::new(format!("serve::{name}::{family}"), move || case(family));
            tests.push(test.with(Program::Command));
        }
    }
    tests
}

/// A folder with files of these sizes, named by them.
fn folder_of(sizes: &[u64]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for size in sizes {
        let path = folder.path().join(size.to_string());
        let mut file = fs::File::create(path).expect("the file can be made");
        let mut pattern = Pattern::new(*size);
        while pattern.offset() < *size {
            let piece = pattern.next((*size - pattern.offset()).min(MIB) as usize);
            file.write_all(&piece).expect("the file can be written");
        }
    }
    folder
}

fn url(family: Family, size: u64) -> String {
    kernel::url(Serve::addr(family), &size.to_string())
}

/// Fetches a file and compares its hash with that of the original.
fn fetch(family: Family, folder: &Path, size: u64) {
    let fetched = folder.join(format!("{size}.fetched"));
    let (url, to) = (url(family, size), fetched.display());
    kernel::run(&format!("curl -sS --fail --max-time 150 -o {to} {url}"));
    assert_eq!(
        sha256(&fetched),
        sha256(&folder.join(size.to_string())),
        "{size} octets"
    );
    fs::remove_file(fetched).expect("it was there");
}

fn files_arrive_whole(family: Family) {
    let sizes = [0, 1, 64 * KIB, 8 * MIB];
    let folder = folder_of(&sizes);
    let packets = tempfile::tempdir().expect("a folder");
    let capture = packets.path().join("serve.pcapng");
    let path = capture.display().to_string();
    let serve = Serve::start(folder.path(), &["--pcap", &path]);
    for size in sizes {
        fetch(family, folder.path(), size);
    }
    serve.stop();
    capture::judge_bulk(&capture, &capture::SLOW_RECEIVER);
}

fn a_large_file_arrives_whole(family: Family) {
    let folder = folder_of(&[256 * MIB]);
    let serve = Serve::start(folder.path(), &[]);
    fetch(family, folder.path(), 256 * MIB);
    serve.stop();
}

fn fifty_curls_at_once(family: Family) {
    let folder = folder_of(&[MIB]);
    let hash = sha256(&folder.path().join(MIB.to_string()));
    let serve = Serve::start(folder.path(), &[]);
    let fetched = |index: u32| folder.path().join(format!("fetched{index}"));
    let curls: Vec<_> = (0..50)
        .map(|index| {
            let (url, to) = (url(family, MIB), fetched(index));
            kernel::start(&format!(
                "curl -sS --fail --max-time 150 -o {} {url}",
                to.display()
            ))
        })
        .collect();
    for (index, curl) in (0..).zip(curls) {
        kernel::text_of(
            "curl",
            curl.wait_with_output().expect("curl can be waited for"),
        );
        assert_eq!(sha256(&fetched(index)), hash, "curl {index}");
    }
    serve.stop();
}

fn a_bad_network(family: Family) {
    let folder = folder_of(&[8 * MIB]);
    let packets = tempfile::tempdir().expect("a folder");
    let capture = packets.path().join("bad.pcapng");
    let path = capture.display().to_string();
    let faults = "drop=0.02,reorder=0.02,duplicate=0.01,seed=8";
    let serve = Serve::start(folder.path(), &["--fault", faults, "--pcap", &path]);
    fetch(family, folder.path(), 8 * MIB);
    serve.stop();
    let explained = [&capture::LOSS[..], &capture::SLOW_RECEIVER[..]].concat();
    capture::judge(&capture, &explained);
}

fn two_files_on_one_connection(family: Family) {
    let folder = folder_of(&[1, 64 * KIB]);
    let serve = Serve::start(folder.path(), &[]);
    let (first, second) = (url(family, 1), url(family, 64 * KIB));
    let to = "-o /dev/null";
    let connects = kernel::run(&format!(
        "curl -sS --fail -w %{{num_connects}} {to} {first} {to} {second}"
    ));
    assert_eq!(
        connects, "10",
        "one connection for the first, none for the second"
    );
    let ranges =
        format!("curl -sS --fail -r 1000-1999 -w %{{http_code}},%{{size_download}} {to} {second}");
    assert_eq!(kernel::run(&ranges), "206,1000");
    serve.stop();
}

fn a_closed_port_is_refused(family: Family) {
    let folder = folder_of(&[1]);
    let serve = Serve::start(folder.path(), &["--port", "8080"]);
    kernel::assert_refused(Serve::addr(family));
    serve.stop();
}

fn a_killed_curl_leaves_nothing(family: Family) {
    let folder = folder_of(&[1, 256 * MIB]);
    let serve = Serve::start(folder.path(), &["--trace"]);
    let fetched = folder.path().join("fetched");
    let (from, to) = (url(family, 256 * MIB), fetched.display());
    let mut curl = kernel::start(&format!("curl -sS --limit-rate 4M -o {to} {from}"));
    kernel::wait_for("some of the file", || {
        (fs::metadata(&fetched).ok()?.len() > MIB).then_some(())
    });
    curl.kill().expect("curl runs");
    curl.wait().expect("curl can be waited for");
    // Octets that it had not read make its kernel send RST.
    let line = serve.wait_for_line("CLOSED");
    assert!(line.contains("RST") || line.contains("reset"), "{line}");
    fetch(family, folder.path(), 1);
    serve.stop();
}

fn a_download_survives_a_dead_interface(family: Family) {
    let folder = folder_of(&[64 * MIB]);
    let serve = Serve::start(folder.path(), &[]);
    let fetched = folder.path().join("fetched");
    let (from, to) = (url(family, 64 * MIB), fetched.display());
    let curl = kernel::start(&format!("curl -sS --fail --limit-rate 32M -o {to} {from}"));
    let len = || fs::metadata(&fetched).map_or(0, |file| file.len());
    kernel::wait_for("some of the file", || (len() > 8 * MIB).then_some(()));
    kernel::take_down(INTERFACE);
    // What was on its way is lost: curl gets nothing more for longer than a round trip.
    let mut last = (len(), 0);
    kernel::wait_for("the flow stands still", || {
        last = (len(), if last.0 == len() { last.1 + 1 } else { 0 });
        (last.1 > 40).then_some(())
    });
    assert!(last.0 < 64 * MIB, "the interface went down too late");
    kernel::bring_up(INTERFACE);
    kernel::text_of(
        "curl",
        curl.wait_with_output().expect("curl can be waited for"),
    );
    assert_eq!(
        sha256(&fetched),
        sha256(&folder.path().join((64 * MIB).to_string()))
    );
    serve.stop();
}

fn an_end_by_signal_closes_connections(family: Family) {
    let folder = folder_of(&[1]);
    let serve = Serve::start(folder.path(), &[]);
    let mut stream = TcpStream::connect_timeout(&Serve::addr(family), PATIENCE).expect("it serves");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a limit is set");
    stream
        .write_all(b"GET /1 HTTP/1.1\r\nHost: synfin\r\n\r\n")
        .expect("there is room");
    let mut octets = [0; 4096];
    assert!(stream.read(&mut octets).expect("an answer") > 0);
    let peer = stream.local_addr().expect("it is connected");
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        stream
            .read_to_end(&mut rest)
            .expect("an end of stream, no reset");
    });
    let lines = serve.stop();
    reader.join().expect("the connection was closed");
    let port = peer.port().to_string();
    assert!(
        lines.iter().any(|line| line.contains(&port)),
        "a line for each connection: {lines:?}"
    );
}
