//! The tests themselves, and the thread with a namespace in which each runs.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant as StdInstant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use synfin_core::wire::arp::{ArpOperation, ArpPacket};
use synfin_core::wire::ethernet::ethertype;
use synfin_core::wire::{EthernetHeader, MacAddress, SeqNum};
use synfin_core::{
    Checksum, Device, DeviceCaps, Frame, Instant, Memory, Slices, Stack, StackConfig, Transmit,
    TransmitOutcome,
};
use synfin_device::{Tun, TunError, TunOptions};

const TESTS: [(&str, fn()); 12] = [
    (
        "ipv4_datagrams_pass_both_ways",
        ipv4_datagrams_pass_both_ways,
    ),
    (
        "ipv6_datagrams_pass_both_ways",
        ipv6_datagrams_pass_both_ways,
    ),
    ("options_reach_the_kernel", options_reach_the_kernel),
    (
        "waiting_ends_with_a_packet_or_in_time",
        waiting_ends_with_a_packet_or_in_time,
    ),
    (
        "a_name_with_a_pattern_is_filled_in",
        a_name_with_a_pattern_is_filled_in,
    ),
    (
        "a_persistent_interface_is_opened_again",
        a_persistent_interface_is_opened_again,
    ),
    ("what_is_wrong_is_told", what_is_wrong_is_told),
    (
        "without_privilege_a_prepared_interface_serves",
        without_privilege_a_prepared_serves,
    ),
    ("a_lost_interface_is_noticed", a_lost_interface_is_noticed),
    ("a_tap_device_carries_frames", a_tap_device_carries_frames),
    ("flows_are_spread_over_queues", flows_are_spread_over_queues),
    ("tun_and_tap_are_told_apart", tun_and_tap_are_told_apart),
];

pub(crate) fn run() -> ExitCode {
    let required = std::env::var_os("SYNFIN_REQUIRE_PRIVILEGED").is_some_and(|v| v == "1");
    let missing = in_thread(|| what_is_missing().map_err(Failed::from)).err();
    let trials = TESTS.iter().map(|(name, test)| {
        let reason = missing
            .as_ref()
            .and_then(|failed| failed.message().map(str::to_owned));
        Trial::ignorable_test(*name, move || match reason {
            Some(reason) if required => Err(Failed::from(reason)),
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => in_thread(move || {
                enter_namespace()?;
                test();
                Ok(())
            })
            .map(|()| Completion::Completed),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Runs `body` in a thread of its own: a namespace is that of a thread and ends with it.
fn in_thread(body: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Result<(), Failed> {
    match std::thread::spawn(body).join() {
        Ok(outcome) => outcome,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Failed::from(
                text.unwrap_or_else(|| "the test panicked".to_owned()),
            ))
        }
    }
}

fn what_is_missing() -> Result<(), String> {
    let tun = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    tun.map_err(|error| format!("needs /dev/net/tun: {error}"))?;
    enter_namespace().map_err(|error| format!("needs root for a network namespace: {error}"))
}

fn enter_namespace() -> io::Result<()> {
    // SAFETY: the call has no pointers; it changes the namespace of this thread alone.
    match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes every capability from this thread; its user stays root.
fn drop_capabilities() {
    // linux/capability.h, version 3: a header, then two sets of three words.
    let header: [u32; 2] = [0x2008_0522, 0];
    let none = [0_u32; 6];
    // SAFETY: both pointers lead to values of the size that version 3 reads; 0 is this thread.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    assert_eq!(result, 0, "capset: {}", io::Error::last_os_error());
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .expect("ip starts");
    assert!(status.success(), "ip {arguments}");
}

fn options(name: &str) -> TunOptions {
    TunOptions::new(name)
        .with_address("10.9.0.1".parse().unwrap(), 24)
        .with_address("fd09::1".parse().unwrap(), 64)
}

/// A TUN device with frames to read into.
struct Bench {
    tun: Tun,
    stack: Stack,
    frame: Option<Frame>,
}

impl Bench {
    fn new(tun: Tun) -> Self {
        let stack = Stack::new(StackConfig::default(), Memory::default(), [0; 32]);
        let mut stack = stack.expect("the defaults are valid");
        let id = stack.add_device(DeviceCaps::ip(1500));
        let frame = Some(stack.frame(id));
        Self { tun, stack, frame }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut frame = self.frame.take().expect("given back below");
        let received = self.tun.receive(now(), &mut frame);
        let octets = received.then(|| frame.as_slice().to_vec());
        self.frame = Some(frame);
        octets
    }

    /// The next packet that `wanted` is true of; the kernel sends others of its own.
    fn receive_where(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let deadline = StdInstant::now() + Duration::from_secs(10);
        while StdInstant::now() < deadline {
            match self.receive() {
                Some(octets) if wanted(&octets) => return octets,
                Some(_) => {}
                None => drop(self.tun.wait(Some(Duration::from_millis(100))).unwrap()),
            }
        }
        panic!("the packet did not come");
    }

    fn send(&mut self, octets: &[u8]) -> TransmitOutcome {
        assert!(self.tun.can_transmit(now()));
        self.tun.transmit(now(), &transmit_of(octets))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            self.stack.recycle(frame);
        }
    }
}

fn now() -> Instant {
    Instant::from_nanos(1)
}

fn transmit_of(octets: &[u8]) -> Transmit<'_> {
    Transmit {
        header: octets,
        payload: Slices::default(),
        segment_size: None,
        checksum: Checksum::Complete,
        trace: None,
        seq: SeqNum::new(0),
    }
}

/// Where addresses, the protocol and the UDP header are.
struct Layout {
    source: usize,
    address_len: usize,
    protocol: usize,
    udp: usize,
}

const IPV4: Layout = Layout {
    source: 12,
    address_len: 4,
    protocol: 9,
    udp: 20,
};
const IPV6: Layout = Layout {
    source: 8,
    address_len: 16,
    protocol: 6,
    udp: 40,
};

impl Layout {
    fn is_udp_to(&self, octets: &[u8], port: u16) -> bool {
        octets.len() > self.udp + 8
            && octets[self.protocol] == 17
            && octets[self.udp + 2..self.udp + 4] == port.to_be_bytes()
    }

    /// Turns a datagram round. The checksums stay right: the same words are summed.
    fn answer(&self, mut octets: Vec<u8>) -> Vec<u8> {
        let swap = |octets: &mut [u8], at: usize, len: usize| {
            let (first, second) = octets[at..at + 2 * len].split_at_mut(len);
            first.swap_with_slice(second);
        };
        swap(&mut octets, self.source, self.address_len);
        swap(&mut octets, self.udp, 2);
        octets
    }
}

fn datagrams_pass(layout: &Layout, own: &str, peer: &str) {
    let mut bench = Bench::new(Tun::create(&options("tun0")).unwrap());
    let own: IpAddr = own.parse().unwrap();
    let peer: IpAddr = peer.parse().unwrap();
    // Binding proves that the address can be used at once, without duplicate detection.
    let socket = UdpSocket::bind((own, 0)).unwrap();
    socket.connect((peer, 7)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let texts = ["a", "from SYN to FIN", &"x".repeat(1400)];
    let answers: u64 = texts
        .map(|text| echo_until_answered(&mut bench, layout, &socket, text.as_bytes()))
        .into_iter()
        .sum();
    let counts = bench.tun.counts();
    assert_eq!((counts.sent, counts.refused), (answers, 0));
    assert!(counts.received >= answers);
}

/// Sends a datagram that the other side of the device sends back. The kernel's link watch takes up
/// to a second to make a new interface ready, and what arrives before is dropped without a word:
/// so it is sent again until an answer comes. Tells how many answers were given.
fn echo_until_answered(bench: &mut Bench, layout: &Layout, socket: &UdpSocket, text: &[u8]) -> u64 {
    for answers in 1..=100 {
        socket.send(text).unwrap();
        let octets = bench.receive_where(|octets| layout.is_udp_to(octets, 7));
        assert_eq!(&octets[layout.udp + 8..], text);
        assert_eq!(bench.send(&layout.answer(octets)), TransmitOutcome::Sent);
        let mut answer = [0; 1500];
        match socket.recv(&mut answer) {
            Ok(len) => {
                assert_eq!(&answer[..len], text);
                return answers;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    panic!("no answer came through in ten seconds");
}

fn ipv4_datagrams_pass_both_ways() {
    datagrams_pass(&IPV4, "10.9.0.1", "10.9.0.2");
}

fn ipv6_datagrams_pass_both_ways() {
    datagrams_pass(&IPV6, "fd09::1", "fd09::2");
}

/// Each packet comes by one queue, and what any queue sends arrives.
fn flows_are_spread_over_queues() {
    let queues = Tun::create_queues(&options("tun0"), 3).unwrap();
    assert_eq!(queues.len(), 3);
    assert!(
        queues
            .iter()
            .all(|tun| tun.name() == "tun0" && tun.caps().mtu == 1500)
    );
    let mut benches: Vec<Bench> = queues.into_iter().map(Bench::new).collect();
    let socket = || UdpSocket::bind(("10.9.0.1", 0)).unwrap();
    let sockets: Vec<UdpSocket> = (0..60).map(|_| socket()).collect();
    for (n, socket) in (0_u8..).zip(&sockets) {
        socket.send_to(&[n], ("10.9.0.2", 7)).unwrap();
    }
    let mut seen = Vec::new();
    let mut used = 0;
    for bench in &mut benches {
        let before = seen.len();
        while let Some(octets) = bench.receive() {
            if IPV4.is_udp_to(&octets, 7) {
                seen.push(octets[IPV4.udp + 8]);
                let answer = IPV4.answer(octets);
                assert_eq!(bench.send(&answer), TransmitOutcome::Sent);
            }
        }
        used += usize::from(seen.len() > before);
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..60), "{seen:?}");
    assert!(used > 1, "more than one queue is used");
    for (n, socket) in (0_u8..).zip(&sockets) {
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).unwrap();
        let mut answer = [0; 9];
        assert_eq!(socket.recv(&mut answer).unwrap(), 1);
        assert_eq!(answer[0], n);
    }
}

fn options_reach_the_kernel() {
    let tun = Tun::create(&TunOptions {
        mtu: 1400,
        tx_queue_len: 77,
        ..options("tun0")
    })
    .unwrap();
    assert_eq!((tun.name(), tun.caps()), ("tun0", DeviceCaps::ip(1400)));
    let output = Command::new("ip")
        .args(["addr", "show", "dev", "tun0"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let link = [
        "UP",
        "LOWER_UP",
        "mtu 1400",
        "qlen 77",
        "inet 10.9.0.1/24",
        "inet6 fd09::1/64",
    ];
    for words in link {
        assert!(text.contains(words), "{words}: {text}");
    }
    let ours = text
        .lines()
        .find(|line| line.contains("fd09::1/64"))
        .unwrap();
    assert!(!ours.contains("tentative"), "{text}");
    drop(tun);
    assert!(
        matches!(Tun::open("tun0"), Err(TunError::NotFound { .. })),
        "gone with its owner"
    );
}

fn waiting_ends_with_a_packet_or_in_time() {
    let mut bench = Bench::new(Tun::create(&options("tun0")).unwrap());
    let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
    socket.send_to(b"x", "10.9.0.2:7").unwrap();
    assert!(bench.tun.wait(None).unwrap());
    bench.receive_where(|octets| IPV4.is_udp_to(octets, 7));
    // The kernel may have packets of its own to send: one of the waits is undisturbed.
    let undisturbed = (0..100).any(|_| {
        while bench.receive().is_some() {}
        let start = StdInstant::now();
        let ready = bench.tun.wait(Some(Duration::from_micros(300))).unwrap();
        !ready && start.elapsed() >= Duration::from_micros(300)
    });
    assert!(undisturbed, "a wait lasts as long as it was told");
}

fn a_name_with_a_pattern_is_filled_in() {
    let first = Tun::create(&TunOptions::new("synfin%d")).unwrap();
    let second = Tun::create(&TunOptions::new("synfin%d")).unwrap();
    assert_eq!((first.name(), second.name()), ("synfin0", "synfin1"));
}

fn a_persistent_interface_is_opened_again() {
    drop(
        Tun::create(&TunOptions {
            persist: true,
            mtu: 1300,
            ..options("tun0")
        })
        .unwrap(),
    );
    let tun = Tun::open("tun0").unwrap();
    assert_eq!(tun.caps().mtu, 1300);
    drop(tun);
    let again = Tun::create(&options("tun0")).unwrap();
    assert_eq!(again.caps().mtu, 1500, "and set up anew");
}

fn what_is_wrong_is_told() {
    let held = Tun::create(&options("tun0")).unwrap();
    for outcome in [Tun::create(&options("tun0")), Tun::open("tun0")] {
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, TunError::Busy { name } if name == "tun0"),
            "{error}"
        );
        assert!(error.to_string().contains("in use"));
    }
    drop(held);
    let not_tun = Tun::create(&TunOptions::new("lo")).unwrap_err();
    assert!(matches!(not_tun, TunError::NotTun { .. }), "{not_tun}");
    let too_long = Tun::create(&TunOptions::new("a-name-of-16-oct")).unwrap_err();
    assert!(
        matches!(too_long, TunError::NameTooLong { .. }),
        "{too_long}"
    );
    let bad_mtu = Tun::create(&TunOptions {
        mtu: 1_000_000,
        ..options("tun1")
    })
    .unwrap_err();
    assert!(matches!(bad_mtu, TunError::Io { .. }), "{bad_mtu}");
    assert!(bad_mtu.to_string().contains("MTU"), "{bad_mtu}");
}

fn without_privilege_a_prepared_serves() {
    ip("tuntap add dev ready mode tun user root");
    ip("addr add 10.9.0.1/24 dev ready");
    ip("addr add fd09::1/64 dev ready nodad");
    ip("link set dev ready mtu 1480 up");
    ip("tuntap add dev down mode tun user root");
    drop_capabilities();
    for name in ["new", "down"] {
        let error = Tun::create(&options(name)).unwrap_err();
        assert!(
            matches!(&error, TunError::NoPrivilege { name: of } if of == name),
            "{error}"
        );
    }
    let tun = Tun::create(&options("ready")).unwrap();
    assert_eq!(tun.caps().mtu, 1480, "as it was prepared");
    let elsewhere = options("ready").with_address("10.9.1.1".parse().unwrap(), 24);
    drop(tun);
    assert!(matches!(
        Tun::create(&elsewhere),
        Err(TunError::NoPrivilege { .. })
    ));
}

fn a_lost_interface_is_noticed() {
    let mut bench = Bench::new(Tun::create(&options("tun0")).unwrap());
    let packet = IPV4.answer(vec![0x45; 40]);
    ip("link set dev tun0 down");
    assert_eq!(bench.send(&packet), TransmitOutcome::Dropped);
    assert_eq!(bench.tun.counts().refused, 1);
    while bench.receive().is_some() {}
    assert!(bench.tun.take_error().is_none(), "down is not gone");
    ip("link set dev tun0 up");
    assert_eq!(bench.send(&packet), TransmitOutcome::Sent);
    ip("link del dev tun0");
    while bench.receive().is_some() {}
    assert!(bench.tun.take_error().is_some());
    assert_eq!(bench.send(&packet), TransmitOutcome::Dropped);
}

const STATION: MacAddress = MacAddress([2, 9, 0, 0, 0, 2]);

fn tap(name: &str) -> TunOptions {
    TunOptions {
        station: Some(STATION),
        ..options(name)
    }
}

/// The kernel asks for the address of a neighbour and, told, sends its datagram there.
fn a_tap_device_carries_frames() {
    let tun = Tun::create(&tap("tap0")).unwrap();
    assert_eq!(tun.caps(), DeviceCaps::ethernet(1500, STATION));
    let mut bench = Bench::new(tun);
    let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
    socket.send_to(b"hello", "10.9.0.2:7").unwrap();
    let of = |wanted: u16| {
        move |octets: &[u8]| EthernetHeader::parse(octets).is_ok_and(|h| h.ethertype == wanted)
    };
    let asks_for_us = |octets: &[u8]| {
        let arp = ArpPacket::parse(octets.get(14..).unwrap_or_default());
        arp.is_ok_and(|arp| arp.target_ip.octets() == [10, 9, 0, 2])
    };
    let request = bench.receive_where(|octets| of(ethertype::ARP)(octets) && asks_for_us(octets));
    let header = EthernetHeader::parse(&request).unwrap();
    let asked = ArpPacket::parse(&request[14..]).unwrap();
    assert_eq!(header.dst, MacAddress::BROADCAST);
    assert_eq!(asked.sender_mac, header.src, "the kernel's end has its own");
    assert_ne!(header.src, STATION);
    let mut reply = [0; 42];
    let answer = EthernetHeader {
        dst: header.src,
        src: STATION,
        ethertype: ethertype::ARP,
    };
    answer.emit(&mut reply);
    let arp = ArpPacket {
        operation: ArpOperation::Reply,
        sender_mac: STATION,
        sender_ip: asked.target_ip,
        target_mac: asked.sender_mac,
        target_ip: asked.sender_ip,
    };
    arp.emit(&mut reply[14..]);
    assert_eq!(bench.send(&reply), TransmitOutcome::Sent);
    let datagram = bench.receive_where(of(ethertype::IPV4));
    assert_eq!(EthernetHeader::parse(&datagram).unwrap().dst, STATION);
    assert!(datagram.ends_with(b"hello"));
}

fn tun_and_tap_are_told_apart() {
    for persist in [tap("kept0"), options("kept1")] {
        let options = TunOptions {
            persist: true,
            mtu: 1400,
            ..persist
        };
        drop(Tun::create(&options).unwrap());
    }
    let wrong = [
        Tun::open("kept0").unwrap_err(),
        Tun::open_tap("kept1", STATION).unwrap_err(),
        Tun::create(&options("kept0")).unwrap_err(),
    ];
    for error in wrong {
        assert!(matches!(error, TunError::NotTun { .. }), "{error}");
    }
    let tap = Tun::open_tap("kept0", STATION).unwrap();
    assert_eq!(tap.caps(), DeviceCaps::ethernet(1400, STATION));
    let tun = Tun::open("kept1").unwrap();
    assert_eq!(tun.caps(), DeviceCaps::ip(1400));
}
