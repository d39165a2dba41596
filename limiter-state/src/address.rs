//! Addresses and prefixes: one strict grammar, and which of them an instance may own.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net};

/// Why a text is no prefix or address of the kind asked for; reads on after the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not address/length.
    #[error("is no prefix; write address/length, for example 10.10.0.0/24 or fd00:10::/64")]
    NoPrefix,
    /// Neither an address nor address/length.
    #[error("is no address or prefix; write for example 10.10.0.2, fd00:10::2 or fd00:10:0:1::/64")]
    NoAddress,
    /// Bits behind the length are set.
    #[error("has address bits set behind its length; write {0}, or the address alone where that is meant")]
    HostBits(IpNet),
    /// An IPv4 address in IPv6 form.
    #[error("is an IPv4 address in IPv6 form; write it as IPv4")]
    Mapped,
    /// It covers the addresses that stand for IPv4.
    #[error("covers IPv4 in IPv6 form (::ffff:0:0/96); write a longer prefix, and IPv4 prefixes as such")]
    CoversMapped,
    /// Length 0.
    #[error("covers every address; write a longer prefix")]
    Everything,
    /// An egress address of the other family, or none.
    #[error("is no IPv4 address, and IPv6 is not translated; write for example 198.51.100.7")]
    NoEgress,
    /// Neither a prefix nor a range of egress addresses.
    #[error("is no range of IPv4 addresses; write for example 198.51.100.0/28 or 198.51.100.8-198.51.100.20")]
    NoEgressRange,
    /// No machine can own it.
    #[error("is or covers {what} ({range}); write unicast addresses that a machine can own")]
    NotUnicast {
        /// The kind of address.
        what: &'static str,
        /// Its range.
        range: IpNet,
    },
}

/// A prefix of a network: unicast, without host bits.
pub fn network_prefix(text: &str) -> Result<IpNet, AddressError> {
    unicast(local_prefix(text)?)
}

/// A prefix that is not the Internet: of any kind but everything.
pub fn local_prefix(text: &str) -> Result<IpNet, AddressError> {
    strict(text.parse().map_err(|_| AddressError::NoPrefix)?)
}

/// An address of an instance, or a prefix it owns. Whoever finds it outside its network, whose prefixes
/// are unicast, asks [`unicast`] for the better reason.
pub fn instance_address(text: &str) -> Result<IpNet, AddressError> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| AddressError::NoAddress)?,
    };
    strict(net)
}

/// An address for packets to leave through.
pub fn egress_address(text: &str) -> Result<Ipv4Addr, AddressError> {
    let address: Ipv4Addr = text.parse().map_err(|_| AddressError::NoEgress)?;
    egress_range(address, address)?;
    Ok(address)
}

/// Addresses from `first` to `last` for packets to leave through.
pub fn egress_range(first: Ipv4Addr, last: Ipv4Addr) -> Result<(), AddressError> {
    if last < first {
        return Err(AddressError::NoEgressRange);
    }
    let reserved = v4([240, 0, 0, 0], 4);
    for net in Ipv4Subnets::new(first, last, 0) {
        let net = unicast(IpNet::V4(net))?;
        if reserved.contains(&net) {
            return Err(AddressError::NotUnicast { what: "reserved addresses", range: reserved });
        }
    }
    Ok(())
}

/// An instance's address as one writes it: without the length of a single address.
pub fn show(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// True where the two share an address.
pub fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// The element of `disjoint`, which is sorted, that contains `net`.
pub fn containing<'a>(disjoint: &'a [IpNet], net: &IpNet) -> Option<&'a IpNet> {
    let after = disjoint.partition_point(|candidate| candidate.addr() <= net.addr());
    disjoint[..after].last().filter(|candidate| candidate.contains(net))
}

fn strict(net: IpNet) -> Result<IpNet, AddressError> {
    match net {
        _ if net.prefix_len() == 0 => Err(AddressError::Everything),
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => Err(AddressError::Mapped),
        IpNet::V6(v6) if v6.contains(&Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()) => {
            Err(AddressError::CoversMapped)
        }
        _ if net.trunc() != net => Err(AddressError::HostBits(net.trunc())),
        _ => Ok(net),
    }
}

/// `net`, where machines can own all of it.
pub fn unicast(net: IpNet) -> Result<IpNet, AddressError> {
    match NOT_UNICAST.iter().find(|(_, range)| overlap(range, &net)) {
        Some(&(what, range)) => Err(AddressError::NotUnicast { what, range }),
        None => Ok(net),
    }
}

const NOT_UNICAST: [(&str, IpNet); 9] = [
    ("unspecified addresses", v4([0, 0, 0, 0], 8)),
    ("loopback addresses", v4([127, 0, 0, 0], 8)),
    ("link-local addresses", v4([169, 254, 0, 0], 16)),
    ("multicast addresses", v4([224, 0, 0, 0], 4)),
    ("the broadcast address", v4([255, 255, 255, 255], 32)),
    // ::, ::1, and IPv4 in IPv6 form
    ("loopback and IPv4-mapped addresses", v6(0, 64)),
    ("link-local addresses", v6(0xfe80, 10)),
    ("site-local addresses", v6(0xfec0, 10)),
    ("multicast addresses", v6(0xff00, 8)),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(first: u16, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap_or_else(|_| panic!("{text} is a prefix"))
    }

    #[test]
    fn accepted() {
        for (text, expected) in [
            ("10.10.0.2", "10.10.0.2/32"),
            ("fd00:10::2", "fd00:10::2/128"),
            ("FD00:10:0:0:1::/80", "fd00:10:0:0:1::/80"),
            ("198.51.100.0/31", "198.51.100.0/31"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(instance_address(text), Ok(net(expected)), "{text}");
        }
        assert_eq!(network_prefix("10.0.0.0/8"), Ok(net("10.0.0.0/8")));
        assert_eq!(local_prefix("169.254.0.0/16"), Ok(net("169.254.0.0/16")));
    }

    #[test]
    fn refused() {
        let kind = |text: &str| match instance_address(text).and_then(unicast) {
            Err(AddressError::NotUnicast { range, .. }) => range.to_string(),
            Err(error) => format!("{error:?}"),
            Ok(net) => format!("accepted {net}"),
        };
        for (text, expected) in [
            ("", "NoAddress"),
            ("10.10.0", "NoAddress"),
            ("10.10.0.010", "NoAddress"),
            ("10.10.0.2/33", "NoAddress"),
            ("fe80::1%eth0", "NoAddress"),
            ("10.10.0.1/24", "HostBits(10.10.0.0/24)"),
            ("0.0.0.0/0", "Everything"),
            ("::/0", "Everything"),
            ("::ffff:10.0.0.1", "Mapped"),
            ("::ffff:10.0.0.0/104", "Mapped"),
            ("::ffff:0:0/90", "Mapped"),
            ("0.0.0.0", "0.0.0.0/8"),
            ("127.0.0.1", "127.0.0.0/8"),
            ("169.254.1.1", "169.254.0.0/16"),
            ("224.0.0.1", "224.0.0.0/4"),
            ("255.255.255.255", "255.255.255.255/32"),
            ("128.0.0.0/1", "169.254.0.0/16"),
            ("::", "::/64"),
            ("::1", "::/64"),
            ("fe80::1", "fe80::/10"),
            ("ff02::1", "ff00::/8"),
            ("f000::/4", "fe80::/10"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
        assert_eq!(network_prefix("10.10.0.2"), Err(AddressError::NoPrefix));
        assert_eq!(local_prefix("0.0.0.0/0"), Err(AddressError::Everything));
        assert_eq!(local_prefix("::/8"), Err(AddressError::CoversMapped));
    }

    #[test]
    fn egress_addresses() {
        assert_eq!(egress_address("198.51.100.7"), Ok(Ipv4Addr::new(198, 51, 100, 7)));
        for text in ["0.0.0.0", "127.0.0.1", "169.254.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"] {
            let refused = egress_address(text);
            assert!(matches!(refused, Err(AddressError::NotUnicast { .. })), "{text}: {refused:?}");
        }
        for text in ["", "2001:db8::7", "::ffff:198.51.100.7", "198.51.100.7/32", "198.51.100"] {
            assert_eq!(egress_address(text), Err(AddressError::NoEgress), "{text}");
        }
    }

    #[test]
    fn containing_prefix() {
        let disjoint = ["10.0.0.0/24", "10.0.2.0/24", "fd00::/64"].map(net);
        for (inner, outer) in [
            ("10.0.0.7/32", Some("10.0.0.0/24")),
            ("10.0.1.7/32", None),
            ("10.0.2.0/24", Some("10.0.2.0/24")),
            ("10.0.2.0/23", None),
            ("9.0.0.0/8", None),
            ("fd00::1/128", Some("fd00::/64")),
            ("fd00:1::/64", None),
        ] {
            assert_eq!(containing(&disjoint, &net(inner)), outer.map(net).as_ref(), "{inner}");
        }
    }
}
