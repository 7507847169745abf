use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;
use synfin_wire::SeqNum;

use super::super::link::ack;
use super::super::{
    AckSample, Congestion, CongestionControl, CongestionEvent, CongestionKind, Live, SentSample,
};
use super::*;
use crate::time::Instant;

const MSS: u32 = 1460;

/// A burst of segments that is acknowledged to the end.
#[derive(Clone, Debug)]
struct Burst {
    pause_ms: u64,
    segments: u32,
    rtt_us: u64,
    full: bool,
    /// What happens before it is acknowledged.
    event: Option<CongestionKind>,
    restart: bool,
}

fn bursts() -> impl Strategy<Value = Vec<Burst>> {
    let event = prop_oneof![
        6 => Just(None),
        2 => Just(Some(CongestionKind::Loss)),
        1 => Just(Some(CongestionKind::Timeout)),
        1 => Just(Some(CongestionKind::Ecn)),
    ];
    let burst = (
        0u64..3000,
        1u32..60,
        1_000u64..300_000,
        any::<bool>(),
        event,
        prop::bool::weighted(0.1),
    );
    let burst = burst.prop_map(|(pause_ms, segments, rtt_us, full, event, restart)| Burst {
        pause_ms,
        segments,
        rtt_us,
        full,
        event,
        restart,
    });
    prop::collection::vec(burst, 1..60)
}

fn play(controller: &mut dyn CongestionControl, burst: &Burst, at: Instant, from: u32) {
    if burst.restart {
        controller.on_idle_restart(at, 10 * MSS);
    }
    for n in 0..burst.segments {
        controller.on_sent(&SentSample {
            now: at,
            len: MSS,
            in_flight: n * MSS,
            app_limited: false,
            mss: MSS,
        });
    }
    if let Some(kind) = burst.event {
        controller.on_congestion(&CongestionEvent {
            now: at,
            kind,
            flight_size: burst.segments * MSS,
            mss: MSS,
        });
    }
    for n in 1..=burst.segments {
        controller.on_ack(&AckSample {
            now: at + Duration::from_micros(burst.rtt_us + 10 * u64::from(n)),
            acked: MSS,
            newly_delivered: MSS,
            rtt: Some(Duration::from_micros(burst.rtt_us)),
            srtt: Duration::from_micros(burst.rtt_us),
            cwnd_limited: burst.full,
            una: SeqNum::new(from + n * MSS),
            nxt: SeqNum::new(from + burst.segments * MSS),
            ..ack(MSS)
        });
    }
}

/// Plays bursts to one that rests after each and to one that never does.
fn compare(make: fn() -> Live, bursts: &[Burst]) -> Result<(), TestCaseError> {
    let (mut awake, mut resting) = (make(), Congestion::from(make()));
    let (mut now, mut seq) = (Instant::from_nanos(1_000_000_000), 0u32);
    for burst in bursts {
        now = now + Duration::from_millis(burst.pause_ms);
        play(awake.get_mut(), burst, now, seq);
        play(resting.live(), burst, now, seq);
        resting.rest();
        let Congestion::Dormant(dormant) = &resting else {
            return Err(TestCaseError::fail("there is room"));
        };
        let (woken, awake) = (dormant.wake(), awake.get());
        prop_assert_eq!(woken.get().name(), awake.name());
        prop_assert_eq!(woken.get().metrics(), awake.metrics());
        // Parts of an octet, which may decide which of two equal curves is the higher one.
        let off = resting.cwnd().abs_diff(awake.cwnd());
        prop_assert!(off < MSS, "{} for {}", resting.cwnd(), awake.cwnd());
        let off = resting.ssthresh().abs_diff(awake.ssthresh());
        prop_assert!(off < MSS, "ssthresh {off} off");
        now = now + Duration::from_micros(burst.rtt_us + 10 * u64::from(burst.segments));
        seq = seq.wrapping_add(burst.segments * MSS);
    }
    Ok(())
}

proptest! {
    /// covers: 9438-8, 9406-1
    #[test]
    fn rest_changes_nothing_for_cubic(bursts in bursts()) {
        compare(|| Live::Cubic(Cubic::new(10 * MSS)), &bursts)?;
    }

    #[test]
    fn rest_changes_nothing_for_newreno(bursts in bursts()) {
        compare(|| Live::NewReno(NewReno::new(10 * MSS)), &bursts)?;
    }
}

/// A slow start that ends at the threshold of other connections goes on with HyStart, should it
/// come back below: that has no room, so it stays boxed and nothing is lost.
#[test]
fn what_has_no_room_stays() {
    let mut cubic = Cubic::new(10 * MSS);
    cubic.on_known_ssthresh(8 * MSS);
    let burst = Burst {
        pause_ms: 0,
        segments: 4,
        rtt_us: 10_000,
        full: true,
        event: None,
        restart: false,
    };
    play(&mut cubic, &burst, Instant::from_nanos(5), 0);
    let mut congestion = Congestion::from(Live::Cubic(cubic));
    congestion.rest();
    assert!(matches!(congestion, Congestion::Live(_)));
    assert_eq!(congestion.cwnd(), cubic.cwnd());
}
