//! Which file a request's path names: percent-decoding, and no way out of the directory.
//!
//! A path is taken apart before it touches the file system: a segment that is `..`, or that holds
//! a slash or a NUL after decoding, names nothing. What is left is made canonical and has to lie
//! below the directory, so a symbolic link may lead anywhere inside it and nowhere else.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// The directory that is served.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    root: PathBuf,
}

/// What a path names.
#[derive(Debug)]
pub(crate) enum Target {
    /// A regular file.
    File(PathBuf, Metadata),
    /// A directory without an `index.html`.
    Directory(PathBuf),
    /// A directory whose path lacks the slash at its end, so that relative links would fail.
    NeedsSlash,
    /// Nothing that may be shown.
    Missing,
    /// Something that this process may not read, or that lies outside.
    Forbidden,
}

impl Site {
    /// The directory, which must exist.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        fs::read_dir(&root)?;
        Ok(Self { root })
    }

    /// Its canonical path.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the path of a request, without its query, names.
    pub(crate) fn find(&self, path: &str) -> Target {
        let Some(names) = segments(path) else {
            return Target::Missing;
        };
        let wanted = self.root.join(names.iter().collect::<PathBuf>());
        let target = self.below_root(&wanted, path.ends_with('/'));
        let Target::Directory(directory) = &target else {
            return target;
        };
        match self.below_root(&directory.join("index.html"), false) {
            file @ Target::File(..) => file,
            _ => target,
        }
    }

    /// Looks at a path after all links of it were followed.
    fn below_root(&self, wanted: &Path, with_slash: bool) -> Target {
        let found = wanted
            .canonicalize()
            .and_then(|path| Ok((path.metadata()?, path)));
        let (metadata, path) = match found {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Target::Forbidden;
            }
            Err(_) => return Target::Missing,
        };
        if !path.starts_with(&self.root) {
            return Target::Forbidden;
        }
        match (metadata.is_dir(), with_slash) {
            (true, true) => Target::Directory(path),
            (true, false) => Target::NeedsSlash,
            (false, false) if metadata.is_file() => Target::File(path, metadata),
            (false, true) => Target::Missing,
            // A FIFO or a device would block or worse.
            (false, false) => Target::Forbidden,
        }
    }
}

/// The decoded names of a path, or `None` for one that tries something.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for raw in path.strip_prefix('/')?.split('/') {
        let name = percent_decode_str(raw).decode_utf8().ok()?;
        match &*name {
            "" | "." => {}
            ".." => return None,
            name if name.contains(['/', '\0']) => return None,
            name => names.push(name.to_owned()),
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> (tempfile::TempDir, Site) {
        let outer = tempfile::tempdir().expect("a directory");
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("sub/deep")).expect("directories");
        fs::create_dir_all(root.join("start")).expect("directories");
        fs::write(outer.path().join("secret"), "no").expect("a file");
        fs::write(root.join("a b.txt"), "text").expect("a file");
        fs::write(root.join("start/index.html"), "<p>").expect("a file");
        let site = Site::new(&root).expect("it exists");
        (outer, site)
    }

    #[test]
    fn names_are_decoded() {
        let (_outer, site) = site();
        assert!(matches!(site.find("/a%20b.txt"), Target::File(_, m) if m.len() == 4));
        assert!(matches!(site.find("/sub/"), Target::Directory(_)));
        assert!(matches!(site.find("//sub//.//deep/"), Target::Directory(_)));
        assert!(matches!(site.find("/sub"), Target::NeedsSlash));
        assert!(matches!(site.find("/a%20b.txt/"), Target::Missing));
        assert!(matches!(site.find("/nothing"), Target::Missing));
        assert!(
            matches!(site.find("/start/"), Target::File(path, _) if path.ends_with("index.html"))
        );
    }

    #[test]
    fn nothing_leads_out() {
        let (_outer, site) = site();
        for path in [
            "/../secret",
            "/sub/../../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/sub/..",
            "/a%00b",
            "secret",
            "*",
            "/%ff",
        ] {
            assert!(matches!(site.find(path), Target::Missing), "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere_else() {
        use std::os::unix::fs::symlink;
        let (outer, site) = site();
        let link = |to: &Path, name: &str| symlink(to, site.root().join(name)).expect("a link");
        link(&outer.path().join("secret"), "file");
        link(outer.path(), "dir");
        link(Path::new("sub"), "inside");
        link(Path::new("loop"), "loop");
        fs::create_dir(site.root().join("page")).expect("a directory");
        link(&outer.path().join("secret"), "page/index.html");
        assert!(matches!(site.find("/file"), Target::Forbidden));
        assert!(matches!(site.find("/dir/"), Target::Forbidden));
        assert!(matches!(site.find("/dir/secret"), Target::Forbidden));
        assert!(matches!(site.find("/inside/deep/"), Target::Directory(_)));
        assert!(matches!(site.find("/loop"), Target::Missing));
        assert!(matches!(site.find("/page/"), Target::Directory(_)));
    }

    #[test]
    fn a_site_is_a_directory() {
        let (outer, site) = site();
        let file = Site::new(&site.root().join("a b.txt")).expect_err("a file is none");
        assert_eq!(file.kind(), io::ErrorKind::NotADirectory);
        let nothing = Site::new(&outer.path().join("nothing")).expect_err("nothing is none");
        assert_eq!(nothing.kind(), io::ErrorKind::NotFound);
    }
}
