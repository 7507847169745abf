//! What a device does about IPv6 by itself, with its defaults and limits.

/// IPv6 on a device of Ethernet frames. On a device of bare packets nothing of this happens:
/// there is no link to configure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Config {
    /// Routers are asked for, and what they advertise is believed: default routers, prefixes,
    /// addresses, the MTU (RFC 4861 section 6.3, RFC 4862 section 5.5). On.
    pub autoconf: bool,
    /// A link-local address is made for the device (RFC 4862 section 5.3). On.
    pub link_local: bool,
    /// Redirects of the current first hop are followed (RFC 4861 section 8.3). On.
    pub redirects: bool,
    /// Groups that the device listens to are reported (RFC 3810). On.
    pub listener_reports: bool,
    /// Solicitations that an address must survive before it is used, `DupAddrDetectTransmits` of
    /// RFC 4862 section 5.1; 0 uses it at once. 1.
    pub dad_probes: u8,
    /// Routers are asked for until one answers, less and less often (RFC 7559); otherwise three
    /// times. On.
    pub persistent_solicitation: bool,
    /// The least hop limit that is taken from a router: a lower one would cut us off. 32.
    pub hop_limit_min: u8,
    /// The secret of interface identifiers (RFC 7217 section 5), to be kept so that a host has the
    /// same addresses when it comes back; `None` derives one from the seed of the stack.
    pub stable_secret: Option<[u8; 16]>,
    /// What routers can make us keep.
    pub limits: Ipv6Limits,
}

/// What can be kept for a device because routers say so. What comes beyond is ignored and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Limits {
    /// Addresses formed from prefixes. 16. covers: ATT-70
    pub addresses: u8,
    /// Default routers. 8. covers: ATT-70
    pub routers: u8,
    /// Prefixes that are on the link. 16.
    pub prefixes: u8,
    /// Destinations that were redirected; the oldest makes room. 64.
    pub redirects: u16,
}

impl Default for Ipv6Limits {
    fn default() -> Self {
        Self {
            addresses: 16,
            routers: 8,
            prefixes: 16,
            redirects: 64,
        }
    }
}

impl Default for Ipv6Config {
    /// A host as RFC 4862 and RFC 8504 describe it.
    fn default() -> Self {
        Self {
            autoconf: true,
            link_local: true,
            redirects: true,
            listener_reports: true,
            dad_probes: 1,
            persistent_solicitation: true,
            hop_limit_min: 32,
            stable_secret: None,
            limits: Ipv6Limits::default(),
        }
    }
}

impl Ipv6Config {
    /// Nothing happens by itself: addresses and routes are those that are given, and addresses are
    /// used at once.
    pub fn manual() -> Self {
        Self {
            autoconf: false,
            link_local: false,
            redirects: false,
            listener_reports: false,
            dad_probes: 0,
            ..Self::default()
        }
    }
}
