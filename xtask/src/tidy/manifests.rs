//! The direction of dependencies between the crates of the workspace.

use super::finding::{Finding, Rule};
use super::tree::Tree;
use crate::workspace::{Dependency, Package, Workspace};

/// What each crate may use, by layer: a crate stands above everything that it uses.
const CRATES: [Crate; 12] = [
    Crate {
        name: "synfin-wire",
        layer: 1,
        uses: &[],
    },
    Crate {
        name: "synfin-core",
        layer: 2,
        uses: &["synfin-wire"],
    },
    Crate {
        name: "synfin-device",
        layer: 3,
        uses: &["synfin-core"],
    },
    Crate {
        name: "synfin-trace",
        layer: 3,
        uses: &["synfin-core"],
    },
    Crate {
        name: "synfin-sim",
        layer: 4,
        uses: &["synfin-core", "synfin-trace"],
    },
    Crate {
        name: "synfin",
        layer: 5,
        uses: &["synfin-core", "synfin-device", "synfin-sim"],
    },
    Crate {
        name: "synfin-script",
        layer: 5,
        uses: &["synfin-core", "synfin-sim", "synfin-trace", "synfin-device"],
    },
    Crate {
        name: "synfin-capi",
        layer: 6,
        uses: &["synfin-core"],
    },
    Crate {
        name: "synfin-bench",
        layer: 6,
        uses: &["synfin-core", "synfin-sim", "synfin-device", "synfin"],
    },
    Crate {
        name: "synfin-cli",
        layer: 6,
        uses: LIBRARIES,
    },
    Crate {
        name: "synfin-interop",
        layer: 7,
        uses: LIBRARIES,
    },
    Crate {
        name: "xtask",
        layer: 0,
        uses: &[],
    },
];

const LIBRARIES: &[&str] = &[
    "synfin",
    "synfin-core",
    "synfin-device",
    "synfin-script",
    "synfin-sim",
    "synfin-trace",
    "synfin-wire",
];

struct Crate {
    name: &'static str,
    layer: u8,
    uses: &'static [&'static str],
}

/// Compares the manifests with the table.
pub(crate) fn check(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let path = workspace.relative(&package.manifest_path);
        let used = internal(workspace, package);
        findings.extend(
            breaches(&package.name, &used)
                .into_iter()
                .map(|message| Finding::of_file(Rule::Dependency, &path, message)),
        );
        let text = tree.texts.iter().find(|text| text.path == path);
        if !text.is_some_and(|text| takes_lints(&text.text)) {
            let message = "`[lints] workspace = true` is missing";
            findings.push(Finding::of_file(Rule::Manifest, &path, message));
        }
    }
    findings
}

/// The dependencies of `package` that are members of the workspace.
pub(crate) fn internal<'a>(workspace: &Workspace, package: &'a Package) -> Vec<&'a Dependency> {
    let is_member = |name: &str| workspace.packages.iter().any(|member| member.name == name);
    package
        .dependencies
        .iter()
        .filter(|dependency| is_member(&dependency.name))
        .collect()
}

fn breaches(name: &str, used: &[&Dependency]) -> Vec<String> {
    let Some(user) = find(name) else {
        return vec![format!(
            "`{name}` has no place in the table of `cargo xtask tidy`"
        )];
    };
    let mut breaches = Vec::new();
    for dependency in used {
        let target = dependency.name.as_str();
        let for_tests = dependency.kind.as_deref() == Some("dev");
        let below = find(target).is_some_and(|found| found.layer < user.layer);
        // With its own optional features a crate's tests may use the crate itself.
        let itself = target == name;
        let allowed = user.uses.contains(&target) || (for_tests && (below || itself));
        if !allowed {
            let kind = if for_tests { "tests of " } else { "" };
            breaches.push(format!("{kind}`{name}` may not use `{target}`"));
        }
    }
    breaches
}

fn find(name: &str) -> Option<&'static Crate> {
    CRATES.iter().find(|known| known.name == name)
}

fn takes_lints(manifest: &str) -> bool {
    let table: Option<toml::Table> = toml::from_str(manifest).ok();
    let lints = table
        .as_ref()
        .and_then(|table| table.get("lints")?.get("workspace")?.as_bool());
    lints == Some(true)
}

#[cfg(test)]
mod tests {
    use super::{CRATES, breaches, find, takes_lints};
    use crate::workspace::Dependency;

    fn count(name: &str, target: &str, kind: Option<&str>) -> usize {
        let dependency = Dependency {
            name: target.to_owned(),
            kind: kind.map(str::to_owned),
        };
        breaches(name, &[&dependency]).len()
    }

    #[test]
    fn the_table_itself_points_downwards() {
        for known in &CRATES {
            for used in known.uses {
                assert!(
                    find(used).unwrap().layer < known.layer,
                    "{} -> {used}",
                    known.name
                );
            }
        }
    }

    #[test]
    fn dependencies_follow_the_table() {
        assert_eq!(count("synfin-core", "synfin-wire", None), 0);
        assert_eq!(count("synfin-core", "synfin-sim", None), 1);
        assert_eq!(count("synfin-trace", "synfin-device", None), 1);
        assert_eq!(count("synfin-surprise", "synfin-core", None), 1);
    }

    #[test]
    fn tests_may_use_any_layer_below() {
        assert_eq!(count("synfin-sim", "synfin-wire", Some("dev")), 0);
        assert_eq!(count("synfin-core", "synfin-sim", Some("dev")), 1);
        assert_eq!(count("synfin-sim", "synfin-wire", Some("build")), 1);
    }

    #[test]
    fn lints_come_from_the_workspace() {
        assert!(takes_lints("[lints]\nworkspace = true\n"));
        assert!(!takes_lints("[package]\nname = \"a\"\n"));
    }
}
