//! Captures of the stack's frames, and tshark's judgement of them.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use synfin_core::{CaptureSink, Direction, Instant, Medium, TraceSeq};

use crate::{Family, kernel};

/// Writes frames to a file, or nowhere.
pub struct Packets {
    writer: Option<PcapWriter<BufWriter<File>>>,
}

impl Packets {
    /// To a file, of the frames of a medium.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn to(path: &Path, medium: Medium) -> Self {
        let file = File::create(path).expect("the capture can be written");
        let header = PcapHeader {
            datalink: match medium {
                Medium::Ethernet(_) => DataLink::ETHERNET,
                _ => DataLink::RAW,
            },
            ts_resolution: TsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        let writer = PcapWriter::with_header(BufWriter::new(file), header);
        Self {
            writer: Some(writer.expect("the capture can be written")),
        }
    }

    /// Nowhere.
    pub fn none() -> Self {
        Self { writer: None }
    }
}

impl CaptureSink for Packets {
    fn frame(&mut self, now: Instant, _way: Direction, frame: &[u8], _trace: Option<TraceSeq>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let timestamp = Duration::from_nanos(now.as_nanos());
        let packet = PcapPacket::new(timestamp, frame.len() as u32, frame);
        writer
            .write_packet(&packet)
            .expect("the capture can be written");
    }
}

/// What tshark says of segments that are not as they would be on a perfect network, by the names
/// of its fields below `tcp.analysis`. A window update is no complaint.
pub const COMPLAINTS: [&str; 14] = [
    "ack_lost_segment",
    "duplicate_ack",
    "fast_retransmission",
    "keep_alive",
    "keep_alive_ack",
    "lost_segment",
    "out_of_order",
    "retransmission",
    "reused_ports",
    "spurious_retransmission",
    "window_full",
    "zero_window",
    "zero_window_probe",
    "zero_window_probe_ack",
];

/// What the loss, reordering and duplication of a network explain.
pub const LOSS: [&str; 7] = [
    "ack_lost_segment",
    "duplicate_ack",
    "fast_retransmission",
    "lost_segment",
    "out_of_order",
    "retransmission",
    "spurious_retransmission",
];

/// What a receiver explains that is slower than its sender.
pub const SLOW_RECEIVER: [&str; 6] = [
    "keep_alive",
    "keep_alive_ack",
    "window_full",
    "zero_window",
    "zero_window_probe",
    "zero_window_probe_ack",
];

/// Has tshark read a capture: no wrong checksum, nothing malformed, no complaint but those that
/// the scene explains, and segments at all.
///
/// # Panics
/// When tshark finds something; the message has its lines.
pub fn judge(capture: &Path, explained: &[&str]) {
    judge_by(capture, explained, |name| format!("tcp.analysis.{name}"));
}

/// The same for much text at a time on a network that loses nothing: while this process waits for
/// a processor, the kernel waits for an ACK, and probes (RFC 8985 section 7). So its own
/// retransmissions are explained, and the D-SACKs that answer them.
///
/// # Panics
/// When tshark finds something; the message has its lines.
pub fn judge_bulk(capture: &Path, explained: &[&str]) {
    judge_by(capture, explained, |name| match name {
        "retransmission" | "fast_retransmission" | "out_of_order" | "spurious_retransmission" => {
            format!("(tcp.analysis.{name}&&!{})", sent_by_kernel())
        }
        // A window that opens in two steps repeats its acknowledgement.
        "duplicate_ack" => {
            format!("(tcp.analysis.{name}&&!tcp.options.sack_le&&!tcp.analysis.window_update)")
        }
        _ => format!("tcp.analysis.{name}"),
    });
}

fn judge_by(capture: &Path, explained: &[&str], filter: fn(&str) -> String) {
    assert!(
        explained.iter().all(|name| COMPLAINTS.contains(name)),
        "{explained:?}"
    );
    let complaints = COMPLAINTS.iter().filter(|name| !explained.contains(name));
    let filters: Vec<_> = complaints
        .map(|name| filter(name))
        .chain(["ip", "tcp", "udp", "icmp", "icmpv6"].map(bad_checksum))
        .chain(["_ws.malformed".to_owned(), "_ws.short".to_owned()])
        .collect();
    let found = read(capture, &filters.join("||"));
    assert!(
        found.is_empty(),
        "tshark complains of {}:\n{found}",
        capture.display()
    );
    assert!(
        !read(capture, "tcp").is_empty(),
        "{} has no segment",
        capture.display()
    );
}

fn sent_by_kernel() -> String {
    let [v4, v6] = Family::ALL.map(Family::kernel);
    format!("(ip.src=={v4}||ipv6.src=={v6})")
}

fn bad_checksum(protocol: &str) -> String {
    let bad = format!("{protocol}.checksum.status==Bad");
    // Where the sum is 0 Linux writes its other form, ffff, as UDP has to (skb_checksum_help).
    match protocol {
        "tcp" => format!("({bad}&&!(tcp.checksum==0xffff&&{}))", sent_by_kernel()),
        _ => bad,
    }
}

fn read(capture: &Path, filter: &str) -> String {
    let mut options = String::new();
    for protocol in ["ip", "tcp", "udp"] {
        options += &format!(" -o {protocol}.check_checksum:TRUE");
    }
    // Text is text: no protocol is to be guessed in it.
    options += " -o tcp.desegment_tcp_streams:FALSE -d tcp.port==1-65535,data";
    let fields = "-T fields -e frame.number -e frame.time_relative -e _ws.col.Info";
    let capture = capture.display();
    kernel::run(&format!(
        "tshark -n -Q -r {capture}{options} {fields} -Y {filter}"
    ))
}
