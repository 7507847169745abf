//! Why the command ends badly, and with which exit code.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Why the command ends badly. The text is for the user and says what to do where there is
/// something to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line asks for something that there is not: exit code 2.
    Usage(String),
    /// It was tried and did not work: exit code 1.
    Failed(String),
    /// Whoever reads the output has seen enough.
    OutputClosed,
}

impl Failure {
    /// What was to be done with a file, and why it did not work.
    pub(crate) fn with_file(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::Failed(format!("cannot {action} {}: {error}", path.display()))
    }

    /// The exit code: 1 for a failure, 2 for usage.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
            Self::OutputClosed => ExitCode::SUCCESS,
        }
    }
}

/// Standard output is the only stream whose errors are converted without saying more.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
            Self::OutputClosed => f.write_str("the output was closed"),
        }
    }
}
