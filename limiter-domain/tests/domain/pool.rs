//! Ranges of addresses: how they are written, and what is refused.

use std::net::Ipv4Addr;

use limiter_domain::claims::Claims;
use limiter_domain::pool::{Facts, Range, import, read, remove};
use limiter_domain::{Address, AddressState, Code, Node, PlanId};

use crate::fixture::{after, node as node_of};

fn ranges(texts: &[&str]) -> Result<Vec<Range>, (Code, Option<String>)> {
    let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
    read(&texts).map_err(|refusal| (refusal.code, refusal.field))
}

#[test]
fn prefixes_ranges_and_addresses() {
    let read = ranges(&["198.51.100.0/29", "198.51.100.9-198.51.100.10", "198.51.100.12"]).expect("ranges");
    let shown: Vec<String> = read.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["198.51.100.1-198.51.100.6", "198.51.100.9-198.51.100.10", "198.51.100.12"]);
    assert_eq!(read.iter().map(Range::count).sum::<usize>(), 9);
    assert_eq!(read[1].addresses().last(), Some(Ipv4Addr::new(198, 51, 100, 10)));
    let points = ranges(&["198.51.100.0/31", "198.51.100.3/32"]).expect("no broadcast address in these");
    assert_eq!(points.iter().map(Range::count).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn what_is_no_range_is_refused_at_its_place() {
    let invalid = |field: &str| Err((Code::InvalidParameter, Some(field.to_owned())));
    for text in [
        "",
        "office",
        "198.51.100.1/29",
        "198.51.100.9-198.51.100.1",
        "2001:db8::/64",
        "127.0.0.0/24",
        "223.255.255.0-224.0.0.1",
        "255.255.255.255",
        "250.0.0.0/24",
        "169.254.1.1",
        "0.0.0.0-1.0.0.0",
    ] {
        assert_eq!(ranges(&["198.51.100.1", text]), invalid("ranges[1]"), "{text:?}");
    }
    assert_eq!(ranges(&[]), Err((Code::MissingParameter, Some("ranges".to_owned()))));
    let overlap = Err((Code::AddressConflict, Some("ranges[1]".to_owned())));
    assert_eq!(ranges(&["198.51.100.0/28", "198.51.100.3"]), overlap);
    assert_eq!(ranges(&["20.0.0.0/15"]), Err((Code::TooManyIds, Some("ranges".to_owned()))));
}

#[test]
fn an_import_meets_nothing_that_is_there_and_is_enough() {
    let new = ranges(&["198.51.100.1", "198.51.100.8/30"]).expect("ranges");
    let claims = Claims::default();
    let facts = Facts { known: None, claims: &claims, nodes: &[], plans_without: 3 };
    assert_eq!(import(&new, "east", facts), Ok(()));
    let refused = |facts: Facts<'_>| {
        let refusal = import(&new, "east", facts).expect_err("a refusal");
        assert!(refusal.message.contains(';'), "no remedy: {refusal}");
        (refusal.code, refusal.field.expect("a field"))
    };
    let conflict = |field: &str| (Code::AddressConflict, field.to_owned());
    let known = Some(Ipv4Addr::new(198, 51, 100, 9));
    assert_eq!(refused(Facts { known, ..facts }), conflict("ranges[1]"));
    let owned: Claims<()> = [("198.51.100.10/32".parse().expect("a prefix"), ())].into_iter().collect();
    assert_eq!(refused(Facts { claims: &owned, ..facts }), conflict("ranges[1]"));
    let sharing = [Node { shared_address: Some(Ipv4Addr::new(198, 51, 100, 1)), ..node_of() }];
    assert_eq!(refused(Facts { nodes: &sharing, ..facts }), conflict("ranges[0]"));
    let bare = Facts { nodes: &[node_of()], ..facts };
    assert_eq!(import(&new, "east", bare).expect_err("no shared address").code, Code::NodeHasNoSharedAddress);
    assert_eq!(import(&new, "west", bare), Ok(()), "another region's node");
    let few = refused(Facts { plans_without: 4, ..facts });
    assert_eq!(few, (Code::TooFewAddresses, "ranges".to_owned()));
}

#[test]
fn an_address_is_bound_then_rests_then_is_free() {
    let address = Address {
        address: Ipv4Addr::new(198, 51, 100, 1),
        region: "east".into(),
        plan: Some(PlanId::of_random(1)),
        rests_until: None,
    };
    assert_eq!(address.state(after(0)), AddressState::Bound);
    assert_eq!(remove(&address, after(0)).expect_err("a plan has it").code, Code::AddressInUse);
    let rests = Address { plan: None, rests_until: Some(after(10)), ..address };
    assert_eq!(rests.state(after(9)), AddressState::Quarantined);
    assert_eq!(rests.state(after(10)), AddressState::Free);
    assert_eq!(remove(&rests, after(9)).expect_err("it rests").code, Code::AddressInUse);
    assert_eq!(remove(&rests, after(10)), Ok(()));
}
