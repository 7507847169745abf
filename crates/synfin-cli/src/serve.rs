//! `synfin serve`: an HTTP/1.1 file server on synfin's TCP, over a TUN device of its own.
//!
//! Here: from the command line to a network and back to the shell. What a request gets is decided
//! in [`answer`], a connection's life is in [`connections`].

mod answer;
mod body;
mod connections;
mod listing;
mod ranges;
mod site;
mod states;
mod upload;

use std::fs::File;
use std::future::Future;
use std::io::{self, BufWriter, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use synfin::{Net, StackConfig, TcpListener};
use synfin_device::{Capture, Fault, FaultOptions, Tun, TunOptions};
use synfin_trace::LiveCapture;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Cidr, ServeArgs};
use crate::failure::Failure;
use connections::Content;
use site::Site;
use states::Printer;
use upload::Inbox;

/// Own addresses when none is given.
const ADDRS: [&str; 2] = ["10.77.0.2/24", "fd77::2/64"];
/// The kernel's addresses when none is given.
const HOST_ADDRS: [&str; 2] = ["10.77.0.1/24", "fd77::1/64"];

/// Serves until a signal comes.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let setup = Setup::check(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(serve(args, setup))
}

/// What the command line asks for, as far as it can be checked without privilege.
struct Setup {
    site: Site,
    inbox: Option<Inbox>,
    faults: FaultOptions,
    addrs: Vec<Cidr>,
    host_addrs: Vec<Cidr>,
}

impl Setup {
    fn check(args: &ServeArgs) -> Result<Self, Failure> {
        let faults = match args.faults.as_deref().unwrap_or_default().parse() {
            Ok(faults) => faults,
            Err(error) => return Err(Failure::Usage(format!("--faults: {error}"))),
        };
        let inbox = args.upload.as_deref().map(|dir| (dir, Inbox::new(dir)));
        let inbox = match inbox {
            Some((dir, inbox)) => Some(inbox.map_err(|error| bad_directory(dir, &error))?),
            None => None,
        };
        let setup = Self {
            site: Site::new(&args.dir).map_err(|error| bad_directory(&args.dir, &error))?,
            inbox,
            faults,
            addrs: or_default(&args.addr, ADDRS),
            host_addrs: or_default(&args.host_addr, HOST_ADDRS),
        };
        let own = |cidr: &Cidr| setup.addrs.iter().any(|own| own.addr == cidr.addr);
        match setup.host_addrs.iter().find(|host| own(host)) {
            Some(both) => Err(Failure::Usage(format!(
                "{} cannot be both the kernel's address and synfin's own",
                both.addr
            ))),
            None => Ok(setup),
        }
    }

    fn urls(&self, port: u16) -> String {
        let urls = self
            .addrs
            .iter()
            .map(|cidr| match (SocketAddr::new(cidr.addr, port), port) {
                (SocketAddr::V4(addr), 80) => format!("http://{}/", addr.ip()),
                (SocketAddr::V6(addr), 80) => format!("http://[{}]/", addr.ip()),
                (addr, _) => format!("http://{addr}/"),
            });
        urls.collect::<Vec<_>>().join(" and ")
    }
}

fn or_default(given: &[Cidr], default: [&str; 2]) -> Vec<Cidr> {
    match given {
        [] => default
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        given => given.to_vec(),
    }
}

fn bad_directory(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::Failed(match error.kind() {
        io::ErrorKind::NotFound => format!("no such directory: {path}"),
        io::ErrorKind::NotADirectory => format!("{path} is not a directory"),
        io::ErrorKind::PermissionDenied => format!("{path} may not be read by this user"),
        _ => format!("cannot read {path}: {error}"),
    })
}

async fn serve(args: &ServeArgs, setup: Setup) -> Result<(), Failure> {
    let stop = interrupted()?;
    let net = network(args, &setup)?;
    let listener = listen(&net, args.port).await?;
    let tracing = args
        .trace
        .then(|| tokio::spawn(Printer::default().run(net.clone())));
    say(&format!(
        "serving {} on {}",
        setup.site.root().display(),
        setup.urls(args.port)
    ));
    let content = Content {
        site: setup.site,
        inbox: setup.inbox,
    };
    connections::serve(&net, listener, content, stop).await;
    if let Some(tracing) = tracing {
        // Lets it print what the last segments caused.
        tokio::task::yield_now().await;
        tracing.abort();
    }
    Ok(())
}

/// On every own address.
async fn listen(net: &Net, port: u16) -> Result<TcpListener, Failure> {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let bound = net.bind(any).await;
    bound.map_err(|error| Failure::Failed(format!("cannot listen on port {port}: {error}")))
}

/// A file for packets.
fn open_capture(path: &Path) -> Result<LiveCapture<BufWriter<File>>, Failure> {
    let file = File::create(path);
    let file = file.map_err(|error| Failure::with_file("create", path, &error))?;
    let epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let writer = LiveCapture::new(BufWriter::new(file), "synfin", epoch);
    writer.map_err(|error| Failure::with_file("write to", path, &error))
}

/// Makes the TUN device, with what decorates it, and a network on it.
fn network(args: &ServeArgs, setup: &Setup) -> Result<Net, Failure> {
    let capture = args.pcap.as_deref().map(open_capture).transpose()?;
    let mut options = TunOptions::new(args.tun.as_str());
    for host in &setup.host_addrs {
        options = options.with_address(host.addr, host.prefix_len);
    }
    let tun = Tun::create(&options).map_err(|error| Failure::Failed(error.to_string()))?;
    let tun = Fault::new(tun, &setup.faults);
    let config = StackConfig {
        trace_capacity: if args.trace { states::CAPACITY } else { 0 },
        ..StackConfig::default()
    };
    let builder = Net::builder().config(config);
    let mut builder = match capture {
        Some(sink) => builder.tun(Capture::new(tun, sink)),
        None => builder.tun(tun),
    };
    for own in &setup.addrs {
        builder = builder.address(&own.to_string());
    }
    builder
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start the network: {error}")))
}

/// Prints a line for whoever watches; when nobody does any more, that is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Completes at SIGINT or SIGTERM. The handlers stand when this returns.
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let handler = |kind| {
        signal(kind).map_err(|error| Failure::Failed(format!("cannot watch for signals: {error}")))
    };
    let mut interrupt = handler(SignalKind::interrupt())?;
    let mut terminate = handler(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests;
