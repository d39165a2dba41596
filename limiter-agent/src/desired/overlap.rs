//! Finds overlapping prefixes among many by sorting them.

use std::net::IpAddr;

use ipnet::IpNet;

use limiter_state::address;

/// A prefix that somebody claims; `at` says who, and orders by place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim<At> {
    pub(super) zone: usize,
    pub(super) net: IpNet,
    pub(super) at: At,
}

/// The overlap that is complete first in the state: the later claim, then the earlier one.
///
/// In the order of first address and length, an overlapping pair always has two neighbours that
/// overlap: whatever sorts between a prefix and one inside it begins inside it too.
pub(super) fn first<At: Copy + Ord>(mut claims: Vec<Claim<At>>) -> Option<(Claim<At>, Claim<At>)> {
    claims.sort_unstable_by_key(|claim| (claim.zone, order(&claim.net)));
    let overlapping =
        claims.array_windows().filter(|[a, b]| a.zone == b.zone && address::overlap(&a.net, &b.net));
    let pairs = overlapping.map(|&[a, b]| if a.at < b.at { (b, a) } else { (a, b) });
    pairs.min_by_key(|(later, earlier)| (later.at, earlier.at))
}

/// The prefixes of `list` that lie in no other, sorted.
pub(super) fn outermost(mut list: Vec<IpNet>) -> Vec<IpNet> {
    list.sort_unstable_by_key(order);
    list.dedup_by(|inner, outer| outer.contains(&*inner));
    list
}

/// By family, first address and length: the order of every list of prefixes here.
pub(super) fn order(net: &IpNet) -> (bool, u128, u8) {
    match net.addr() {
        IpAddr::V4(v4) => (false, u32::from(v4).into(), net.prefix_len()),
        IpAddr::V6(v6) => (true, v6.into(), net.prefix_len()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(list: &[(usize, u32, u8)]) -> Vec<Claim<usize>> {
        let claim = |(at, &(zone, address, length)): (usize, &(usize, u32, u8))| {
            let net = IpNet::new(IpAddr::V4(address.into()), length).expect("a length below 33");
            Claim { zone, net: net.trunc(), at }
        };
        list.iter().enumerate().map(claim).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_comparing_all_pairs(
            list in prop::collection::vec((0_usize..2, (0_u32..64).prop_map(|n| n << 26), 1_u8..9), 0..12)
        ) {
            let claims = claims(&list);
            let pair = |a: &Claim<usize>, b: &Claim<usize>| {
                a.at > b.at && a.zone == b.zone && address::overlap(&a.net, &b.net)
            };
            let slow = claims.iter().find(|a| claims.iter().any(|b| pair(a, b)));
            let fast = first(claims.clone());
            prop_assert_eq!(fast.is_some(), slow.is_some());
            if let Some((later, earlier)) = fast {
                prop_assert!(pair(&later, &earlier));
            }
        }
    }
}
