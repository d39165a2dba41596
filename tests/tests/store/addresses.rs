//! Addresses: which are free, whose they are, and whose they were.

use std::net::Ipv4Addr;

use limiter_control::store::{AddressFilter, AddressUseFilter, Paging};
use limiter_domain::pool::Range;
use limiter_domain::{Address, AddressState, AddressUse, AddressUseId, Egress, Plan};

use crate::things::{account, at, basis, commit, network, node, plan};
use crate::world::{Place, on_both};

on_both!(the_lowest_free_address_is_next, ranges_find_and_remove, plans_by_address, uses_by_instant);

fn ip(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, host)
}

fn address(host: u8) -> Address {
    Address { address: ip(host), region: "north".into(), plan: None, rests_until: None }
}

fn range(first: u8, last: u8) -> Range {
    Range { first: ip(first), last: ip(last) }
}

async fn the_lowest_free_address_is_next(place: &mut Place) {
    let store = place.open().await;
    let own = basis(&store).await.plan;
    // By number, not by text.
    let south = Address { region: "south".into(), ..address(1) };
    let all = [address(100), address(20), address(9), south];
    commit(&store, async |write| write.put_addresses(&all).await.expect("put")).await;
    let free = async |now, most| {
        let tx = store.read().await.expect("a view");
        let free = tx.free_addresses("north", at(now), most).await.expect("list");
        free.iter().map(|address| address.address).collect::<Vec<_>>()
    };
    assert_eq!(free(0, 2).await, [ip(9), ip(20)]);
    commit(&store, async |write| write.bind_address(ip(9), &own.id).await.expect("bind")).await;
    assert_eq!(free(0, 9).await, [ip(20), ip(100)]);
    let tx = store.read().await.expect("a view");
    let bound = tx.address_of_plan(&own.id).await.expect("get").expect("its address");
    assert_eq!((bound.address, bound.state(at(0))), (ip(9), AddressState::Bound));
    drop(tx);
    commit(&store, async |write| write.rest_address(ip(9), at(50)).await.expect("rest")).await;
    assert_eq!(free(49, 9).await, [ip(20), ip(100)]);
    assert_eq!(free(50, 9).await, [ip(9), ip(20), ip(100)]);
    let tx = store.read().await.expect("a view");
    for (state, now, count) in [
        (AddressState::Free, 49, 3),
        (AddressState::Quarantined, 49, 1),
        (AddressState::Quarantined, 50, 0),
        (AddressState::Bound, 49, 0),
    ] {
        let filter = AddressFilter { region: None, state: Some((state, at(now))) };
        let page = tx.addresses(&filter, &Paging::default()).await.expect("list");
        assert_eq!(page.items.len(), count, "{state:?} at {now}");
    }
    let page =
        tx.addresses(&AddressFilter::default(), &Paging { after: None, limit: 3 }).await.expect("list");
    assert_eq!(page.items.last().map(|address| address.address), Some(ip(20)));
    let rest = tx.addresses(&AddressFilter::default(), &Paging { after: page.next, limit: 3 }).await;
    assert_eq!(rest.expect("list").items, [address(100)]);
}

async fn ranges_find_and_remove(place: &mut Place) {
    let store = place.open().await;
    let own = basis(&store).await.plan;
    let all: Vec<Address> = (1..=200).map(address).collect();
    commit(&store, async |write| {
        write.put_addresses(&all).await.expect("put");
        write.bind_address(ip(100), &own.id).await.expect("bind");
    })
    .await;
    let tx = store.read().await.expect("a view");
    let found = async |range| tx.address_within(range).await.expect("get").map(|address| address.address);
    assert_eq!((found(range(0, 0)).await, found(range(150, 255)).await), (None, Some(ip(150))));
    let kept =
        async |region: &str, range| tx.address_kept(region, range, at(0)).await.expect("get").is_some();
    assert!(kept("north", range(50, 100)).await);
    assert!(!kept("north", range(101, 255)).await && !kept("south", range(50, 100)).await);
    drop(tx);
    commit(&store, async |write| {
        assert_eq!(write.remove_addresses("north", range(101, 255)).await.expect("remove"), 100);
        assert_eq!(write.remove_addresses("south", range(1, 9)).await.expect("remove"), 0);
    })
    .await;
}

async fn plans_by_address(place: &mut Place) {
    let store = place.open().await;
    let owner = basis(&store).await.account;
    let (here, away) = (node(1), node(2));
    let networks = [network(2, &owner), network(3, &owner), network(4, &owner)];
    let with = |number: u64, at: Option<&limiter_domain::Node>| Plan {
        network: Some(networks[number as usize - 2].id.clone()),
        egress: Some(Egress { node: at.map(|node| node.id.clone()), ..Egress::unused(ip(number as u8)) }),
        ..plan(number, &owner)
    };
    let plans = [with(2, Some(&here)), with(3, Some(&away)), with(4, None)];
    let free = Plan { egress: Some(Egress::unused(ip(5))), ..plan(5, &owner) };
    commit(&store, async |write| {
        write.put_node(&here).await.expect("put");
        write.put_node(&away).await.expect("put");
        for network in &networks {
            write.put_network(network).await.expect("put");
        }
        for plan in plans.iter().chain([&free]) {
            write.put_plan(plan, None).await.expect("put");
        }
    })
    .await;
    let tx = store.read().await.expect("a view");
    let ids = |plans: Vec<Plan>| {
        let mut ids: Vec<_> = plans.into_iter().map(|plan| plan.id).collect();
        ids.sort();
        ids
    };
    let expected = ids(vec![plans[0].clone(), plans[2].clone()]);
    assert_eq!(ids(tx.plans_to_place("north", &here.id).await.expect("list")), expected);
    assert_eq!(tx.plans_without_address("north").await.expect("list").len(), 1, "that of the basis");
    let load = tx.count_addresses_by_node().await.expect("count");
    assert_eq!((load.get(here.id.as_str()), load.len()), (Some(&1), 2));
    drop(tx);
    // Two plans never have one address.
    let twice = Plan { egress: Some(Egress::unused(ip(5))), ..plan(6, &owner) };
    let write = store.write().await.expect("a change");
    write.put_plan(&twice, None).await.expect_err("a second owner");
}

async fn uses_by_instant(place: &mut Place) {
    let store = place.open().await;
    let (own, owner) = (basis(&store).await.plan, account(1));
    let used = |number: u64, from: i64, until: Option<i64>| AddressUse {
        id: AddressUseId::of_random(number.into()),
        address: ip(1),
        plan: own.id.clone(),
        account: owner.id.clone(),
        network: network(number, &owner).id,
        node: node(1).id,
        from: at(from),
        until: until.map(at),
    };
    let uses = [used(1, 10, Some(20)), used(2, 20, None)];
    commit(&store, async |write| {
        for used in &uses {
            write.put_address_use(used).await.expect("put");
        }
    })
    .await;
    let tx = store.read().await.expect("a view");
    let found = async |at: Option<i64>| {
        let filter = AddressUseFilter { address: ip(1), at: at.map(crate::things::at) };
        tx.address_uses(&filter, &Paging::default()).await.expect("list").items
    };
    assert_eq!(found(None).await, uses);
    assert_eq!((found(Some(9)).await, found(Some(15)).await), (Vec::new(), uses[..1].to_vec()));
    assert_eq!(found(Some(20)).await, uses, "both, at the instant of the change");
    assert_eq!(found(Some(900)).await, uses[1..]);
    assert_eq!(tx.address_use_now(&own.id).await.expect("get").as_ref(), Some(&uses[1]));
}
