//! Runs each test in namespaces of its own, with a limit of time.
//!
//! The test program starts itself again under `unshare`, told by an environment variable which
//! test to run. The new process is the first of its process namespace and dies with `unshare`, so
//! that killing the one ends every process that the test has started.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

const INSIDE: &str = "SYNFIN_INTEROP_INSIDE";
const PROGRAM: &str = "SYNFIN_INTEROP_PROGRAM";
const REQUIRED: &str = "SYNFIN_REQUIRE_PRIVILEGED";

/// How long a test may take.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// The programs that the tests start.
const PROGRAMS: [&str; 8] = [
    "bridge",
    "curl",
    "ip",
    "nginx",
    "sha256sum",
    "ss",
    "tshark",
    "unshare",
];

/// One test: its name and what it does. It fails by a panic.
pub struct Test {
    name: String,
    body: Box<dyn Fn() + Send + Sync>,
    program: Option<Program>,
}

/// A program of this workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// The `synfin` command.
    Command,
    /// `synfin-bench`.
    Bench,
}

impl Program {
    /// The package and its program.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Command => ("synfin-cli", "synfin"),
            Self::Bench => ("synfin-bench", "synfin-bench"),
        }
    }
}

impl Test {
    /// A test of this name.
    pub fn new(name: impl Into<String>, body: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            body: Box::new(body),
            program: None,
        }
    }

    /// The same, with a program built before it runs.
    #[must_use]
    pub fn with(mut self, program: Program) -> Self {
        self.program = Some(program);
        self
    }
}

/// The main function of a test program.
pub fn run(tests: Vec<Test>) -> ExitCode {
    if let Ok(name) = std::env::var(INSIDE) {
        let test = tests
            .iter()
            .find(|test| test.name == name)
            .expect("a test of this name");
        (test.body)();
        return ExitCode::SUCCESS;
    }
    let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "1");
    let space = find_space();
    let trials = tests.into_iter().map(|test| {
        let space = space.clone();
        Trial::ignorable_test(test.name.clone(), move || match space {
            Ok(space) => run_inside(&space, &test).map(|()| Completion::Completed),
            Err(reason) if required => Err(Failed::from(reason)),
            Err(reason) => Ok(Completion::ignored_with(reason)),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The program that a test was declared [`Test::with`].
pub fn program() -> PathBuf {
    std::env::var_os(PROGRAM)
        .expect("the test is declared with a program")
        .into()
}

/// The arguments of `unshare` that work here, or what is missing.
fn find_space() -> Result<Vec<&'static str>, String> {
    let tun = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    tun.map_err(|error| format!("needs /dev/net/tun: {error}"))?;
    if let Some(program) = PROGRAMS.iter().find(|program| !is_installed(program)) {
        return Err(format!("needs {program}"));
    }
    let spaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let as_user = ["--user", "--map-root-user"];
    let mut last = String::new();
    for user in [&as_user[..0], &as_user[..]] {
        let arguments: Vec<_> = user.iter().chain(&spaces).copied().collect();
        let output = Command::new("unshare")
            .args(&arguments)
            .args(["ip", "link"])
            .output();
        let output = output.map_err(|error| format!("needs unshare: {error}"))?;
        if output.status.success() {
            return Ok(arguments);
        }
        last = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    Err(format!("needs root for a network namespace: {last}"))
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn run_inside(space: &[&str], test: &Test) -> Result<(), Failed> {
    let own = std::env::current_exe().map_err(|error| Failed::from(error.to_string()))?;
    let mut inside = Command::new("unshare");
    inside
        .args(space)
        .arg("--")
        .arg(&own)
        .env(INSIDE, &test.name);
    inside
        .env("RUST_BACKTRACE", "0")
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    if let Some(program) = test.program {
        inside.env(PROGRAM, built(program, &own)?);
    }
    inside
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = inside
        .spawn()
        .map_err(|error| Failed::from(format!("unshare: {error}")))?;
    judge(child)
}

/// Waits for the end of a test; what it has written is the message of its failure.
fn judge(mut child: Child) -> Result<(), Failed> {
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let (ended, wait) = mpsc::channel();
    let id = child.id();
    thread::spawn(move || ended.send(child.wait()));
    let outcome = match wait.recv_timeout(TIME_LIMIT) {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(status)) => format!("{status}"),
        Ok(Err(error)) => format!("cannot wait for the test: {error}"),
        Err(_) => {
            let killed = Command::new("kill")
                .args(["-KILL", &id.to_string()])
                .status();
            format!("not done after {TIME_LIMIT:?} (kill: {killed:?})")
        }
    };
    let text = |output: mpsc::Receiver<String>| {
        output
            .recv_timeout(Duration::from_secs(5))
            .unwrap_or_default()
    };
    Err(Failed::from(format!(
        "{outcome}\n{}{}",
        text(stdout),
        text(stderr)
    )))
}

fn collect(output: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (done, text) = mpsc::channel();
    thread::spawn(move || {
        let mut octets = Vec::new();
        if let Some(mut output) = output {
            // What was read before an error is what there is to show.
            let _ = output.read_to_end(&mut octets);
        }
        done.send(String::from_utf8_lossy(&octets).into_owned())
    });
    text
}

/// Builds a program as this test program was built, once.
fn built(program: Program, own: &Path) -> Result<PathBuf, Failed> {
    static BUILT: Mutex<BTreeMap<Program, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(&program) {
        return Ok(path.clone());
    }
    let path = build(program, own)?;
    built.insert(program, path.clone());
    Ok(path)
}

/// A test program is TARGET/PROFILE/deps/NAME.
fn build(program: Program, own: &Path) -> Result<PathBuf, Failed> {
    let mut above = own.ancestors().skip(2);
    let (folder, target) = (above.next(), above.next());
    let (folder, target) = folder
        .zip(target)
        .ok_or("the test program is in no target folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let (package, name) = program.names();
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", package, "--bin", name]);
    build
        .args(["--profile", profile])
        .arg("--target-dir")
        .arg(target);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = build
        .output()
        .map_err(|error| Failed::from(format!("cargo: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Failed::from(format!("{name} does not build:\n{text}")));
    }
    Ok(folder.join(name))
}
