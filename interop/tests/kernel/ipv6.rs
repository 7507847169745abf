//! IPv6 that configures itself on an Ethernet link: the kernel as router, as neighbour with an
//! address, and as a switch that snoops.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};

use socket2::{Domain, Protocol, Type};
use synfin_core::wire::MacAddress;
use synfin_core::wire::ndp::{
    NdpMessage, NdpOption, NdpOptions, PrefixInformation, RouterAdvertisement, solicited_node,
};
use synfin_core::{AddressOrigin, AddressState, Ipv6Config};
use synfin_interop::harness::Test;
use synfin_interop::host::{Host, HostOptions, INTERFACE};
use synfin_interop::kernel;
use synfin_interop::socket::Socket;

/// Our end of the link.
const STATION: MacAddress = MacAddress([2, 0x77, 0, 0, 0, 2]);
/// What the router advertises.
const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0);
/// Behind the router: an address of the kernel that is not on the link.
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "ipv6::a_router_gives_us_an_address_and_a_way".to_owned(),
            a_router_gives_us_an_address_and_a_way,
        ),
        Test::new(
            "ipv6::the_kernel_keeps_its_address".to_owned(),
            the_kernel_keeps_its_address,
        ),
        Test::new(
            "ipv6::a_switch_that_snoops_knows_our_groups".to_owned(),
            a_switch_that_snoops_knows_our_groups,
        ),
    ]
}

fn host() -> Host {
    Host::start(HostOptions {
        station: Some(STATION),
        ipv6: Some(Ipv6Config::default()),
        ..HostOptions::default()
    })
}

/// The kernel's link-local address on the link.
fn kernel_link_local() -> Ipv6Addr {
    kernel::wait_for("a link-local address of the kernel", || {
        let text = kernel::run(&format!("ip -6 -o addr show dev {INTERFACE} scope link"));
        let ready = !text.contains("tentative");
        let mut words = text.split_whitespace();
        words.find(|word| *word == "inet6");
        let (addr, _) = words.next()?.split_once('/')?;
        addr.parse().ok().filter(|_| ready)
    })
}

fn interface_index() -> u32 {
    let text = kernel::run(&format!("ip -o link show dev {INTERFACE}"));
    let number = text.split(':').next();
    let number = number.and_then(|number| number.trim().parse().ok());
    number.expect("a number of the interface")
}

/// Sends an advertisement from the kernel, as a routing daemon does.
fn advertise(src: Ipv6Addr) {
    let prefix = NdpOption::Prefix(PrefixInformation {
        prefix: PREFIX,
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        valid_lifetime: 7200,
        preferred_lifetime: 3600,
    });
    let mut options = Vec::new();
    for option in [prefix, NdpOption::Mtu(1400)] {
        let start = options.len();
        options.resize(start + option.option_len(), 0);
        option.emit(&mut options[start..]);
    }
    let message = NdpMessage::RouterAdvertisement {
        router: RouterAdvertisement {
            hop_limit: 64,
            lifetime: 1800,
            ..RouterAdvertisement::default()
        },
        options: NdpOptions::parse(&options).expect("whole options"),
    };
    // The kernel replaces the checksum.
    let mut bytes = vec![0; message.message_len()];
    message.emit(src, ALL_NODES, &mut bytes);
    let index = interface_index();
    let socket = socket2::Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6));
    let socket = socket.expect("a raw socket");
    let bound = SocketAddrV6::new(src, 0, 0, index);
    socket.bind(&bound.into()).expect("the router's address");
    socket.set_multicast_if_v6(index).expect("the interface");
    socket.set_multicast_hops_v6(255).expect("a hop limit");
    let to = SocketAddrV6::new(ALL_NODES, 0, 0, index);
    socket.send_to(&bytes, &to.into()).expect("it can be sent");
}

/// The address that we have formed, once it is ours.
fn formed(host: &Host) -> Ipv6Addr {
    let device = host.device();
    host.until("an address of ours", move |stack, _| {
        let mut own = stack.ipv6_addresses(device);
        let formed = own.find(|own| own.origin == AddressOrigin::Advertised)?;
        (formed.state == AddressState::Preferred).then_some(formed.addr)
    })
}

/// A word there and a word back.
fn talk(theirs: &mut TcpStream, ours: &Socket<'_>) {
    theirs.write_all(b"word").expect("the kernel can write");
    let read = ours.read_until(|read| read.len() >= 4);
    ours.write_all(&read);
    let mut answer = [0; 4];
    theirs.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"word");
}

/// The kernel advertises itself; we form an address that it can reach, and it is our way to what
/// is behind it. covers: 4861-8, 4862-2, 8504-3
fn a_router_gives_us_an_address_and_a_way() {
    let host = host();
    let router = kernel_link_local();
    // Who does not forward says that it is no router, and is none then.
    kernel::set_option("net/ipv6/conf/all/forwarding", "1");
    kernel::run("ip link set dev lo up");
    kernel::run(&format!("ip -6 addr add {FAR}/128 dev lo nodad"));
    kernel::run(&format!("ip -6 route add {PREFIX}/64 dev {INTERFACE}"));
    advertise(router);
    let own = formed(&host);
    assert_eq!(own.segments()[..4], PREFIX.segments()[..4]);

    // The kernel finds us by our address.
    let listener = host.listen(80);
    let mut theirs = TcpStream::connect(SocketAddr::new(own.into(), 80)).expect("we listen");
    let ours = Socket::accept(&host, listener);
    talk(&mut theirs, &ours);

    // We find what is behind it, from our address, in packets that the link takes.
    let far = TcpListener::bind(SocketAddr::new(FAR.into(), 0)).expect("a port");
    let at = far.local_addr().expect("an address");
    let ours = Socket::connect(&host, at);
    let (mut theirs, from) = far.accept().expect("we come");
    assert_eq!(from.ip(), IpAddr::V6(own));
    talk(&mut theirs, &ours);
    let text = kernel::run(&format!("ss -Htin src [{FAR}]"));
    let mss = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("mss:"));
    let mss: u32 = mss.and_then(|mss| mss.parse().ok()).expect("an MSS");
    assert!(mss <= 1400 - 60, "{text}");

    // We go on talking after the kernel has asked whether we are still there, and so do we.
    kernel::run(&format!("ip neigh flush dev {INTERFACE}"));
    talk(&mut theirs, &ours);
    let device = host.device();
    let routers = host.call(move |stack, _| stack.ipv6_routers(device).count());
    assert_eq!(routers, 1);
}

/// The kernel has an address; that it has it is enough for us not to take it.
/// covers: 4862-1
fn the_kernel_keeps_its_address() {
    let host = host();
    let taken: Ipv6Addr = "fd77::99".parse().expect("an address");
    kernel::run(&format!("ip -6 addr add {taken}/64 dev {INTERFACE} nodad"));
    let verdict = |addr: Ipv6Addr| {
        let device = host.device();
        host.call(move |stack, _| stack.add_address(device, addr.into(), 64));
        host.until("a verdict", move |stack, _| {
            let mut all = stack.ipv6_addresses(device);
            let state = all.find(|one| one.addr == addr)?.state;
            (state != AddressState::Tentative).then_some(state)
        })
    };
    assert_eq!(verdict(taken), AddressState::Duplicate);
    let free: Ipv6Addr = "fd77::98".parse().expect("an address");
    assert_eq!(verdict(free), AddressState::Preferred);
    let duplicates = host.call(|stack, _| stack.counters().duplicate_addresses);
    assert_eq!(duplicates, 1);
}

/// A switch that snoops learns from our reports to which port questions about our addresses go, and
/// its queries are answered. covers: 8504-4
fn a_switch_that_snoops_knows_our_groups() {
    let host = host();
    kernel::run("ip link add switch0 type bridge mcast_snooping 1 mcast_querier 1");
    // Every second, in hundredths: it asks nothing before it has an address itself.
    let soon = "mcast_startup_query_interval 100 mcast_startup_query_count 60";
    kernel::run(&format!(
        "ip link set dev switch0 type bridge mcast_mld_version 2 {soon}"
    ));
    kernel::run(&format!("ip link set dev {INTERFACE} master switch0"));
    kernel::run("ip link set dev switch0 up");
    host.until("a query of the switch", |stack, _| {
        (stack.counters().listener_queries_in > 0).then_some(())
    });
    let device = host.device();
    let own = host.call(move |stack, _| {
        let own = stack.ipv6_addresses(device).map(|own| own.addr);
        own.collect::<Vec<_>>()
    });
    assert!(own.len() >= 2, "link-local and given: {own:?}");
    for addr in own {
        let group = solicited_node(addr);
        kernel::wait_for("the group is known at our port", || {
            let text = kernel::run("bridge mdb show dev switch0");
            let ours = |line: &str| line.contains(INTERFACE) && line.contains(&group.to_string());
            text.lines().any(ours).then_some(())
        });
    }
}
