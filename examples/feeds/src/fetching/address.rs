//! Which addresses belong to everybody's Internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::FeedsSettings;

/// Decides which addresses may be connected to.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow_private: bool,
    allowed: Vec<IpAddr>,
}

impl Guard {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: &FeedsSettings) -> Self {
        Self {
            allow_private: settings.allow_private,
            allowed: settings.allow_addresses.iter().map(IpAddr::to_canonical).collect(),
        }
    }

    /// Whether `address` may be connected to.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allow_private || is_public(address) || self.allowed.contains(&address.to_canonical())
    }
}

/// Whether an address belongs to the public Internet, as the registries of IANA say: not to this
/// machine, its network, its provider's, or to nobody.
///
/// # Examples
///
/// ```
/// use feeds::fetching::is_public;
///
/// assert!(is_public([93, 184, 215, 14].into()));
/// assert!(!is_public([169, 254, 169, 254].into()));
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // "This network", and what is reserved, broadcast included.
        || a == 0
        || a >= 240
        // Carrier-grade NAT: the provider's own machines.
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments, the old relays of 6to4, benchmarks.
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast, less what was set aside in it: protocols (Teredo among them) and
    // documentation. Everything else is loopback, unique local, link-local, multicast or unassigned.
    let protocols = first == 0x2001 && second < 0x0200;
    let documentation =
        (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    (first & 0xe000) == 0x2000 && !protocols && !documentation
}

/// The IPv4 address that packets to this one end up at: mapped, compatible, NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(v4(high, low))
        }
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in ["1.1.1.1", "93.184.215.14", "100.63.0.1", "172.32.0.1", "198.20.0.1"] {
            assert!(is_public(address(text)), "{text}");
        }
        for text in ["2606:4700::1111", "2a00:1450:4001::1", "64:ff9b::101:101", "::ffff:1.1.1.1"] {
            assert!(is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn every_other_address_is_not() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
        for text in [
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn an_address_that_was_named_is_allowed_however_it_is_written() {
        let guard = Guard { allow_private: false, allowed: vec![address("10.0.0.7")] };
        assert!(guard.allows(address("10.0.0.7")) && guard.allows(address("::ffff:10.0.0.7")));
        assert!(!guard.allows(address("10.0.0.8")));
    }
}
