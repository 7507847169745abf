//! The kernel's side: its programs, and what it says of its connections.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Family;

/// How long anything may take that ought to happen soon.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that tells nobody when it changes.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Runs a command to its end and returns what it printed.
///
/// # Panics
/// When it cannot be started or fails.
pub fn run(command: &str) -> String {
    let output = start(command).wait_with_output().expect("the command runs");
    text_of(command, output)
}

/// Starts a command whose words are separated by blanks, with its output kept.
///
/// # Panics
/// When it cannot be started.
pub fn start(command: &str) -> Child {
    let mut words = command.split_whitespace();
    let program = words.next().expect("a command has a name");
    let mut process = Command::new(program);
    process
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    process
        .spawn()
        .unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// What a process printed.
///
/// # Panics
/// When it failed; `what` is the message.
pub fn text_of(what: &str, output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{what}: {}\n{text}{error}",
        output.status
    );
    text
}

/// Asks `probe` again and again until it has an answer.
///
/// # Panics
/// When it has none for too long.
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited too long: {what}");
        thread::park_timeout(LOOK_AGAIN);
    }
}

/// The state of a connection of the kernel in the words of `ss`; `None` when it has no such
/// connection.
pub fn state_of(local: SocketAddr, remote: SocketAddr) -> Option<String> {
    let (local, remote) = (local.to_string(), remote.to_string());
    run("ss -Htan").lines().find_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let found = columns.get(3..5)? == [local.as_str(), remote.as_str()];
        found.then(|| columns[0].to_owned())
    })
}

/// Waits until a connection of the kernel is in a state; `None` is to be gone.
///
/// # Panics
/// When it does not get there.
pub fn wait_for_state(local: SocketAddr, remote: SocketAddr, state: Option<&str>) {
    let what = format!("{local} to {remote} in {}", state.unwrap_or("no state"));
    let mut last = None;
    let deadline = Instant::now() + PATIENCE;
    wait_for(&what, || {
        last = state_of(local, remote);
        assert!(Instant::now() < deadline, "{what}, but it is {last:?}");
        (last.as_deref() == state).then_some(())
    });
}

/// The SHA-256 of a file, as hexadecimal digits.
///
/// # Panics
/// When it cannot be read.
pub fn sha256(path: &Path) -> String {
    let text = run(&format!("sha256sum {}", path.display()));
    text.split_whitespace()
        .next()
        .expect("sha256sum prints a hash")
        .to_owned()
}

/// A URL of something at an address.
pub fn url(addr: SocketAddr, path: &str) -> String {
    format!("http://{addr}/{path}")
}

/// Has curl try an address where nobody listens, and checks that it was told so at once.
///
/// # Panics
/// When it was not refused.
pub fn assert_refused(addr: SocketAddr) {
    let curl = start(&format!("curl -sv {}", url(addr, "")));
    let output = curl.wait_with_output().expect("curl can be waited for");
    assert_eq!(output.status.code(), Some(7), "curl could not connect");
    // Only the verbose log has the words of the system in every version of curl.
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("Connection refused"), "{log}");
}

/// Sets a network option of this namespace: `net/ipv4/...`.
///
/// # Panics
/// When the kernel does not take it.
pub fn set_option(option: &str, value: &str) {
    let path = format!("/proc/sys/{option}");
    std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Takes an interface down and keeps its IPv6 addresses, which the kernel would drop.
///
/// # Panics
/// When it cannot.
pub fn take_down(interface: &str) {
    set_option(&format!("net/ipv6/conf/{interface}/keep_addr_on_down"), "1");
    run(&format!("ip link set dev {interface} down"));
}

/// Brings an interface up again.
///
/// # Panics
/// When it cannot.
pub fn bring_up(interface: &str) {
    run(&format!("ip link set dev {interface} up"));
}

/// An nginx that serves a folder; it ends with the value.
pub struct Nginx {
    process: Child,
    addr: SocketAddr,
}

impl Nginx {
    /// Serves `folder` at the kernel's address; its own files go to `work`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(folder: &Path, work: &Path, family: Family) -> Self {
        let addr = SocketAddr::new(family.kernel(), 8080);
        let config = work.join("nginx.conf");
        let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};", work.display()))
            .join("\n");
        let text = format!(
            "daemon off; master_process off; pid {work}/nginx.pid; error_log stderr;\n\
             events {{}}\n\
             http {{ access_log off; sendfile on; {places}\n\
             server {{ listen {addr}; root {folder}; }} }}\n",
            work = work.display(),
            folder = folder.display(),
        );
        std::fs::write(&config, text).expect("the folder can be written");
        let process = start(&format!("nginx -c {}", config.display()));
        wait_for("nginx listens", || {
            let listening = run("ss -Htln");
            listening.contains(&addr.to_string()).then_some(())
        });
        Self { process, addr }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn kill(&mut self) {
        self.process.kill().expect("nginx runs");
        self.process.wait().expect("nginx can be waited for");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have been killed; the namespace ends whatever is left.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
