//! The few routing messages that set up an interface (rtnetlink): look at a link, set its MTU and
//! queue, bring it up, give it addresses.
//!
//! Addresses are given with `IFA_F_NODAD`, so that an IPv6 address can be used at once: there is
//! nobody on the link who could have it too. The on-link route comes with the address.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::sys;

const HEADER_LEN: usize = 16;
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// What the kernel says of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Its number.
    pub(super) index: u32,
    /// The largest packet in octets.
    pub(super) mtu: u32,
    /// Whether it is up.
    pub(super) up: bool,
}

/// A conversation with the kernel of the current network namespace.
pub(super) struct Routing {
    socket: File,
    sequence: u32,
}

impl Routing {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self {
            socket: sys::route_socket()?.into(),
            sequence: 0,
        })
    }

    /// The link called `name`.
    pub(super) fn link(&mut self, name: &str) -> io::Result<Link> {
        let mut message = link_message(libc::RTM_GETLINK, 0, false);
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        message.attribute(libc::IFLA_IFNAME, &text);
        let mut found = None;
        self.ask(message, 0, |body| found = found.or(parse_link(body)))?;
        found.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Sets the MTU and the length of the queue of a link.
    pub(super) fn set_sizes(&mut self, index: u32, mtu: u32, queue: u32) -> io::Result<()> {
        let mut message = link_message(libc::RTM_NEWLINK, index, false);
        message.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes());
        message.attribute(libc::IFLA_TXQLEN, &queue.to_ne_bytes());
        self.ask(message, libc::NLM_F_ACK, |_| ())
    }

    /// Brings a link up.
    pub(super) fn set_up(&mut self, index: u32) -> io::Result<()> {
        self.ask(
            link_message(libc::RTM_NEWLINK, index, true),
            libc::NLM_F_ACK,
            |_| (),
        )
    }

    /// Gives an address to a link; it may have it already.
    pub(super) fn add_address(&mut self, index: u32, addr: IpAddr, prefix: u8) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWADDR);
        message
            .octets
            .extend([family(addr), prefix, libc::IFA_F_NODAD as u8, 0]);
        message.octets.extend(index.to_ne_bytes());
        let octets = match addr {
            IpAddr::V4(addr) => addr.octets().to_vec(),
            IpAddr::V6(addr) => addr.octets().to_vec(),
        };
        message.attribute(libc::IFA_LOCAL, &octets);
        message.attribute(libc::IFA_ADDRESS, &octets);
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        self.ask(message, flags, |_| ())
    }

    /// The addresses of a link.
    pub(super) fn addresses(&mut self, index: u32) -> io::Result<Vec<(IpAddr, u8)>> {
        let mut message = Message::new(libc::RTM_GETADDR);
        message.octets.extend([0; 8]);
        let mut found = Vec::new();
        self.ask(message, libc::NLM_F_DUMP, |body| {
            found.extend(parse_address(body, index))
        })?;
        Ok(found)
    }

    /// Sends a request and hands the body of each answer to `each`, until the kernel says that
    /// this was the last, or says no.
    fn ask(&mut self, message: Message, flags: i32, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.sequence += 1;
        self.socket
            .write_all(&message.finish(flags, self.sequence))?;
        let mut answer = vec![0; ANSWER_LEN_MAX];
        loop {
            let len = self.socket.read(&mut answer)?;
            let mut rest = &answer[..len];
            while let Some((header, body, next)) = split_message(rest) {
                rest = next;
                if header.sequence != self.sequence {
                    continue; // the end of an older conversation
                }
                match i32::from(header.kind) {
                    libc::NLMSG_ERROR => return parse_error(body),
                    libc::NLMSG_DONE => return Ok(()),
                    _ => each(body),
                }
                if i32::from(header.flags) & libc::NLM_F_MULTI == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// A request being written.
struct Message {
    octets: Vec<u8>,
    kind: u16,
}

impl Message {
    fn new(kind: u16) -> Self {
        Self {
            octets: vec![0; HEADER_LEN],
            kind,
        }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.octets.extend((4 + value.len() as u16).to_ne_bytes());
        self.octets.extend(kind.to_ne_bytes());
        self.octets.extend(value);
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, flags: i32, sequence: u32) -> Vec<u8> {
        let len = self.octets.len() as u32;
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        self.octets[..4].copy_from_slice(&len.to_ne_bytes());
        self.octets[4..6].copy_from_slice(&self.kind.to_ne_bytes());
        self.octets[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.octets[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.octets
    }
}

/// A message about a link; `up` sets the flag, otherwise flags stay as they are.
fn link_message(kind: u16, index: u32, up: bool) -> Message {
    let mut message = Message::new(kind);
    let flags = if up { libc::IFF_UP as u32 } else { 0 };
    message.octets.extend([0; 4]); // family and type: any
    message.octets.extend(index.to_ne_bytes());
    message.octets.extend(flags.to_ne_bytes());
    message.octets.extend(flags.to_ne_bytes()); // which of them to change
    message
}

fn family(addr: IpAddr) -> u8 {
    (if addr.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }) as u8
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The first message, its body, and what comes after it.
fn split_message(octets: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let len = read_u32(octets, 0)? as usize;
    let body = octets.get(HEADER_LEN..len)?;
    let header = Header {
        kind: read_u16(octets, 4)?,
        flags: read_u16(octets, 6)?,
        sequence: read_u32(octets, 8)?,
    };
    Some((
        header,
        body,
        octets.get(len.next_multiple_of(4)..).unwrap_or_default(),
    ))
}

/// An error of 0 is an acknowledgement.
fn parse_error(body: &[u8]) -> io::Result<()> {
    match read_u32(body, 0).map(|code| code as i32) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let up = read_u32(body, 8)? & libc::IFF_UP as u32 != 0;
    let mtu = attributes(body.get(16..)?)
        .find(|(kind, _)| *kind == libc::IFLA_MTU)
        .and_then(|(_, value)| read_u32(value, 0))?;
    Some(Link {
        index: read_u32(body, 4)?,
        mtu,
        up,
    })
}

fn parse_address(body: &[u8], index: u32) -> Option<(IpAddr, u8)> {
    if read_u32(body, 4)? != index {
        return None;
    }
    // IFA_LOCAL is our end; IPv6 has it only where the peer's differs.
    let of_kind = |wanted| {
        attributes(body.get(8..)?)
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    };
    let value = of_kind(libc::IFA_LOCAL).or_else(|| of_kind(libc::IFA_ADDRESS))?;
    let addr = match value.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => return None,
    };
    Some((addr, *body.get(1)?))
}

fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(read_u16(octets, 0)?);
        let kind = read_u16(octets, 2)?;
        let value = octets.get(4..len)?;
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn read_u32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Message, attributes, parse_address, parse_error, parse_link, split_message};

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let mut message = Message::new(16);
        message.octets.extend([0; 4]);
        message.octets.extend(7_u32.to_ne_bytes());
        message.octets.extend((libc::IFF_UP as u32).to_ne_bytes());
        message.octets.extend([0; 4]);
        message.attribute(libc::IFLA_IFNAME, b"abc\0");
        message.attribute(libc::IFLA_MTU, &1400_u32.to_ne_bytes());
        let octets = message.finish(libc::NLM_F_ACK, 9);
        let (header, body, rest) = split_message(&octets).unwrap();
        assert_eq!((header.kind, header.sequence, rest.len()), (16, 9, 0));
        assert_eq!(
            i32::from(header.flags),
            libc::NLM_F_ACK | libc::NLM_F_REQUEST
        );
        let link = parse_link(body).unwrap();
        assert_eq!((link.index, link.mtu, link.up), (7, 1400, true));
    }

    #[test]
    fn attributes_are_padded_to_four_octets() {
        let mut message = Message::new(0);
        message.attribute(1, b"x");
        message.attribute(2, b"12345");
        let found: Vec<_> = attributes(&message.octets[16..]).collect();
        assert_eq!(found, [(1, b"x".as_slice()), (2, b"12345".as_slice())]);
    }

    #[test]
    fn an_address_of_another_link_is_passed_over() {
        let mut message = Message::new(0);
        message.octets.extend([2, 24, 0, 0]);
        message.octets.extend(3_u32.to_ne_bytes());
        message.attribute(libc::IFA_LOCAL, &[10, 0, 0, 1]);
        let body = &message.octets[16..];
        assert_eq!(
            parse_address(body, 3),
            Some(("10.0.0.1".parse().unwrap(), 24))
        );
        assert_eq!(parse_address(body, 4), None);
    }

    #[test]
    fn what_is_cut_short_is_no_message() {
        assert!(split_message(&[16, 0, 0]).is_none());
        assert!(split_message(&[255; 16]).is_none());
        assert!(parse_link(&[0; 15]).is_none());
        assert!(parse_error(&[]).is_err());
        assert_eq!(attributes(&[9, 0, 1, 0, 1]).count(), 0);
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
    }
}
