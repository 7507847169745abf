//! Losses of certain segments, and what each costs against the same run without it.

use std::rc::Rc;
use std::time::Duration;

use super::bulk;
use super::figures::Figures;
use super::row::rows;
use super::scene::Scene;

/// The longest delay of an acknowledgement that a sender allows for (RFC 8985 section 7.2).
const ACK_DELAY: Duration = Duration::from_millis(200);
/// Octets of a full segment with timestamps.
const MSS: u64 = 1448;
/// Sent before anything is lost: the window is open and the round trip known.
const FIRST: u64 = 1000 * MSS;
const LIMIT: Duration = Duration::from_secs(30);

/// A connection that has sent a megabyte and then nothing for a second.
fn rested(cc: &'static str) -> Scene {
    let mut scene = Scene::of(bulk::flow(cc).sends(FIRST));
    scene.until_read(FIRST, LIMIT);
    scene.sim.run_for(Duration::from_secs(1));
    scene
}

/// How long so many segments take.
fn segments(scene: &mut Scene, count: u64) -> Duration {
    scene.send(count * MSS);
    scene.until_read(FIRST + count * MSS, LIMIT)
}

/// How long a FIN takes.
fn fin(scene: &mut Scene) -> Duration {
    scene.close();
    let traffic = Rc::clone(&scene.flows[0].traffic);
    scene.until(LIMIT, |_| traffic.ended.get())
}

/// What the faults cost: at most `most` smoothed round trips and the delay of an acknowledgement,
/// without a retransmission timeout.
fn cost(
    cc: &'static str,
    run: impl Fn(&mut Scene) -> Duration,
    faults: &[String],
    most: u32,
) -> Figures {
    let undisturbed = run(&mut rested(cc));
    let mut scene = rested(cc);
    for fault in faults {
        scene.sim.fault(fault).expect("words of a fault");
    }
    let srtt = Duration::from_micros(scene.info(0).srtt_us.into());
    let cost = run(&mut scene).saturating_sub(undisturbed);
    let ms = |time: Duration| (time.as_secs_f64() * 1e3).round();
    Figures::new()
        .at_most("cost, ms", ms(cost), ms(srtt * most + ACK_DELAY))
        .at_most("timeouts", scene.sent().timeouts as f64, 0.0)
        .tell("retransmissions", scene.sent().retrans_segs as f64)
        .tell("SRTT, ms", ms(srtt))
}

/// Words for the loss of segments, the last ones of so many.
fn lost(count: u64, of: u64) -> Vec<String> {
    let nth = of - count + 1..=of;
    nth.map(|nth| format!("drop the {nth}th data")).collect()
}

/// In a long transfer a segment is lost, and its repetitions too.
fn retransmission(cc: &'static str, times: u32) -> Figures {
    let mut scene = Scene::of(bulk::flow(cc));
    scene.sim.run_for(Duration::from_secs(2));
    let words = format!("drop the 100th data {times} times");
    scene.sim.fault(&words).expect("words of a fault");
    let before = scene.sent().lost_retransmit;
    scene.sim.run_for(Duration::from_secs(3));
    let found = scene.sent().lost_retransmit - before;
    Figures::new()
        .at_most("timeouts", scene.sent().timeouts as f64, 0.0)
        .at_least("lost repetitions found", found as f64, f64::from(times - 1))
        .tell("retransmissions", scene.sent().retrans_segs as f64)
        .tell("spurious", scene.spurious() as f64)
}

// A probe leaves two smoothed round trips after the last acknowledgement, or after the segment if
// none follows it.
rows! {
    last_segment_of_1(cubic, bbr)
        "a segment alone is lost":
        |cc| cost(cc, |scene| segments(scene, 1), &lost(1, 1), 2);
    last_segment_of_10(cubic, bbr)
        "the last of ten segments is lost":
        |cc| cost(cc, |scene| segments(scene, 10), &lost(1, 10), 3);
    last_3_of_10(cubic, bbr)
        "the last three of ten segments are lost":
        |cc| cost(cc, |scene| segments(scene, 10), &lost(3, 10), 3);
    fin(cubic, bbr)
        "the FIN is lost":
        |cc| cost(cc, fin, &["drop the first FIN of sender0".to_owned()], 2);
    retransmission(cubic, bbr)
        "a segment of a long transfer is lost, and its repetition":
        |cc| retransmission(cc, 2);
    retransmission_twice(cubic, bbr)
        "a segment of a long transfer is lost, and its first two repetitions":
        |cc| retransmission(cc, 3);
    whole_window(cubic, bbr)
        "all of 10 segments of a flight are lost":
        |cc| cost(cc, |scene| segments(scene, 10), &lost(10, 10), 6);
}
