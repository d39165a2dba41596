//! Pure: devices that would charge the same packet twice.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::link::Link;

/// Two limited devices that the same packet passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The device below: a port, a VLAN's parent.
    pub lower: String,
    /// The device above: a bridge, a VLAN.
    pub upper: String,
}

/// The first pair in `limited` where packets of one device pass the other too, by any number of
/// devices between them: a bridge and its port, a VLAN and its parent, both ends of a veth.
pub fn double_charge(links: &[Link], limited: &BTreeSet<u32>) -> Option<Overlap> {
    let names: HashMap<u32, &str> = links.iter().map(|link| (link.ifindex, link.name.as_str())).collect();
    let name = |ifindex: u32| names.get(&ifindex).map(|name| (*name).to_owned());
    let uppers = uppers(links);
    limited.iter().find_map(|&lower| {
        let upper = above(&uppers, lower).into_iter().find(|upper| limited.contains(upper))?;
        Some(Overlap { lower: name(lower)?, upper: name(upper)? })
    })
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lower, upper } = self;
        write!(
            f,
            "interfaces `{lower}` and `{upper}` are both matched, but packets of `{lower}` also pass `{upper}` \
             and would be charged twice; match only one of them"
        )
    }
}

/// For each device those directly above it.
fn uppers(links: &[Link]) -> HashMap<u32, Vec<u32>> {
    let mut uppers = HashMap::<_, Vec<_>>::new();
    for link in links {
        if let Some(master) = link.master_ifindex {
            uppers.entry(link.ifindex).or_default().push(master);
        }
        if let Some(parent) = link.parent_ifindex {
            uppers.entry(parent).or_default().push(link.ifindex);
        }
    }
    uppers
}

/// All devices above `lower`, nearest first; the ends of a veth are above each other.
fn above(uppers: &HashMap<u32, Vec<u32>>, lower: u32) -> Vec<u32> {
    let mut found = vec![lower];
    let mut next = 0;
    while let Some(device) = found.get(next) {
        for &upper in uppers.get(device).into_iter().flatten() {
            if !found.contains(&upper) {
                found.push(upper);
            }
        }
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(ifindex: u32, name: &str, master: Option<u32>, parent: Option<u32>) -> Link {
        Link {
            ifindex,
            name: name.to_owned(),
            kind: None,
            master_ifindex: master,
            parent_ifindex: parent,
            has_mac: true,
            up: true,
            mtu_bytes: 1500,
            tx_queues: 1,
            tx_queue_packets: 1000,
        }
    }

    /// eth0 with two VLANs; a bridge with two taps and a VLAN on top; a veth pair.
    fn links() -> Vec<Link> {
        vec![
            link(1, "eth0", None, None),
            link(2, "eth0.10", None, Some(1)),
            link(3, "eth0.20", None, Some(1)),
            link(4, "br0", None, None),
            link(5, "tap0", Some(4), None),
            link(6, "tap1", Some(4), None),
            link(7, "br0.30", None, Some(4)),
            link(8, "veth0", None, Some(9)),
            link(9, "veth1", None, Some(8)),
        ]
    }

    fn pair(limited: &[u32]) -> Option<(String, String)> {
        let overlap = double_charge(&links(), &limited.iter().copied().collect())?;
        Some((overlap.lower, overlap.upper))
    }

    #[test]
    fn devices_beside_each_other_are_fine() {
        for limited in [&[2, 3][..], &[5, 6], &[1, 4], &[1, 5, 6], &[2, 5, 6, 8], &[]] {
            assert_eq!(pair(limited), None, "{limited:?}");
        }
    }

    #[test]
    fn devices_above_each_other_are_named() {
        let named = |lower: &str, upper: &str| Some((lower.to_owned(), upper.to_owned()));
        assert_eq!(pair(&[1, 2]), named("eth0", "eth0.10"));
        assert_eq!(pair(&[4, 5]), named("tap0", "br0"));
        assert_eq!(pair(&[5, 7]), named("tap0", "br0.30"), "the bridge between them need not be limited");
        assert_eq!(pair(&[8, 9]), named("veth0", "veth1"));
    }

    #[test]
    fn the_message_names_both() {
        let overlap = double_charge(&links(), &[4, 6].into()).expect("an overlap");
        assert_eq!(
            overlap.to_string(),
            "interfaces `tap1` and `br0` are both matched, but packets of `tap1` also pass `br0` and would be \
             charged twice; match only one of them"
        );
    }
}
