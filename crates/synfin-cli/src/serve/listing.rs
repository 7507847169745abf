//! The page that lists a directory.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a path segment as it is (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The page for `directory`, which the request named `path`. Directories come first, then files,
/// each by name; names that are not UTF-8 cannot be asked for and are left out. So are links that
/// lead nowhere or out of `root`: what is not served is not told of, not even its length.
pub(crate) fn page(root: &Path, directory: &Path, path: &str) -> io::Result<String> {
    let mut entries = Vec::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let target = entry.path().canonicalize();
        let Some(target) = target.ok().filter(|target| target.starts_with(root)) else {
            continue;
        };
        let Ok(metadata) = target.metadata() else {
            continue;
        };
        entries.push((!metadata.is_dir(), name, metadata.len()));
    }
    entries.sort();

    let shown = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let title = escaped(&shown);
    let mut page = format!(
        "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<table>\n"
    );
    if path != "/" {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    }
    for (is_file, name, len) in &entries {
        let slash = if *is_file { "" } else { "/" };
        let size = if *is_file {
            len.to_string()
        } else {
            String::new()
        };
        let link = utf8_percent_encode(name, SEGMENT);
        let name = escaped(name);
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{link}{slash}\">{name}{slash}</a></td>\
             <td align=\"right\">{size}</td></tr>"
        );
    }
    page.push_str("</table>\n</body>\n</html>\n");
    Ok(page)
}

/// The text without meaning to HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn entries_are_sorted_and_escaped() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("b.txt"), "12345").expect("a file");
        fs::write(dir.path().join("a <&>?.txt"), "").expect("a file");
        fs::create_dir(dir.path().join("z")).expect("a directory");
        let root = dir.path().canonicalize().expect("it exists");
        let page = page(&root, &root, "/x%20y/").expect("it can be read");
        let order: Vec<usize> = ["z/", "a &lt;&amp;&gt;?.txt", "b.txt"]
            .iter()
            .map(|name| page.find(&format!(">{name}</a>")).expect("it is listed"))
            .collect();
        assert!(order.is_sorted(), "{page}");
        assert!(page.contains("href=\"./a%20%3C%26%3E%3F.txt\""), "{page}");
        assert!(page.contains("<title>/x y/</title>"), "{page}");
        assert!(page.contains("href=\"../\""), "{page}");
        assert!(page.contains(">5</td>"), "{page}");
    }

    #[test]
    fn the_root_has_no_parent() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("it exists");
        let page = page(&root, &root, "/").expect("it can be read");
        assert!(!page.contains("../"), "{page}");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_not_shown() {
        let outer = tempfile::tempdir().expect("a directory");
        let root = outer.path().canonicalize().expect("it exists").join("root");
        fs::create_dir(&root).expect("a directory");
        fs::write(outer.path().join("secret"), "no").expect("a file");
        fs::write(root.join("here"), "yes").expect("a file");
        std::os::unix::fs::symlink("../secret", root.join("out")).expect("a link");
        std::os::unix::fs::symlink("here", root.join("in")).expect("a link");
        std::os::unix::fs::symlink("nothing", root.join("dead")).expect("a link");
        let page = page(&root, &root, "/").expect("it can be read");
        assert!(page.contains(">in</a>"), "{page}");
        assert!(!page.contains("out") && !page.contains("dead"), "{page}");
    }
}
