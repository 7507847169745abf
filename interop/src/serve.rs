//! `synfin serve` as a process of the namespace.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::kernel::{self, PATIENCE};
use crate::{Family, harness};

/// The interface that it makes.
pub const INTERFACE: &str = "synfin0";

/// A running `synfin serve`; it ends with the value.
pub struct Serve {
    process: Child,
    lines: Receiver<String>,
}

impl Serve {
    /// Serves `folder`, with more arguments, and waits until it does.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(harness::program());
        command
            .arg("serve")
            .arg(folder)
            .args(["--tun", INTERFACE])
            .args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the command starts");
        let stdout = process.stdout.take().expect("it is piped");
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Shown when the test fails.
                println!("serve: {line}");
                // The test may not be interested any more.
                let _ = send.send(line);
            }
        });
        let serve = Self { process, lines };
        serve.wait_for_line("http://");
        serve
    }

    /// Waits until it prints a line with `words` in it, and returns that line.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for_line(&self, words: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(_) => {}
                Err(error) => panic!("`synfin serve` prints no line with {words:?}: {error}"),
            }
        }
    }

    /// Where it serves.
    pub fn addr(family: Family) -> SocketAddr {
        SocketAddr::new(family.synfin(), 80)
    }

    /// Asks it to end and returns what it printed since the last question. A capture is complete
    /// then.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn stop(mut self) -> Vec<String> {
        kernel::run(&format!("kill -TERM {}", self.process.id()));
        let status = kernel::wait_for("`synfin serve` ends", || {
            self.process
                .try_wait()
                .expect("the process can be waited for")
        });
        assert!(status.success(), "`synfin serve` ended with {status}");
        self.lines.iter().collect()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It has ended if all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
