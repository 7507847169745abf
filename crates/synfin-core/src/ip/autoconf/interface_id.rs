//! Interface identifiers that are stable on a network and say nothing elsewhere (RFC 7217).

use core::hash::Hasher;
use core::net::Ipv6Addr;

use siphasher::sip::SipHasher24;
use synfin_wire::MacAddress;

/// Makes identifiers for one device.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceIds {
    secret: [u8; 16],
    /// The name of the device in the function: numbers of devices change between starts.
    mac: MacAddress,
}

impl InterfaceIds {
    pub(crate) const fn new(secret: [u8; 16], mac: MacAddress) -> Self {
        Self { secret, mac }
    }

    /// The address in a prefix of 64 bits, when `conflicts` addresses there were found in use by
    /// others before. covers: 4862-4
    pub(super) fn address(&self, prefix: Ipv6Addr, conflicts: u8) -> Ipv6Addr {
        let network = u128::from(prefix) >> 64 << 64;
        // An identifier that means something else is passed over, as one in use is; that there is
        // more than one of these in a row does not happen in the life of the universe.
        let mut id = 0;
        for passed in 0..=u8::MAX {
            id = self.identifier(network, conflicts, passed);
            if !is_reserved(id) {
                break;
            }
        }
        Ipv6Addr::from(network | u128::from(id))
    }

    fn identifier(&self, network: u128, conflicts: u8, passed: u8) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(&network.to_be_bytes()[..8]);
        hasher.write(&self.mac.0);
        hasher.write(&[conflicts, passed]);
        hasher.finish()
    }
}

/// RFC 5453: anycast to routers and to mobility agents, and what the registry of Ethernet has.
const fn is_reserved(id: u64) -> bool {
    matches!(
        id,
        0 | 0x0200_5eff_fe00_0000..=0x0200_5eff_feff_ffff
            | 0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    fn ids(secret: u8, mac: u8) -> InterfaceIds {
        InterfaceIds::new([secret; 16], MacAddress([2, 0, 0, 0, 0, mac]))
    }

    /// covers: 4862-4
    #[test]
    fn the_same_network_gives_the_same_identifier_and_another_one_another() {
        let (here, there) = (ip("2001:db8:1::"), ip("2001:db8:2::"));
        let id = |address: Ipv6Addr| u128::from(address) as u64;
        let address = ids(1, 1).address(here, 0);
        assert_eq!(address, ids(1, 1).address(here, 0));
        assert_eq!(address.segments()[..4], here.segments()[..4]);
        for other in [
            ids(1, 1).address(there, 0),
            ids(1, 1).address(here, 1),
            ids(1, 2).address(here, 0),
            ids(2, 1).address(here, 0),
        ] {
            assert_ne!(id(other), id(address));
        }
    }

    #[test]
    fn reserved_identifiers_are_known() {
        for id in [
            0,
            0x0200_5eff_fe00_5213,
            0xfdff_ffff_ffff_ff80,
            0xfdff_ffff_ffff_fffe,
        ] {
            assert!(is_reserved(id), "{id:x}");
        }
        for id in [1, 0x0200_5eff_fd00_0000, 0xfdff_ffff_ffff_ff7f, u64::MAX] {
            assert!(!is_reserved(id), "{id:x}");
        }
    }
}
