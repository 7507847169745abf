//! What an ideal sender would reach: the expectation beside each row.
//!
//! Independent of the engine, in whole packets. Every packet is acknowledged at once; a lost one is
//! known as soon as one sent later is acknowledged, first transmission or not, and nothing is sent
//! again in vain; the whole flight has to be lost for a timeout. What is left is what the
//! congestion controller and the path allow. Left out: delayed acknowledgements, their share of
//! the way back, batches of segments, and filters for aggregation of acknowledgements.

mod bbr;
mod bbr3;
mod rate;
mod sender;
mod window;

use super::args::Controller;
use super::case::{Case, Outcome};
use sender::Sender;

/// Runs one connection of the ideal sender; `None` without congestion control.
pub(super) fn run(case: Case, seed: u64) -> Option<Outcome> {
    let control: Box<dyn Control> = match case.cc {
        Controller::Newreno => Box::new(window::NewReno::new()),
        Controller::Cubic => Box::new(window::Cubic::new()),
        Controller::Bbr => Box::new(bbr::Bbr::new(seed)),
        Controller::Bbr3 => Box::new(bbr3::Bbr3::new(seed)),
        Controller::None => return None,
    };
    Some(Sender::new(case, seed, control).run())
}

/// The initial window (RFC 6928) in packets.
const INITIAL_WINDOW: f64 = 10.0;

/// A congestion controller of the model. Amounts are packets, times seconds.
trait Control {
    /// A packet was acknowledged.
    fn on_ack(&mut self, ack: &Ack);
    /// A packet was found lost.
    fn on_lost(&mut self, lost: &Lost) {
        let _ = lost;
    }
    /// The first loss of a round of recovery was found.
    fn on_recovery(&mut self, now: f64) {
        let _ = now;
    }
    /// Everything that was in flight is lost.
    fn on_timeout(&mut self);
    /// The congestion window.
    fn cwnd(&self) -> f64;
    /// Packets a second, for those that pace. The others are clocked by acknowledgements and
    /// reduce proportionally (RFC 9937).
    fn pacing_rate(&self) -> Option<f64> {
        None
    }
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Ack {
    now: f64,
    rtt: f64,
    /// Packets acknowledged so far.
    delivered: f64,
    /// The same when the acknowledged packet was sent.
    prior_delivered: f64,
    /// Packets a second, as the packet's flight tells.
    rate: f64,
    /// In flight when the packet was sent, itself included, and lost since then.
    tx_in_flight: f64,
    lost_since: f64,
    /// Lost, as this acknowledgement tells.
    newly_lost: f64,
    /// In flight now.
    in_flight: f64,
    cwnd_limited: bool,
    in_recovery: bool,
}

/// A packet that was lost.
#[derive(Clone, Copy, Debug)]
struct Lost {
    now: f64,
    /// In flight when it was sent, itself included, and lost since then, itself included.
    tx_in_flight: f64,
    lost_since: f64,
    /// The packet sent before it was not lost: a new gap begins.
    begins_gap: bool,
    /// Packets acknowledged so far.
    delivered: f64,
}

#[cfg(test)]
mod tests;
