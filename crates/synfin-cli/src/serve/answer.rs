//! The answer to a request: HTTP semantics (RFC 9110) of a read-only set of files.
//!
//! GET and HEAD answer with the file, its range, or the page of a directory; `If-None-Match` and
//! `If-Range` are honoured. What a body of a request holds is left to
//! [`upload`](super::upload), what stands on the wire to hyper.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use hyper::http::response::Builder;
use hyper::{Method, Response, StatusCode, Uri};

use super::body::{Piece, Pieces};
use super::listing;
use super::ranges::{self, Asked};
use super::site::{Site, Target};

/// Separates the parts of an answer with several ranges. Long and odd enough not to stand in a
/// file by chance; a client takes lengths from `Content-Range` anyway.
const BOUNDARY: &str = "synfin-byteranges-7d1f0a53c2";

/// The answer to a request without a body.
pub(crate) fn answer(
    site: &Site,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response<Pieces> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let mut response = match site.find(uri.path()) {
        Target::File(path, metadata) => file(&path, &metadata, method, headers),
        Target::Directory(path) => directory(site, &path, uri.path()),
        Target::NeedsSlash => moved(uri),
        Target::Missing => plain(StatusCode::NOT_FOUND),
        Target::Forbidden => plain(StatusCode::FORBIDDEN),
    };
    if *method == Method::HEAD {
        // The length stays as GET would have it (RFC 9110 section 9.3.2).
        *response.body_mut() = Pieces::empty();
    }
    response
}

/// An answer that says no more than its status.
pub(crate) fn plain(status: StatusCode) -> Response<Pieces> {
    let text = format!("{status}\n");
    sized(
        Response::builder()
            .status(status)
            .header(CONTENT_TYPE, "text/plain"),
        Pieces::text(text),
    )
}

/// 405, with what is allowed.
pub(crate) fn not_allowed(methods: &'static str) -> Response<Pieces> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, hyper::header::HeaderValue::from_static(methods));
    response
}

fn moved(uri: &Uri) -> Response<Pieces> {
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    // A path that starts with two slashes would name another host.
    let location = format!("/{}/{query}", uri.path().trim_start_matches('/'));
    let builder = Response::builder().status(StatusCode::MOVED_PERMANENTLY);
    sized(builder.header(LOCATION, location), Pieces::empty())
}

fn directory(site: &Site, path: &Path, shown: &str) -> Response<Pieces> {
    match listing::page(site.root(), path, shown) {
        Ok(page) => {
            let builder = Response::builder().header(CONTENT_TYPE, "text/html; charset=utf-8");
            sized(builder, Pieces::text(page))
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> Response<Pieces> {
    plain(match error.kind() {
        io::ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

fn file(
    path: &Path,
    metadata: &Metadata,
    method: &Method,
    headers: &HeaderMap,
) -> Response<Pieces> {
    let opened = match File::open(path) {
        Ok(opened) => opened,
        Err(error) => return failed(&error),
    };
    let version = Version::of(metadata);
    let len = metadata.len();
    if field(headers, IF_NONE_MATCH).is_some_and(|tags| version.is_among(tags)) {
        return build(
            version.mark(Response::builder().status(304)),
            Pieces::empty(),
        );
    }
    let media_type = media_type(path);
    let range = field(headers, RANGE)
        .filter(|_| *method == Method::GET)
        .filter(|_| field(headers, IF_RANGE).is_none_or(|since| version.is(since)));
    let builder = version.mark(Response::builder().header(ACCEPT_RANGES, "bytes"));
    match range.map_or(Asked::Whole, |range| ranges::asked(range, len)) {
        Asked::Whole => {
            let body = Pieces::of_file(opened, vec![Piece::Slice(0..len)]);
            sized(builder.header(CONTENT_TYPE, media_type), body)
        }
        Asked::Unsatisfiable => {
            let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE);
            if let Ok(value) = format!("bytes */{len}").parse() {
                response.headers_mut().insert(CONTENT_RANGE, value);
            }
            response
        }
        Asked::Parts(parts) => partial(builder, opened, parts, len, &media_type),
    }
}

fn partial(
    builder: Builder,
    file: File,
    parts: Vec<Range<u64>>,
    len: u64,
    media_type: &str,
) -> Response<Pieces> {
    let builder = builder.status(StatusCode::PARTIAL_CONTENT);
    if let [part] = &parts[..] {
        let builder = builder
            .header(CONTENT_RANGE, content_range(part, len))
            .header(CONTENT_TYPE, media_type);
        return sized(
            builder,
            Pieces::of_file(file, vec![Piece::Slice(part.clone())]),
        );
    }
    let mut pieces = Vec::new();
    for part in parts {
        let head = format!(
            "\r\n--{BOUNDARY}\r\nContent-Type: {media_type}\r\nContent-Range: {}\r\n\r\n",
            content_range(&part, len)
        );
        pieces.push(Piece::Text(head.into()));
        pieces.push(Piece::Slice(part));
    }
    pieces.push(Piece::Text(format!("\r\n--{BOUNDARY}--\r\n").into()));
    let media_type = format!("multipart/byteranges; boundary={BOUNDARY}");
    sized(
        builder.header(CONTENT_TYPE, media_type),
        Pieces::of_file(file, pieces),
    )
}

fn content_range(part: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", part.start, part.end - 1)
}

fn media_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    match guess.type_().as_str() {
        "text" => format!("{guess}; charset=utf-8"),
        _ => guess.to_string(),
    }
}

fn field(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn sized(builder: Builder, body: Pieces) -> Response<Pieces> {
    build(builder.header(CONTENT_LENGTH, body.len()), body)
}

fn build(builder: Builder, body: Pieces) -> Response<Pieces> {
    // Fails for field values with control characters, which a path may have tried.
    builder.body(body).unwrap_or_else(|_| {
        let mut response = Response::new(Pieces::empty());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    })
}

/// What tells one version of a file from another (RFC 9110 section 8.8).
struct Version {
    tag: String,
    modified: Option<String>,
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time: SystemTime| time.duration_since(UNIX_EPOCH).ok());
        let nanos = since.map_or(0, |since| since.as_nanos());
        Self {
            tag: format!("\"{:x}-{nanos:x}\"", metadata.len()),
            modified: since.and(modified).map(httpdate::fmt_http_date),
        }
    }

    fn mark(&self, builder: Builder) -> Builder {
        let builder = builder.header(ETAG, &self.tag);
        match &self.modified {
            Some(modified) => builder.header(LAST_MODIFIED, modified),
            None => builder,
        }
    }

    /// `If-Range` compares strongly; a date has to be the very one that was sent.
    fn is(&self, since: &str) -> bool {
        since == self.tag || self.modified.as_deref() == Some(since)
    }

    /// `If-None-Match` compares weakly.
    fn is_among(&self, tags: &str) -> bool {
        tags.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == self.tag)
    }
}

#[cfg(test)]
mod tests;
