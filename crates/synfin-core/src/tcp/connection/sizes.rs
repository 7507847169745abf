//! What each octet of a connection is for.
extern crate std;
use super::*;
#[test]
fn sizes() {
    use core::mem::size_of;
    macro_rules! p { ($($t:ty),* $(,)?) => { $( std::println!("{:40} {}", stringify!($t), size_of::<$t>()); )* } }
    use super::cold::*;
    p!(
        Connection,
        Cold,
        Active,
        CoarseTimers,
        crate::tcp::congestion::Congestion,
        crate::tcp::send::rtt::RttEstimator,
        crate::tcp::ecn::Ecn,
        crate::tcp::tally::Stats,
        crate::tcp::recv::tuning::Tuning,
        crate::tcp::path_mtu::PathMtu,
        crate::tcp::reset::ChallengeLimiter,
        crate::tcp::recovery::rack::Reordering,
        crate::tcp::half_open::HalfOpen,
        crate::event::CloseReason,
        crate::event::SoftError,
        crate::tcp::user_timeout::Settings,
        crate::config::SocketOptions,
        crate::tcp::congestion::Cubic,
        crate::tcp::congestion::NewReno,
        crate::tcp::congestion::Bbr,
        crate::tcp::congestion::Bbr3
    );
    std::println!(
        "slot conn {} slot half {}",
        crate::slab::slot_bytes::<Connection>(),
        crate::slab::slot_bytes::<crate::tcp::half_open::HalfOpen>()
    );
}
