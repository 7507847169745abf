//! As much HTTP/1.1 as a scene needs: a request, an answer of known length, and where each ends.
//! No field depends on a clock.

/// Which end a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// From the client; it has no body.
    Request,
    /// From the server.
    Answer,
}

/// A request, with more fields (each ends in CRLF).
pub(crate) fn request(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: server\r\n{fields}\r\n").into_bytes()
}

/// An answer with a body of so many octets.
pub(crate) fn answer(fields: &str, body_len: usize) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    let mut answer = format!("{head}Content-Length: {body_len}\r\n{fields}\r\n").into_bytes();
    answer.append(&mut text(body_len));
    answer
}

/// Readable text of so many octets.
pub(crate) fn text(len: usize) -> Vec<u8> {
    b"From SYN to FIN, and every step visible.\n"
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}

/// The length of the message that `octets` begin with, once it is complete.
pub(crate) fn complete(octets: &[u8], message: Message) -> Option<usize> {
    let head_len = octets.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let body_len = match message {
        Message::Request => 0,
        Message::Answer => content_length(&octets[..head_len])?,
    };
    Some(head_len + body_len).filter(|len| octets.len() >= *len)
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))?;
    line.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_it_should() {
        let mut octets = answer("Connection: close\r\n", 100);
        let len = octets.len();
        assert_eq!(complete(&octets[..len - 1], Message::Answer), None);
        octets.extend_from_slice(b"more");
        assert_eq!(complete(&octets, Message::Answer), Some(len));
        let request = request("");
        assert_eq!(complete(&request, Message::Request), Some(request.len()));
        assert_eq!(complete(&request[..5], Message::Request), None);
    }
}
