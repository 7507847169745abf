//! TCP headers with every combination of options.

use proptest::prelude::*;
use synfin_wire::checksum::pseudo_header;
use synfin_wire::tcp::{Header, Options, Segment, fill_checksum, options_len};
use synfin_wire::{
    AccEcn, AccEcnOrder, FastOpenCookie, Flags, SackBlock, SackBlocks, SeqNum, Timestamps,
    UserTimeout, protocol,
};

use super::{address_pair, config, octets};

fn sack_blocks() -> impl Strategy<Value = SackBlocks> {
    prop::collection::vec((any::<u32>(), 1..1_u32 << 31), 0..=4).prop_map(|ranges| {
        let mut blocks = SackBlocks::EMPTY;
        for (left, len) in ranges {
            let left = SeqNum::new(left);
            blocks.push(SackBlock::new(left, left + len).expect("a range with octets"));
        }
        blocks
    })
}

fn cookie() -> impl Strategy<Value = FastOpenCookie> {
    (
        prop::sample::select(vec![0, 4, 6, 8, 10, 12, 14, 16]),
        any::<[u8; 16]>(),
    )
        .prop_map(|(len, octets)| FastOpenCookie::new(&octets[..len]).expect("a legal length"))
}

fn accecn() -> impl Strategy<Value = AccEcn> {
    let order = prop::sample::select(vec![AccEcnOrder::Zero, AccEcnOrder::One]);
    let counters = prop::collection::vec(0..1_u32 << 24, 0..=3);
    (order, counters).prop_map(|(order, counters)| AccEcn::new(order, &counters))
}

fn options() -> impl Strategy<Value = Options> {
    let timestamps = any::<(u32, u32)>().prop_map(|(val, ecr)| Timestamps { val, ecr });
    let timeout = (1..u32::MAX).prop_filter_map("not zero", UserTimeout::from_seconds);
    (
        any::<Option<u16>>(),
        any::<Option<u8>>(),
        any::<bool>(),
        prop::option::of(timestamps),
        sack_blocks(),
        prop::option::of(timeout),
        prop::option::of(cookie()),
        prop::option::of(accecn()),
    )
        .prop_map(
            |(mss, window_scale, sack_permitted, timestamps, sack, timeout, cookie, accecn)| {
                Options {
                    mss,
                    window_scale,
                    sack_permitted,
                    timestamps,
                    sack,
                    user_timeout: timeout,
                    fast_open: cookie,
                    accecn,
                    malformed: false,
                }
            },
        )
}

/// Those of most segments.
fn usual_options() -> impl Strategy<Value = Options> {
    any::<Option<(u32, u32)>>().prop_map(|timestamps| Options {
        timestamps: timestamps.map(|(val, ecr)| Timestamps { val, ecr }),
        ..Options::default()
    })
}

fn header() -> impl Strategy<Value = Header> {
    (
        any::<(u16, u16, u32, u32)>(),
        any::<(u16, u16)>(),
        0..0x200_u16,
        prop_oneof![options(), usual_options()],
    )
        .prop_map(
            |((src_port, dst_port, seq, ack), (wnd, urgent), flags, options)| Header {
                src_port,
                dst_port,
                seq: SeqNum::new(seq),
                ack: SeqNum::new(ack),
                flags: Flags::from_bits(flags),
                wnd,
                urgent,
                options,
            },
        )
}

/// Octets of all options with the alignment that they are written with.
fn wanted_len(options: &Options) -> usize {
    let handshake = usize::from(options.mss.is_some()) * 4
        + match (options.timestamps.is_some(), options.sack_permitted) {
            (true, _) => 12,
            (false, true) => 4,
            (false, false) => 0,
        }
        + usize::from(options.window_scale.is_some()) * 4;
    let sack = match options.sack.len() {
        0 => 0,
        blocks => 4 + 8 * blocks,
    };
    let rare = options
        .fast_open
        .map_or(0, |cookie| 2 + cookie.as_slice().len())
        + usize::from(options.user_timeout.is_some()) * 4
        + options
            .accecn
            .map_or(0, |option| 2 + 3 * option.counters().len());
    (handshake + sack + rare).next_multiple_of(4)
}

proptest! {
    #![proptest_config(config())]

    /// covers: 9293-MUST-2, 9293-MUST-64, 9293-MUST-68, 9293-U9
    #[test]
    fn what_is_emitted_parses(
        header in header(),
        text in octets(40),
        (src, dst) in address_pair(),
    ) {
        let mut bytes = vec![0xee; header.header_len()];
        prop_assert_eq!(header.emit(&mut bytes), bytes.len());
        prop_assert_eq!(bytes.len(), 20 + options_len(&header.options));
        prop_assert_eq!(&bytes[16..18], &[0, 0]);
        let mut sum = pseudo_header(src, dst, protocol::TCP, (bytes.len() + text.len()) as u32);
        sum.add(&bytes);
        sum.add(&text);
        fill_checksum(&mut bytes, sum);
        let mut sum = pseudo_header(src, dst, protocol::TCP, (bytes.len() + text.len()) as u32);
        sum.add(&text);
        let mut at_once = vec![0xee; bytes.len() + 2];
        prop_assert_eq!(header.emit_with_checksum(sum, &mut at_once), bytes.len());
        prop_assert_eq!(&at_once[..bytes.len()], &bytes[..]);
        prop_assert_eq!(&at_once[bytes.len()..], &[0xee; 2]);
        bytes.extend_from_slice(&text);
        prop_assert!(Segment::verify_checksum(&bytes, src, dst));

        let segment = Segment::parse(&bytes).expect("own output");
        prop_assert_eq!(segment.text, &text[..]);
        let parsed = segment.header();
        prop_assert_eq!(Header { options: header.options, ..parsed }, header);
        if wanted_len(&header.options) <= 40 {
            prop_assert_eq!(parsed.options, header.options);
            prop_assert_eq!(options_len(&header.options), wanted_len(&header.options));
        }
    }

    /// covers: 9768-13, 2018-5
    #[test]
    fn what_does_not_fit_is_left_out_and_nothing_else(options in options()) {
        let header = Header { options, ..Header::default() };
        let mut bytes = [0xee; 60];
        let len = header.emit(&mut bytes);
        prop_assert!(len <= 60 && len % 4 == 0);
        prop_assert!(bytes[len..].iter().all(|octet| *octet == 0xee));
        let sent = Segment::parse(&bytes[..len]).expect("own output").options;
        prop_assert!(!sent.malformed);
        // What a connection cannot do without is always there.
        prop_assert_eq!((sent.mss, sent.window_scale), (options.mss, options.window_scale));
        prop_assert_eq!(sent.timestamps, options.timestamps);
        prop_assert_eq!(sent.sack_permitted, options.sack_permitted);
        let blocks = sent.sack.as_slice();
        prop_assert!(options.sack.as_slice().starts_with(blocks));
        prop_assert!(blocks.len() >= options.sack.len().min(2));
        // Whatever is sent is what was asked for, in part or whole.
        prop_assert!(sent.user_timeout.is_none() || sent.user_timeout == options.user_timeout);
        prop_assert!(sent.fast_open.is_none() || sent.fast_open == options.fast_open);
        if let Some(counters) = sent.accecn {
            let wanted = options.accecn.expect("not invented");
            prop_assert!(wanted.counters().starts_with(counters.counters()));
            prop_assert_eq!(wanted.order(), counters.order());
        }
        if sent.sack.len() < options.sack.len() {
            let mut one_more = sent;
            one_more.sack.push(options.sack.as_slice()[sent.sack.len()]);
            one_more.accecn = options.accecn;
            one_more.user_timeout = options.user_timeout;
            one_more.fast_open = options.fast_open;
            prop_assert!(wanted_len(&one_more) > 40);
        }
    }

    /// covers: 9293-MUST-69
    #[test]
    fn only_zeros_follow_the_end(options in options()) {
        let header = Header { options, ..Header::default() };
        let mut bytes = [0xee; 60];
        let len = header.emit(&mut bytes);
        let mut rest = &bytes[20..len];
        while let [kind, tail @ ..] = rest {
            match kind {
                0 => {
                    prop_assert!(rest.len() < 4 && rest.iter().all(|octet| *octet == 0));
                    break;
                }
                1 => rest = tail,
                _ => rest = &rest[usize::from(tail[0])..],
            }
        }
    }
}
