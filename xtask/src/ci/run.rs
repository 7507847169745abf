//! Runs one command with its output visible, and counts what it reports.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use crate::workspace::Result;

/// Checks and tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    /// One check.
    pub(crate) fn one(passed: bool) -> Self {
        Self {
            passed: u64::from(passed),
            failed: u64::from(!passed),
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} passed, {} failed", self.passed, self.failed))
    }
}

/// Runs `command`. Tests in its output are counted; without tests the command is one check.
pub(crate) fn run(mut command: Command) -> Result<Count> {
    println!("$ {}", shown(&command));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", shown(&command)))?;
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| format!("output of {}: {error}", shown(&command)))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            count += test_result(&line).unwrap_or_default();
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("{}: {error}", shown(&command)))?;
    Ok(judged(count, status.success()))
}

/// A command that failed without a failed test is a failed check: it did not build, or crashed.
fn judged(mut count: Count, success: bool) -> Count {
    match (success, count.failed) {
        (false, 0) => count.failed = 1,
        (true, 0) if count.passed == 0 => count.passed = 1,
        _ => {}
    }
    count
}

/// Reads `test result: ok. 12 passed; 0 failed; ...`.
fn test_result(line: &str) -> Option<Count> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let number = |word: &str| -> Option<u64> {
        rest.split(['.', ';'])
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
    };
    Some(Count {
        passed: number("passed")?,
        failed: number("failed")?,
    })
}

fn shown(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_string_lossy(), value?.to_string_lossy())))
        .map(|(name, value)| format!("{name}='{value}'"))
        .collect();
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Count, judged, shown, test_result};
    use std::process::Command;

    #[test]
    fn results_of_tests_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 2 filtered \
                    out; finished in 0.01s";
        assert_eq!(
            test_result(line),
            Some(Count {
                passed: 12,
                failed: 3
            })
        );
        assert_eq!(test_result("test resulting ... ok"), None);
    }

    #[test]
    fn a_command_without_tests_is_one_check() {
        let none = Count::default();
        assert_eq!(judged(none, true), Count::one(true));
        assert_eq!(judged(none, false), Count::one(false));
    }

    #[test]
    fn a_command_that_fails_beside_its_tests_is_a_failure() {
        let five = Count {
            passed: 5,
            failed: 0,
        };
        assert_eq!(judged(five, true), five);
        assert_eq!(
            judged(five, false),
            Count {
                passed: 5,
                failed: 1
            }
        );
        let one = Count {
            passed: 4,
            failed: 1,
        };
        assert_eq!(judged(one, false), one);
    }

    #[test]
    fn commands_are_shown_as_one_would_type_them() {
        let mut command = Command::new("cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shown(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }
}
