//! What a connection owes, has negotiated and has been asked for, and the events that wait for its
//! application: one bit each.

macro_rules! bits {
    ($(#[$doc:meta])* $name:ident : $int:ty {
        $($(#[$bit_doc:meta])* $bit:ident = $n:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name($int);

        impl $name {
            pub(crate) const NONE: Self = Self(0);
            $($(#[$bit_doc])* pub(crate) const $bit: Self = Self(1 << $n);)+

            pub(crate) const fn has(self, bit: Self) -> bool {
                self.0 & bit.0 != 0
            }

            #[allow(dead_code)]
            pub(crate) const fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            #[allow(dead_code)]
            pub(crate) const fn is_empty(self) -> bool {
                self.0 == 0
            }

            pub(crate) fn set(&mut self, bit: Self) {
                self.0 |= bit.0;
            }

            pub(crate) fn clear(&mut self, bit: Self) {
                self.0 &= !bit.0;
            }

            #[allow(dead_code)]
            pub(crate) fn assign(&mut self, bit: Self, value: bool) {
                if value {
                    self.set(bit);
                } else {
                    self.clear(bit);
                }
            }

            /// Sets the bit and tells whether it was set before.
            #[allow(dead_code)]
            pub(crate) fn put(&mut self, bit: Self) -> bool {
                let had = self.has(bit);
                self.set(bit);
                had
            }

            /// Clears the bit and tells whether it was set.
            #[allow(dead_code)]
            pub(crate) fn take(&mut self, bit: Self) -> bool {
                let had = self.has(bit);
                self.clear(bit);
                had
            }
        }
    };
}

pub(crate) use bits;

bits! {
    /// What a connection owes, has negotiated and has been asked for.
    Marks: u32 {
        /// An acknowledgement is owed now.
        ACK_NOW = 0,
        /// Our SYN, or SYN,ACK, is to be sent (again).
        SEND_SYN = 1,
        /// A RST is to be sent, and then the connection is gone.
        SEND_RST = 2,
        /// A zero-window probe is to be sent.
        PROBE_WINDOW = 3,
        /// A keep-alive probe is to be sent.
        PROBE_PEER = 4,
        /// Our FIN follows the queued text.
        FIN_QUEUED = 5,
        /// Our FIN was sent.
        FIN_SENT = 6,
        /// The application has given the handle back.
        ORPHAN = 7,
        /// The application reads no more.
        READ_SHUTDOWN = 8,
        /// Timestamps are in use (RFC 7323).
        TIMESTAMPS = 9,
        /// SACK may be sent.
        SACK = 10,
        /// `ts_recent` holds a value of the peer.
        TS_RECENT = 11,
        /// It was we who opened.
        ACTIVE_OPEN = 12,
        /// The connection stands in the ready queue of its device.
        READY = 13,
        /// The connection stands in the event queue.
        EVENT_QUEUED = 14,
        /// The last `recv` found nothing: an event is owed when it would.
        WANT_READ = 15,
        /// The last `send` was refused or cut short: an event is owed when it would not be.
        WANT_WRITE = 16,
        /// The smaller-than-MSS override of sender SWS avoidance is due.
        SWS_OVERRIDE = 17,
        /// The application answers what it reads: delay acknowledgements.
        INTERACTIVE = 18,
        /// The peer's FIN was taken.
        PEER_FIN = 19,
        /// The wire state is gone; only the handle is left.
        OFF_WIRE = 20,
        /// The last `send` found no memory.
        WANT_MEMORY = 21,
        /// The connection stands in the queue of those who wait for memory.
        MEMORY_QUEUED = 22,
        /// TIME-WAIT was reached while an acknowledgement was owed.
        LAST_ACK_OWED = 23,
        /// Keep-alive is on.
        KEEP_ALIVE = 24,
        /// The handshake needed a retransmitted SYN (6298-16).
        SYN_LOST = 25,
        /// ESTABLISHED was reached.
        WAS_ESTABLISHED = 26,
        /// The flow table no longer points here.
        DETACHED = 27,
        /// An acknowledgement goes by itself, before any text: the third segment of the handshake,
        /// as peers expect it, or one that carries the user timeout option.
        HANDSHAKE_ACK = 28,
        /// Text left with our first SYN (RFC 7413).
        SYN_TEXT = 29,
        /// Its turn has come among those who wait for memory.
        MEMORY_TURN = 30,
        /// A tail loss probe left and no round trip was measured since. covers: 8985-11
        PROBE_UNMEASURED = 31,
    }
}

bits! {
    /// What few segments ask for; in the cold part.
    ColdMarks: u8 {
        /// The connection waits in a listener's queue: no application has seen it.
        UNACCEPTED = 0,
        /// Routers are to fragment what is too big for the path.
        FRAGMENTS = 1,
        /// The path has shown reordering (RFC 8985 section 6.2).
        REORDERS = 2,
        /// The application holds back the window that we offer, as the trace was told.
        HELD_BY_APPLICATION = 3,
        /// Memory does.
        HELD_BY_MEMORY = 4,
        /// Something has touched the connection since it was last settled.
        TOUCHED = 5,
    }
}

bits! {
    /// Events that wait to be told to the application.
    Events: u8 {
        CONNECTED = 0,
        READABLE = 1,
        WRITABLE = 2,
        PEER_FINISHED = 3,
        URGENT = 4,
        SOFT_ERROR = 5,
        RETRANSMISSION_WARNING = 6,
        CLOSED = 7,
    }
}
