//! Claims agree with comparing all pairs.

use std::net::IpAddr;

use ipnet::IpNet;
use limiter_domain::claims::Claims;
use limiter_state::address::overlap;
use proptest::prelude::*;

fn net() -> impl Strategy<Value = IpNet> {
    let v4 = (0_u32..64, 1_u8..8).prop_map(|(n, length)| {
        IpNet::new(IpAddr::V4((n << 26).into()), length).expect("a length below 33").trunc()
    });
    let v6 = (0_u128..64, 1_u8..8).prop_map(|(n, length)| {
        IpNet::new(IpAddr::V6((n << 122).into()), length).expect("a length below 129").trunc()
    });
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn conflicts(nets in prop::collection::vec((net(), 0_u8..3), 0..12), asked in net(), owner in 0_u8..3) {
        let mut claims = Claims::default();
        let mut all: Vec<(IpNet, u8)> = Vec::new();
        for (net, owner) in nets {
            let free = !all.iter().any(|(other, _)| overlap(other, &net));
            prop_assert_eq!(claims.conflict(&net, None).is_none(), free);
            if free {
                claims.insert(net, owner);
                all.push((net, owner));
            }
        }
        let foreign = |claim: &(IpNet, u8)| claim.1 != owner && overlap(&claim.0, &asked);
        match claims.conflict(&asked, Some(&owner)) {
            Some(found) => prop_assert!(foreign(found)),
            None => prop_assert!(!all.iter().any(foreign)),
        }
        if let Some((net, _)) = all.first() {
            claims.remove(net);
            prop_assert!(claims.conflict(net, None).is_none());
        }
    }
}
