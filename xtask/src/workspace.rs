//! The workspace as cargo and git see it: packages, targets, dependencies, files.
//!
//! Nothing is guessed from folder names: `cargo metadata` says which files are crate roots and
//! which crate uses which, `git ls-files` says which files belong to the project.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// What a check returns; the error is a sentence for the person at the terminal.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// The workspace in whose folder the command was started.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
    /// Packages in the tree that are no members: fuzz targets, the probe of `cargo xtask ci`.
    #[serde(default)]
    pub(crate) guests: Vec<Package>,
}

/// One member of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: std::collections::BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<Target>,
}

/// One line of a `[dependencies]` table.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// A library, binary, test, bench, example or build script.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace of the current folder.
    pub(crate) fn open() -> Result<Self> {
        let mut workspace = Self::metadata(&[])?;
        for file in workspace
            .files()?
            .iter()
            .filter(|file| file.ends_with("/Cargo.toml"))
        {
            let manifest = workspace.root.join(file);
            if workspace
                .packages
                .iter()
                .all(|package| package.manifest_path != manifest)
            {
                let path = manifest.to_string_lossy();
                let guest = Self::metadata(&["--offline", "--manifest-path", &path])?;
                workspace.guests.extend(guest.packages);
            }
        }
        Ok(workspace)
    }

    fn metadata(more: &[&str]) -> Result<Self> {
        let arguments = ["metadata", "--no-deps", "--format-version", "1"];
        let json = stdout_of(Command::new("cargo").args(arguments).args(more))?;
        serde_json::from_slice(&json).map_err(|error| format!("cargo metadata: {error}"))
    }

    /// Every file of the project, tracked or about to be, as paths from the root.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let arguments = [
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ];
        let listing = stdout_of(Command::new("git").args(arguments).current_dir(&self.root))?;
        let mut files: Vec<String> = String::from_utf8_lossy(&listing)
            .split_terminator('\0')
            .filter(|path| self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// `path` as seen from the root, with forward slashes.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    }

    /// The package whose folder holds `path`; the innermost one if folders nest.
    pub(crate) fn package_of(&self, path: &str) -> Option<&Package> {
        self.packages
            .iter()
            .chain(&self.guests)
            .filter(|package| path.starts_with(&format!("{}/", self.folder(package))))
            .max_by_key(|package| package.manifest_path.as_os_str().len())
    }

    /// The folder of `package` as seen from the root.
    pub(crate) fn folder(&self, package: &Package) -> String {
        self.relative(package.manifest_path.parent().unwrap_or(&self.root))
    }
}

impl Package {
    /// Whether other crates can depend on it.
    pub(crate) fn is_library(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "lib"))
    }
}

impl Target {
    /// Whether it is compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        self.kind
            .iter()
            .any(|kind| kind == "test" || kind == "bench")
    }
}

fn stdout_of(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("cannot start {name}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!(
        "{name} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}
