//! Runs each test in namespaces of its own, with a limit of time.
//!
//! The test program starts itself again under `unshare`, told by an environment variable which
//! test to run. The new process is the first of its process namespace and dies with `unshare`, so
//! that killing the one ends every process that the test has started.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

const INSIDE: &str = "SYNFIN_INTEROP_INSIDE";
const COMMAND: &str = "SYNFIN_INTEROP_COMMAND";
const REQUIRED: &str = "SYNFIN_REQUIRE_PRIVILEGED";

/// How long a test may take.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// The programs that the tests start.
const PROGRAMS: [&str; 7] = [
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
    needs_command: bool,
}

impl Test {
    /// A test of this name.
    pub fn new(name: impl Into<String>, body: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            body: Box::new(body),
            needs_command: false,
        }
    }

    /// The same, with the `synfin` command built before it runs.
    #[must_use]
    pub fn with_command(mut self) -> Self {
        self.needs_command = true;
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

/// The `synfin` command, for a test that was declared [`Test::with_command`].
pub fn command() -> PathBuf {
    std::env::var_os(COMMAND)
        .expect("the test is declared with the command")
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
    if test.needs_command {
        inside.env(COMMAND, built_command(&own)?);
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

/// Builds the command as this test program was built, once.
fn built_command(own: &Path) -> Result<PathBuf, Failed> {
    static BUILT: OnceLock<Mutex<Option<PathBuf>>> = OnceLock::new();
    let built = BUILT.get_or_init(Mutex::default);
    let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &*built {
        return Ok(path.clone());
    }
    let path = build(own)?;
    *built = Some(path.clone());
    Ok(path)
}

/// A test program is TARGET/PROFILE/deps/NAME.
fn build(own: &Path) -> Result<PathBuf, Failed> {
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
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--quiet",
        "--package",
        "synfin-cli",
        "--bin",
        "synfin",
    ]);
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
        return Err(Failed::from(format!("the command does not build:\n{text}")));
    }
    Ok(folder.join("synfin"))
}
