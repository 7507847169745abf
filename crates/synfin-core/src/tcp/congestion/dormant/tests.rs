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

use alloc::vec::Vec;

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

proptest! {
    /// One that rests after each burst does what one does that never rests.
    /// covers: 9438-8, 9406-1
    #[test]
    fn rest_changes_nothing(bursts in bursts()) {
        let mut awake = Cubic::new(10 * MSS);
        let mut resting = Congestion::Live(Live::Cubic(alloc::boxed::Box::new(awake)));
        let (mut now, mut seq) = (Instant::from_nanos(1_000_000_000), 0u32);
        for burst in &bursts {
            now = now + Duration::from_millis(burst.pause_ms);
            play(&mut awake, burst, now, seq);
            play(resting.live(), burst, now, seq);
            resting.rest();
            let Congestion::Dormant(dormant) = &resting else {
                return Err(TestCaseError::fail("there is room"));
            };
            prop_assert_eq!(dormant.wake().metrics(), awake.metrics());
            prop_assert_eq!(resting.cwnd(), awake.cwnd());
            prop_assert_eq!(resting.ssthresh(), awake.ssthresh());
            now = now + Duration::from_micros(burst.rtt_us + 10 * u64::from(burst.segments));
            seq = seq.wrapping_add(burst.segments * MSS);
        }
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
    let mut congestion = Congestion::Live(Live::Cubic(alloc::boxed::Box::new(cubic)));
    congestion.rest();
    assert!(matches!(congestion, Congestion::Live(_)));
    assert_eq!(congestion.cwnd(), cubic.cwnd());
}
