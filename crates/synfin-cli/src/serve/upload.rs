//! PUT and POST: what a body holds becomes a file of one directory.
//!
//! The file appears under its name only when it is whole; until then it has a name of its own
//! with a dot in front. Names are a single segment that does not begin with a dot, so nothing is
//! written anywhere else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::{Response, StatusCode};
use tokio::task::spawn_blocking;

use super::answer::plain;
use super::body::Pieces;
use super::site;

/// The directory that takes files.
#[derive(Debug)]
pub(crate) struct Inbox {
    directory: PathBuf,
    next: AtomicU64,
}

impl Inbox {
    /// The directory, which must exist.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let directory = directory.canonicalize()?;
        if !directory.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            directory,
            next: AtomicU64::new(0),
        })
    }

    /// Takes a body as the file that `path` names.
    pub(crate) async fn receive<B>(&self, path: &str, body: B) -> Response<Pieces>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let Some(name) = file_name(path) else {
            return plain(StatusCode::FORBIDDEN);
        };
        let target = self.directory.join(&name);
        if target
            .symlink_metadata()
            .is_ok_and(|metadata| !metadata.is_file())
        {
            return plain(StatusCode::CONFLICT);
        }
        let is_new = !target.exists();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let part = Part(
            self.directory
                .join(format!(".{name}.{}-{number}", std::process::id())),
        );
        match part
            .fill(body)
            .await
            .and_then(|()| fs::rename(&part.0, &target))
        {
            Ok(()) if is_new => plain(StatusCode::CREATED),
            Ok(()) => plain(StatusCode::OK),
            Err(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => plain(StatusCode::FORBIDDEN),
                io::ErrorKind::StorageFull => plain(StatusCode::INSUFFICIENT_STORAGE),
                _ => plain(StatusCode::INTERNAL_SERVER_ERROR),
            },
        }
    }
}

fn file_name(path: &str) -> Option<String> {
    let [name] = <[String; 1]>::try_from(site::segments(path)?).ok()?;
    (!name.starts_with('.') && !path.ends_with('/')).then_some(name)
}

/// A file that is not whole yet; it goes away unless it was renamed.
struct Part(PathBuf);

impl Part {
    async fn fill<B>(&self, mut body: B) -> io::Result<()>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.0)?;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else {
                continue;
            };
            file = spawn_blocking(|| append(file, data))
                .await
                .map_err(io::Error::other)??;
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Nothing is there any more when it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

fn append(mut file: File, data: Bytes) -> io::Result<File> {
    file.write_all(&data)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    fn put(inbox: &Inbox, path: &str, text: &'static str) -> StatusCode {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime
            .block_on(inbox.receive(path, Full::new(Bytes::from(text))))
            .status()
    }

    #[test]
    fn a_body_becomes_a_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let inbox = Inbox::new(dir.path()).expect("it exists");
        assert_eq!(put(&inbox, "/a%20b", "first"), StatusCode::CREATED);
        assert_eq!(put(&inbox, "/a%20b", "second"), StatusCode::OK);
        assert_eq!(
            fs::read_to_string(dir.path().join("a b")).expect("it is there"),
            "second"
        );
        assert_eq!(fs::read_dir(dir.path()).expect("it can be read").count(), 1);
    }

    #[test]
    fn nothing_is_written_elsewhere() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("in")).expect("a directory");
        fs::create_dir(dir.path().join("in/sub")).expect("a directory");
        let inbox = Inbox::new(&dir.path().join("in")).expect("it exists");
        for path in ["/", "/../x", "/sub/x", "/%2e%2e%2fx", "/.hidden", "/x/"] {
            assert_eq!(put(&inbox, path, "no"), StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(put(&inbox, "/sub", "no"), StatusCode::CONFLICT);
        assert_eq!(fs::read_dir(dir.path()).expect("it can be read").count(), 1);
        assert_eq!(
            fs::read_dir(dir.path().join("in"))
                .expect("it can be read")
                .count(),
            1
        );
    }
}
