//! Counters: one per [`DropReason`], and the variables of the TCP MIB (RFC 4022) and the common
//! extensions of it, under the names that operators know from `netstat -s`.
//!
//! Every frame ends in exactly one of *delivered*, *answered*, *dropped(reason)*.

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident = $words:expr),+ $(,)?) => {
        /// Why a frame, packet or segment was not taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum DropReason { $($(#[$doc])* $name),+ }

        impl DropReason {
            /// All reasons, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The reason in words.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $words),+ }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than its headers say.
    Truncated = "truncated",
    /// Neither IPv4 nor IPv6.
    BadIpVersion = "bad IP version",
    /// A length or offset of the IP header is impossible.
    BadIpHeader = "bad IP header",
    /// The IPv4 header checksum is wrong.
    BadIpChecksum = "bad IP header checksum",
    /// An IP option is malformed.
    BadIpOption = "bad IP option",
    /// An IPv6 extension header is malformed or asks to be discarded.
    BadExtensionHeader = "bad extension header",
    /// The source address cannot be a sender (9293-MUST-63, 1122-4).
    BadSource = "invalid source address",
    /// The packet is for somebody else.
    NotOurs = "not our address",
    /// Broadcast or multicast, which TCP does not speak (9293-MUST-57).
    NotUnicast = "not unicast",
    /// A fragment, on a stack that does not reassemble
    /// ([`fragmented_datagrams`](crate::Limits::fragmented_datagrams) is 0).
    Fragment = "fragment",
    /// A fragment of an impossible length or place (791-3, 791-4, 8200-7).
    BadFragment = "impossible fragment",
    /// A fragment that lies over another one spoils its datagram (791-5, 8200-8).
    FragmentOverlap = "overlapping fragments",
    /// A fragment that was there already.
    FragmentDuplicate = "duplicate fragment",
    /// A datagram of too many fragments or octets (791-6).
    FragmentLimit = "too many fragments",
    /// Fragments marked CE beside others that are not ECN-capable (3168-11).
    FragmentMarks = "contradicting ECN marks of fragments",
    /// A fragment whose datagram made room for others (791-6).
    ReassemblyEvicted = "evicted from reassembly",
    /// A fragment whose datagram was not whole in time (8200-6).
    ReassemblyTimeout = "reassembly timed out",
    /// Neighbour discovery in fragments, or behind a fragment header (8504-2).
    FragmentedDiscovery = "fragmented neighbour discovery",
    /// No handler for the protocol.
    UnknownProtocol = "unknown protocol",
    /// An ICMP message is malformed.
    BadIcmp = "malformed ICMP",
    /// An ICMP message of a type that is ignored.
    IgnoredIcmp = "ignored ICMP type",
    /// An ICMP error that quotes nothing of ours, or a sequence number that is not in flight.
    IcmpNoMatch = "ICMP quotes nothing of ours",
    /// A Packet Too Big message that tells no smaller MTU, or an impossible one (1191-6, 8201-1).
    MtuNotSmaller = "ICMP tells no smaller MTU",
    /// The TCP header is malformed.
    BadTcpHeader = "bad TCP header",
    /// The TCP checksum is wrong (9293-MUST-3).
    BadTcpChecksum = "bad TCP checksum",
    /// Source or destination port 0 (6056-6).
    PortZero = "port 0",
    /// A RST that belongs to nothing.
    ResetNoConnection = "RST for no connection",
    /// A segment without SYN, ACK or RST at a listener.
    NothingForListener = "nothing a listener can use",
    /// SYN and FIN together, or a SYN from our own address and port (ST-105, ST-109).
    IllegalSyn = "illegal SYN",
    /// The SYN queue is full.
    SynQueueFull = "SYN queue full",
    /// The accept queue is full.
    AcceptQueueFull = "accept queue full",
    /// A limit on connections is reached.
    ConnectionLimit = "connection limit",
    /// The application refused in silence.
    RefusedSilently = "refused by the application",
    /// PAWS: an old timestamp (RFC 7323 section 5).
    Paws = "PAWS: old timestamp",
    /// Timestamps were negotiated and the segment has none (RFC 7323 section 3.2).
    MissingTimestamp = "timestamp missing",
    /// Outside the receive window.
    OutOfWindow = "outside the window",
    /// Nothing but text that was received before.
    OldDuplicate = "old duplicate",
    /// A RST outside the window, or one that does not match the state.
    BadReset = "unacceptable RST",
    /// A RST in the window but not at its left edge (RFC 5961 section 3).
    ChallengedReset = "RST challenged",
    /// A SYN on a synchronized connection (RFC 5961 section 4).
    ChallengedSyn = "SYN challenged",
    /// No ACK bit where one is needed.
    NoAck = "no ACK",
    /// Acknowledges what was never sent, or far too old (RFC 5961 section 5).
    BadAck = "unacceptable ACK",
    /// Text after the peer's FIN.
    TextAfterFin = "text after FIN",
    /// Text for an application that has closed.
    DataAfterClose = "text after close",
    /// The application has shut down its reading half.
    ReadShutdown = "reading is shut down",
    /// The buffer pool is exhausted.
    NoMemory = "buffer pool exhausted",
    /// A packet that became whole in another shard than its own, and too many wait for theirs.
    HandOverFull = "hand-over to another shard is full",
    /// Too many gaps.
    ReassemblyLimit = "too many out-of-order ranges",
    /// A RST in TIME-WAIT (RFC 1337).
    ResetInTimeWait = "RST in TIME-WAIT",
    /// A SYN in TIME-WAIT that RFC 6191 does not let pass.
    SynInTimeWait = "old SYN in TIME-WAIT",
    /// A segment in TIME-WAIT that needs no answer.
    OldInTimeWait = "old segment in TIME-WAIT",
    /// The queue of replies that belong to no connection is full, or their rate is exhausted.
    ReplyLimit = "reply limit",
    /// No route, or no own address, to answer with.
    NoRoute = "no route",
    /// A frame for another station, or for a group that we are not in.
    NotOurStation = "frame for another station",
    /// A frame that carries neither IP nor ARP.
    UnknownEthertype = "unknown ethertype",
    /// An ARP packet is malformed, or cannot be true (826-3).
    BadArp = "malformed ARP",
    /// A message of neighbour discovery is malformed, came from afar, or cannot be true (4861-1).
    BadDiscovery = "malformed neighbour discovery",
    /// Somebody tells of an address that nobody asked for (826-5, ATT-68).
    UnsolicitedNeighbor = "neighbour nobody asked for",
    /// Somebody else uses an address of ours (826-6, RFC 5227).
    AddressConflict = "our address used by another station",
    /// The neighbour cache is full of neighbours in use.
    NeighborLimit = "neighbour cache full",
    /// A newer packet took its place while it waited for the neighbour's address (4861-3).
    NeighborQueue = "replaced while waiting for the neighbour",
    /// A claim to an address that is not ours yet (4862-1).
    TentativeAddress = "about an address being probed",
    /// A router advertisement on a device that configures nothing by itself.
    UnwantedAdvertisement = "router advertisement not wanted",
    /// A redirect that is not from the first hop (4861-10), or not wanted.
    RefusedRedirect = "redirect not from the first hop",
    /// A message about listeners that is malformed or came from afar (RFC 3810 section 6.2).
    BadListenerMessage = "malformed listener message",
    /// The neighbour did not answer (826-4, 4861-2).
    NeighborUnreachable = "neighbour does not answer",
    /// It waited for its neighbour when our address, or the device, was taken away (AB-31).
    AddressGone = "our address is gone",
}

macro_rules! mib {
    ($($(#[$doc:meta])* $field:ident = $group:literal $name:literal),+ $(,)?) => {
        /// Counters of one stack. All only grow, but `curr_estab`.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)+
            dropped: [u64; DropReason::ALL.len()],
        }

        impl Counters {
            pub(crate) fn new() -> Self {
                Self { $($field: 0,)+ dropped: [0; DropReason::ALL.len()] }
            }

            /// Adds what another stack has counted: together they are one host.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
                for (sum, more) in self.dropped.iter_mut().zip(other.dropped) {
                    *sum += more;
                }
            }

            /// The MIB variables as (group, name, value), with the names that `netstat -s` and
            /// exporters use.
            pub fn mib(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$(($group, $name, self.$field)),+].into_iter()
            }
        }
    };
}

mib! {
    /// Frames handed in by devices.
    frames_in = "Ip" "InReceives",
    /// Packets delivered to a protocol.
    delivers = "Ip" "InDelivers",
    /// Packets handed to devices.
    frames_out = "Ip" "OutRequests",
    /// Fragments received.
    reasm_reqds = "Ip" "ReasmReqds",
    /// Datagrams reassembled.
    reasm_oks = "Ip" "ReasmOKs",
    /// Datagrams of which fragments came and that were not reassembled.
    reasm_fails = "Ip" "ReasmFails",
    /// Of these, datagrams that were not whole in time.
    reasm_timeouts = "Ip" "ReasmTimeout",
    /// Packets sent in fragments.
    frag_oks = "Ip" "FragOKs",
    /// Fragments sent.
    frag_creates = "Ip" "FragCreates",
    /// ICMP messages received.
    icmp_in = "Icmp" "InMsgs",
    /// ICMP messages sent.
    icmp_out = "Icmp" "OutMsgs",
    /// Echo requests answered.
    icmp_echo = "Icmp" "OutEchoReps",
    /// Active opens.
    active_opens = "Tcp" "ActiveOpens",
    /// SYNs that made a half-open entry or a connection.
    passive_opens = "Tcp" "PassiveOpens",
    /// SYN-SENT or SYN-RECEIVED to CLOSED, SYN-RECEIVED to LISTEN.
    attempt_fails = "Tcp" "AttemptFails",
    /// ESTABLISHED or CLOSE-WAIT to CLOSED.
    estab_resets = "Tcp" "EstabResets",
    /// Connections that are ESTABLISHED or CLOSE-WAIT now.
    curr_estab = "Tcp" "CurrEstab",
    /// Segments received, wrong ones included.
    in_segs = "Tcp" "InSegs",
    /// Segments sent, without those that hold only retransmitted octets.
    out_segs = "Tcp" "OutSegs",
    /// Segments retransmitted.
    retrans_segs = "Tcp" "RetransSegs",
    /// Segments received in error.
    in_errs = "Tcp" "InErrs",
    /// RST segments sent.
    out_rsts = "Tcp" "OutRsts",
    /// Times the retransmission timer fired.
    timeouts = "TcpExt" "TCPTimeouts",
    /// Fast retransmissions.
    fast_retrans = "TcpExt" "TCPFastRetrans",
    /// Recoveries that SACK began.
    sack_recovery = "TcpExt" "TCPSackRecovery",
    /// Recoveries that duplicate acknowledgements without SACK began.
    reno_recovery = "TcpExt" "TCPRenoRecovery",
    /// Retransmissions found lost.
    lost_retransmit = "TcpExt" "TCPLostRetransmit",
    /// Tail loss probes sent.
    loss_probes = "TcpExt" "TCPLossProbes",
    /// Losses that a tail loss probe repaired.
    loss_probe_recovery = "TcpExt" "TCPLossProbeRecovery",
    /// Timeouts found spurious by F-RTO.
    spurious_rtos = "TcpExt" "TCPSpuriousRTOs",
    /// Reductions undone after D-SACK.
    dsack_undo = "TcpExt" "TCPDSACKUndo",
    /// Reductions undone by other signs.
    full_undo = "TcpExt" "TCPFullUndo",
    /// Peers that threw away what they had reported.
    sack_reneging = "TcpExt" "TCPSACKReneging",
    /// D-SACK blocks received.
    dsack_received = "TcpExt" "TCPDSACKRecv",
    /// SYNs, and third segments of handshakes, that found the accept queue full.
    listen_overflows = "TcpExt" "ListenOverflows",
    /// SYNs, and third segments of handshakes, dropped at listeners for any reason.
    listen_drops = "TcpExt" "ListenDrops",
    /// SYN cookies sent.
    syn_cookies_sent = "TcpExt" "SyncookiesSent",
    /// Connections made of a SYN cookie that came back.
    syn_cookies_recv = "TcpExt" "SyncookiesRecv",
    /// Acknowledgements at a listener that has sent cookies lately, but not this one.
    syn_cookies_failed = "TcpExt" "SyncookiesFailed",
    /// SYNs that found the SYN queue full and were answered by a cookie.
    req_q_full_do_cookies = "TcpExt" "TCPReqQFullDoCookies",
    /// SYNs that found the SYN queue full and were dropped.
    req_q_full_drop = "TcpExt" "TCPReqQFullDrop",
    /// Half-open entries that made room for a newer SYN.
    syn_queue_evicted = "Synfin" "SynQueueEvicted",
    /// Challenge ACKs sent.
    challenge_acks = "TcpExt" "TCPChallengeACK",
    /// Challenge ACKs, and answers to probes with an octet, withheld by the limit.
    challenge_acks_skipped = "TcpExt" "TCPACKSkippedChallenge",
    /// Delayed acknowledgements sent.
    delayed_acks = "TcpExt" "DelayedACKs",
    /// Segments refused by PAWS.
    paws_estab = "TcpExt" "PAWSEstab",
    /// Connections that entered TIME-WAIT.
    time_wait = "TcpExt" "TW",
    /// TIME-WAIT records taken over by a newer SYN.
    time_wait_recycled = "TcpExt" "TWRecycled",
    /// TIME-WAIT records evicted by their limit.
    time_wait_overflow = "TcpExt" "TCPTimeWaitOverflow",
    /// Connections given up because the user's time or the retries ran out.
    abort_on_timeout = "TcpExt" "TCPAbortOnTimeout",
    /// Connections reset because text was unread at close.
    abort_on_close = "TcpExt" "TCPAbortOnClose",
    /// Connections reset because text came after close.
    abort_on_data = "TcpExt" "TCPAbortOnData",
    /// Connections reset because of a limit: `OrphansEvicted` and `StalledEvicted` together.
    abort_on_memory = "TcpExt" "TCPAbortOnMemory",
    /// Keep-alive probes sent.
    keep_alive = "TcpExt" "TCPKeepAlive",
    /// Zero-window probes sent.
    window_probes = "TcpExt" "TCPWinProbe",
    /// Segments queued out of order.
    ofo_queue = "TcpExt" "TCPOFOQueue",
    /// Segments above a gap that found no memory.
    ofo_drop = "TcpExt" "TCPOFODrop",
    /// Times that memory was short and text above a gap was looked through for some.
    prune_called = "TcpExt" "PruneCalled",
    /// Pieces of text above a gap that made room.
    ofo_pruned = "TcpExt" "OfoPruned",
    /// Times that this did not make enough of it for text at `RCV.NXT`.
    rcv_pruned = "TcpExt" "RcvPruned",
    /// Segments at `RCV.NXT` that found no memory.
    rcvq_drop = "TcpExt" "TCPRcvQDrop",
    /// D-SACK blocks sent for old duplicates.
    dsack_old_sent = "TcpExt" "TCPDSACKOldSent",
    /// D-SACK blocks sent for out-of-order duplicates.
    dsack_ofo_sent = "TcpExt" "TCPDSACKOfoSent",
    /// Acceptable segments that arrived with CE on connections with ECN.
    ecn_ce_received = "Synfin" "EcnCeReceived",
    /// Acknowledgements that reported CE.
    ecn_echo_received = "Synfin" "EcnEchoReceived",
    /// Text on our SYN that was acknowledged with it.
    fast_open_active = "TcpExt" "TCPFastOpenActive",
    /// Fast opens of ours that failed: no answer in time, or the text was not taken.
    fast_open_active_fail = "TcpExt" "TCPFastOpenActiveFail",
    /// Connections made of a SYN with a good cookie.
    fast_open_passive = "TcpExt" "TCPFastOpenPassive",
    /// SYNs with a bad cookie.
    fast_open_passive_fail = "TcpExt" "TCPFastOpenPassiveFail",
    /// SYNs whose good cookie did not help because the listener's limit was reached.
    fast_open_listen_overflow = "TcpExt" "TCPFastOpenListenOverflow",
    /// Requests for a cookie.
    fast_open_cookie_reqd = "TcpExt" "TCPFastOpenCookieReqd",
    /// Probes of the path MTU sent.
    path_mtu_probes = "Synfin" "PathMtuProbes",
    /// Probes of the path MTU that were acknowledged.
    path_mtu_probe_success = "TcpExt" "TCPMTUPSuccess",
    /// Probes of the path MTU that were lost alone, by a timeout, or refused by a router.
    path_mtu_probe_fail = "TcpExt" "TCPMTUPFail",
    /// Times that a connection went down to smaller packets.
    path_mtu_lowered = "Synfin" "PathMtuLowered",
    /// Times that it did because large segments vanished without a word.
    black_holes = "Synfin" "PathMtuBlackHoles",
    /// ICMP messages that claim less than what was acknowledged, kept until proven.
    path_mtu_held = "Synfin" "PathMtuClaimsHeld",
    /// Of these, claims that acknowledgements have refuted.
    path_mtu_refuted = "Synfin" "PathMtuClaimsRefuted",
    /// Connections that began with what earlier ones to their destination had left.
    destinations_used = "Synfin" "DestinationsUsed",
    /// Destinations that were forgotten before their time to make room.
    destinations_evicted = "Synfin" "DestinationsEvicted",
    /// ARP packets received.
    arp_in = "Synfin" "ArpIn",
    /// ARP packets sent.
    arp_out = "Synfin" "ArpOut",
    /// Neighbour solicitations and advertisements received.
    discovery_in = "Synfin" "NeighborDiscoveryIn",
    /// Neighbour solicitations and advertisements sent.
    discovery_out = "Synfin" "NeighborDiscoveryOut",
    /// Router advertisements taken.
    router_adverts_in = "Icmp6" "InRouterAdvertisements",
    /// Router solicitations sent.
    router_solicits_out = "Icmp6" "OutRouterSolicits",
    /// Redirects followed.
    redirects_in = "Icmp6" "InRedirects",
    /// Queries of multicast routers taken.
    listener_queries_in = "Icmp6" "InGroupMembQueries",
    /// Reports to multicast routers sent, of both versions.
    listener_reports_out = "Icmp6" "OutMLDv2Reports",
    /// Solicitations sent to find out whether an address is free.
    address_probes_out = "Synfin" "AddressProbesOut",
    /// Addresses that somebody else had.
    duplicate_addresses = "Synfin" "DuplicateAddresses",
    /// Probes of ours that came back.
    looped_probes = "Synfin" "LoopedAddressProbes",
    /// Addresses, routers and prefixes that there was no room for.
    autoconf_limits = "Synfin" "AutoconfLimits",
    /// Neighbours given up after they did not answer.
    neighbor_failures = "Synfin" "NeighborFailures",
    /// Records of segments on their way that acknowledgements made us look at. Many times the
    /// number of acknowledgements is a sign of a peer that reports in order to cost.
    scoreboard_steps = "Synfin" "ScoreboardSteps",
    /// Pieces and ranges of text above a gap that its arrival made us look at; 64 that are moved
    /// at once count as one.
    reassembly_steps = "Synfin" "ReassemblySteps",
    /// Ports that active opens have tried.
    ports_tried = "Synfin" "PortsTried",
    /// Connections that the application had left, reset because of their limit, the oldest first.
    orphans_evicted = "Synfin" "OrphansEvicted",
    /// Connections whose peers took nothing, reset when buffers were exhausted.
    stalled_evicted = "Synfin" "StalledEvicted",
    /// Octets of text accepted from applications.
    octets_sent = "Synfin" "OctetsQueued",
    /// Octets of text delivered in order.
    octets_received = "Synfin" "OctetsDelivered",
}

impl Default for Counters {
    /// Nothing was counted.
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// How many frames, packets or segments were dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// The reasons that occurred, with their counts.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .map(|&r| (r, self.dropped(r)))
            .filter(|&(_, n)| n > 0)
    }

    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        self.count_drops(reason, 1);
    }

    /// Several at once.
    pub(crate) fn count_drops(&mut self, reason: DropReason, count: u64) {
        self.dropped[reason as usize] += count;
    }
}
