use core::time::Duration;

use super::super::link::{Link, Path};
use super::*;

fn link(loss: u64) -> Link<Bbr3> {
    Link::new(Bbr3::new(14_480, 1448), Path::broadband(loss))
}

/// With 3 % of losses by chance the short-term model follows what is left, as is meant.
#[test]
fn a_path_is_filled_unless_losses_by_chance_exceed_the_threshold() {
    for (loss, band) in [(0, 920..=1000), (10, 860..=1000), (300, 50..=300)] {
        let goodput = link(loss).run(Duration::from_secs(60));
        assert!(band.contains(&goodput), "{goodput} at {loss}");
    }
}
