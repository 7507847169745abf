//! The packets as pcapng, with the sender's reason and the packet's fate as a comment.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, PcapError};

use synfin_core::{CaptureSink, Direction, Instant, Medium, TraceSeq};

use crate::packet::Packet;
use crate::timeline::Timeline;
use crate::words;

/// Seconds from 1970-01-01 to 2000-01-01: where captures of virtual time begin, so that the same
/// run gives the same octets.
const EPOCH: u64 = 946_684_800;

/// Octets of a packet that are kept.
const SNAP_LEN: u32 = 262_144;

/// Resolution of times: 10^-9 s.
const NANOSECONDS: u8 = 9;

/// Writes every packet of a timeline when it leaves its sender, on an interface with the sender's
/// name: one of whole IP packets, or of Ethernet frames where the packet has a link header. Lost
/// packets are there too, and their comment says so. The clock starts at 2000-01-01.
///
/// # Errors
/// Those of `to`.
pub fn pcapng(timeline: &Timeline, to: impl Write) -> io::Result<()> {
    let mut writer = PcapNgWriter::new(to).map_err(into_io)?;
    let interfaces = interfaces(timeline);
    for (end, link) in &interfaces {
        let block = interface(*link, &timeline.ends[*end]);
        writer.write_pcapng_block(block).map_err(into_io)?;
    }
    for packet in &timeline.packets {
        let of_it = (packet.from.0, link_type(packet));
        let interface = interfaces.iter().position(|other| *other == of_it);
        let interface = interface.unwrap_or(packet.from.0) as u32;
        write_packet(&mut writer, timeline, packet, interface).map_err(into_io)?;
    }
    writer.into_inner().flush()
}

/// One for each end and each kind of link that it sent on; one at least.
fn interfaces(timeline: &Timeline) -> Vec<(usize, DataLink)> {
    let mut interfaces = Vec::new();
    for end in 0..timeline.ends.len() {
        let sent = timeline
            .packets
            .iter()
            .filter(|packet| packet.from.0 == end);
        let ethernet = sent.clone().any(|packet| !packet.link_header.is_empty());
        if !ethernet || sent.clone().any(|packet| packet.link_header.is_empty()) {
            interfaces.push((end, DataLink::RAW));
        }
        if ethernet {
            interfaces.push((end, DataLink::ETHERNET));
        }
    }
    interfaces
}

fn link_type(packet: &Packet) -> DataLink {
    if packet.link_header.is_empty() {
        DataLink::RAW
    } else {
        DataLink::ETHERNET
    }
}

fn interface(linktype: DataLink, name: &str) -> InterfaceDescriptionBlock<'_> {
    InterfaceDescriptionBlock {
        linktype,
        snaplen: SNAP_LEN,
        options: vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
            InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
        ],
    }
}

fn write_packet<W: Write>(
    writer: &mut PcapNgWriter<W>,
    timeline: &Timeline,
    packet: &Packet,
    interface_id: u32,
) -> Result<(), PcapError> {
    let start = timeline.start.unwrap_or(Instant::START);
    let comment = comment(packet);
    let frame = if packet.link_header.is_empty() {
        Cow::Borrowed(&packet.octets[..])
    } else {
        Cow::Owned([&packet.link_header[..], &packet.octets[..]].concat())
    };
    let block = EnhancedPacketBlock {
        interface_id,
        timestamp: Duration::from_secs(EPOCH) + packet.sent.saturating_duration_since(start),
        original_len: frame.len() as u32,
        data: frame,
        options: comment
            .into_iter()
            .map(|text| EnhancedPacketOption::Comment(Cow::Owned(text)))
            .collect(),
    };
    writer.write_pcapng_block(block).map(drop)
}

fn comment(packet: &Packet) -> Option<String> {
    let parts = [
        packet.reason.map(words::send_reason),
        packet
            .copy_of
            .map(|_| "duplicated by the network".to_owned()),
        packet.forged.then(|| "forged".to_owned()),
        packet.lost().map(|why| format!("lost: {why}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn into_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// Writes the frames of a live device as pcapng, as they pass.
///
/// A [`CaptureSink`] cannot fail; the first error stays in the sink and ends the file there, see
/// [`error`](Self::error).
pub struct LiveCapture<W: Write> {
    writer: PcapNgWriter<W>,
    epoch: Duration,
    error: Option<io::Error>,
}

impl<W: Write> LiveCapture<W> {
    /// Begins a file with one interface of whole IP packets. `epoch` is the time since 1970 at
    /// which the stack's clock was zero.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn new(to: W, name: &str, epoch: Duration) -> io::Result<Self> {
        Self::on(Medium::Ip, to, name, epoch)
    }

    /// The same for a device with this medium: its frames are written as they are.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn on(medium: Medium, to: W, name: &str, epoch: Duration) -> io::Result<Self> {
        let mut writer = PcapNgWriter::new(to).map_err(into_io)?;
        let link = match medium {
            Medium::Ethernet(_) => DataLink::ETHERNET,
            _ => DataLink::RAW,
        };
        let block = interface(link, name);
        writer.write_pcapng_block(block).map_err(into_io)?;
        Ok(Self {
            writer,
            epoch,
            error: None,
        })
    }

    /// What ended the file early, if something did.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

impl<W: Write> CaptureSink for LiveCapture<W> {
    fn frame(&mut self, now: Instant, _: Direction, frame: &[u8], _: Option<TraceSeq>) {
        if self.error.is_some() {
            return;
        }
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: self.epoch + Duration::from_nanos(now.as_nanos()),
            original_len: frame.len() as u32,
            data: Cow::Borrowed(frame),
            options: Vec::new(),
        };
        let written = self.writer.write_pcapng_block(block);
        self.error = written.map_err(into_io).err();
    }
}

impl<W: Write> fmt::Debug for LiveCapture<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCapture").finish_non_exhaustive()
    }
}
