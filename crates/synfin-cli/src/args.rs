//! The command line.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  synfin demo                     one connection from SYN to FIN, as a ladder
  synfin demo --list              all scenes
  synfin demo lost-fin --svg x.svg
  sudo synfin serve .             then: curl http://10.77.0.2/";

const DEMO_NOTES: &str = "\
No privilege is needed: two hosts live in a simulator, each with the real engine. No scene sets a
state; there are only application calls and faults of the link. The same options and the same seed
give the same bytes.

Examples:
  synfin demo                              the default scene, open-close
  synfin demo simultaneous-close
  synfin demo rto --rtt 120 --bytes 100000
  synfin demo open-close --json | grep '\"state\"'
  synfin demo lost-last-ack --pcap x.pcapng   then: wireshark x.pcapng
  synfin demo million --connections 100000";

#[cfg(feature = "serve")]
const SERVE_NOTES: &str = "\
Makes a TUN device, which needs root or CAP_NET_ADMIN, and answers on it with a TCP of its own; the
kernel on the other end only carries packets. Ctrl-C closes the connections and prints one line
about each.

Examples:
  sudo synfin serve .                      then: curl http://10.77.0.2/
  sudo synfin serve . --trace              a line per change of state
  sudo synfin serve . --faults drop=0.02,reorder=0.02,duplicate=0.01";

/// A TCP/IP stack in user space: from SYN to FIN, and every step visible
#[derive(Debug, Parser)]
#[command(name = "synfin", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a TCP connection does, scene by scene, with both ends side by side
    #[command(after_help = DEMO_NOTES)]
    Demo(DemoArgs),
    /// Serve a directory over HTTP to this machine's kernel, on synfin's TCP
    #[cfg(feature = "serve")]
    #[command(after_help = SERVE_NOTES)]
    Serve(ServeArgs),
}

/// `synfin demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// The scene; --list names them all
    #[arg(default_value = crate::demo::DEFAULT)]
    pub(crate) scene: String,
    /// List the scenes
    #[arg(long)]
    pub(crate) list: bool,
    /// Seed of all that is random
    #[arg(
        long,
        default_value_t = 1,
        value_name = "N",
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Round-trip time in milliseconds [default: 40, or what the scene needs]
    #[arg(
        long, value_name = "MS",
        value_parser = in_range::<1, 10_000_000>,
        allow_negative_numbers = true
    )]
    pub(crate) rtt: Option<f64>,
    /// Rate of the link in Mbit/s [default: 10, or what the scene needs]
    #[arg(
        long, value_name = "MBIT",
        value_parser = in_range::<10, 100_000_000>,
        allow_negative_numbers = true
    )]
    pub(crate) rate: Option<f64>,
    /// Probability that a packet is lost, from 0 to 1, beside the faults of the scene
    #[arg(long, value_name = "P", value_parser = in_range::<0, 900>, allow_negative_numbers = true)]
    pub(crate) loss: Option<f64>,
    /// Octets in the body of the answer [default: what the scene needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=67_108_864),
        allow_negative_numbers = true)]
    pub(crate) bytes: Option<u32>,
    /// Connections that `demo million` opens, from 1 to 16,000,000 [default: 1000000]
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=crate::demo::CONNECTIONS_MAX),
        allow_negative_numbers = true)]
    pub(crate) connections: Option<u32>,
    /// Show every segment; else runs of plain text and ACKs fold into one line
    #[arg(long)]
    pub(crate) full: bool,
    /// Print one JSON object per line instead of the ladder
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the ladder as SVG to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write the packets to FILE as pcapng, with the reason for each as a comment
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
}

/// A number between `MIN` and `MAX` thousandths.
fn in_range<const MIN: u64, const MAX: u64>(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let (min, max) = (MIN as f64 / 1000.0, MAX as f64 / 1000.0);
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("must be from {min} to {max}"))
    }
}

/// `synfin serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// The directory to serve
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Name of the TUN device to make
    #[arg(long, value_name = "NAME", default_value = "synfin0")]
    pub(crate) tun: String,
    /// Own address, one for each use [default: 10.77.0.2/24 and fd77::2/64]
    #[arg(long, value_name = "CIDR")]
    pub(crate) addr: Vec<Cidr>,
    /// The kernel's address [default: 10.77.0.1/24 and fd77::1/64]
    #[arg(long, value_name = "CIDR")]
    pub(crate) host_addr: Vec<Cidr>,
    /// The port
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..),
        allow_negative_numbers = true)]
    pub(crate) port: u16,
    /// Accept PUT and POST: a body becomes a file in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) upload: Option<PathBuf>,
    /// Write the packets to FILE as pcapng
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Print a line for every change of state
    #[arg(long)]
    pub(crate) trace: bool,
    /// Treat packets badly in both directions, for instance
    /// drop=0.02,reorder=0.02,duplicate=0.01,corrupt=0.001,seed=7
    #[arg(long, visible_alias = "fault", value_name = "SPEC")]
    pub(crate) faults: Option<String>,
}

/// An address with the length of its prefix: `10.77.0.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    /// The address.
    pub(crate) addr: IpAddr,
    /// The length of the prefix in bits.
    pub(crate) prefix_len: u8,
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("{text:?} is not an address with a prefix length, as 10.0.0.1/24");
        let (addr, prefix_len) = text.split_once('/').ok_or_else(wanted)?;
        let addr: IpAddr = addr.parse().map_err(|_| wanted())?;
        let prefix_len = prefix_len.parse().map_err(|_| wanted())?;
        let max = if addr.is_ipv4() { 32 } else { 128 };
        if prefix_len > max {
            return Err(format!("a prefix of {addr} has at most {max} bits"));
        }
        Ok(Self { addr, prefix_len })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn cidr() {
        let v6: Cidr = "fd77::2/64".parse().expect("it is one");
        assert_eq!(v6.to_string(), "fd77::2/64");
        for wrong in [
            "10.0.0.1",
            "10.0.0.1/33",
            "x/8",
            "fd77::2/129",
            "10.0.0.1/-1",
        ] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_negative_number_is_told_its_range() {
        for (line, words) in [
            (["demo", "--rtt", "-5"], "must be from 0.001 to 10000"),
            (["demo", "--rate", "-1"], "must be from 0.01 to 100000"),
            (["demo", "--loss", "-0.5"], "must be from 0 to 0.9"),
            (["demo", "--bytes", "-1"], "-1 is not in 0..=67108864"),
            (["demo", "--connections", "0"], "0 is not in 1..=16000000"),
            (
                ["demo", "--connections", "20000000"],
                "20000000 is not in 1..=16000000",
            ),
        ] {
            let error = Cli::try_parse_from(["synfin"].iter().chain(&line)).expect_err("too low");
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = Cli::try_parse_from(["synfin", "demo", "--seed", "-1"]).expect_err("too low");
        assert!(error.to_string().contains("invalid value '-1'"), "{error}");
    }

    #[test]
    fn numbers_out_of_range_are_usage_errors() {
        for line in [
            ["demo", "--loss", "1.5"],
            ["demo", "--rtt", "0"],
            ["demo", "--rate", "nan"],
            ["demo", "--bytes", "-1"],
        ] {
            let error = Cli::try_parse_from(["synfin"].iter().chain(&line)).expect_err("too far");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
