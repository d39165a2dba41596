//! What is due, what waits for nodes, what is taken from instances when a plan goes, and what nodes carry.

use limiter_control::store::Carried;
use limiter_domain::price::Amount;
use limiter_domain::{Duration, Instance, Network, Operation, OperationKind, Plan, Rule, Slice};

use crate::things::{
    Basis, account, at, basis, commit, instance, name, network, node, node_of, plan, rate, rule,
};
use crate::world::{Place, on_both};

on_both!(
    the_longest_due_comes_first,
    plans_wait_for_nodes,
    a_purge_takes_every_binding_of_the_plan_and_no_other,
    nodes_carry_their_zones,
    what_changed_for_a_node,
    addresses_and_prefixes,
    periods_that_had_no_value_are_worth_nothing,
);

async fn the_longest_due_comes_first(place: &mut Place) {
    let store = place.open().await;
    let owner = basis(&store).await.account;
    let dues = [Some(40), None, Some(10), Some(30), Some(20)];
    commit(&store, async |write| {
        for (number, due) in (2..).zip(dues) {
            write.put_plan(&plan(number, &owner), due.map(at)).await.expect("put");
        }
    })
    .await;
    let due =
        async |now, limit| store.read().await.expect("a view").plans_due(at(now), limit).await.expect("list");
    let ids = |numbers: &[u64]| numbers.iter().map(|&number| plan(number, &owner).id).collect::<Vec<_>>();
    assert_eq!(due(9, 10).await, []);
    assert_eq!(due(30, 10).await, ids(&[4, 6, 5]));
    assert_eq!(due(100, 2).await, ids(&[4, 6]));
    commit(&store, async |write| {
        // What was worked through is due later, or never again.
        write.put_plan(&plan(4, &owner), Some(at(200))).await.expect("put");
        write.put_plan(&plan(6, &owner), None).await.expect("put");
    })
    .await;
    assert_eq!(due(100, 10).await, ids(&[5, 2]));
}

async fn plans_wait_for_nodes(place: &mut Place) {
    let store = place.open().await;
    let owner = basis(&store).await.account;
    let operation = Some(Operation { kind: OperationKind::Associate, started_at: at(1) });
    let changing = Plan { operation: operation.clone(), ..plan(2, &owner) };
    let resized = Plan { peak: rate(30_000_000), ..plan(3, &owner) };
    let elsewhere = Plan { operation, region: "south".into(), ..plan(4, &owner) };
    let waiting = async || {
        let plans = store.read().await.expect("a view").plans_waiting("north").await.expect("list");
        plans.into_iter().map(|plan| plan.id).collect::<std::collections::BTreeSet<_>>()
    };
    commit(&store, async |write| {
        for plan in [&changing, &resized, &elsewhere] {
            write.put_plan(plan, None).await.expect("put");
        }
    })
    .await;
    assert_eq!(waiting().await, [changing.id.clone(), resized.id.clone()].into());
    let applied = Plan { applied_peak: resized.peak, ..resized };
    commit(&store, async |write| write.put_plan(&applied, None).await.expect("put")).await;
    assert_eq!(waiting().await, [changing.id].into());
}

async fn a_purge_takes_every_binding_of_the_plan_and_no_other(place: &mut Place) {
    let store = place.open().await;
    let Basis { account: owner, network: home, plan: own } = basis(&store).await;
    let away = network(2, &owner);
    let other = Plan { network: Some(away.id.clone()), ..plan(2, &owner) };
    let bind = |number, network: &Network, rule_id| Instance { rule: rule_id, ..instance(number, network) };
    let rules = [rule(1, &own), rule(2, &own), rule(3, &other)];
    let instances = [
        bind(1, &home, Some(rules[0].id.clone())),
        bind(2, &home, Some(rules[1].id.clone())),
        bind(3, &home, None),
        bind(4, &away, Some(rules[2].id.clone())),
    ];
    commit(&store, async |write| {
        write.put_network(&away).await.expect("put");
        write.put_plan(&other, None).await.expect("put");
        write.put_rules(&rules).await.expect("put");
        write.put_instances(&instances).await.expect("put");
    })
    .await;
    let revision = commit(&store, async |write| {
        assert_eq!(write.unbind_plan(&own.id).await.expect("unbind"), 2);
        assert_eq!(write.unbind_plan(&own.id).await.expect("unbind"), 0);
        assert_eq!(write.remove_rules_of_plan(&own.id).await.expect("remove"), 2);
    })
    .await;
    let tx = store.read().await.expect("a view");
    for (before, unbound) in instances.iter().zip([true, true, false, false]) {
        let found = tx.instance(&before.id).await.expect("get").expect("the instance");
        let expected = Instance {
            rule: before.rule.clone().filter(|_| !unbound),
            revision: if unbound { revision } else { before.revision },
            version: before.version + u64::from(unbound),
            ..before.clone()
        };
        assert_eq!(found, expected);
    }
    assert_eq!(tx.rules_of_plan(&own.id).await.expect("list"), []);
    assert_eq!(tx.rules_of_plan(&other.id).await.expect("list").len(), 1);
    drop(tx);
    commit(&store, async |write| {
        assert_eq!(write.unbind_rule(&rules[2].id).await.expect("unbind"), 1);
    })
    .await;
}

async fn nodes_carry_their_zones(place: &mut Place) {
    let store = place.open().await;
    let owner = account(1);
    let of = |number, region: &str, zone: &str| Network {
        region: region.into(),
        zone: zone.into(),
        ..network(number, &owner)
    };
    let elsewhere = Network { nodes: Some(vec![node(2).id]), ..of(5, "north", "a") };
    let here = Network { nodes: Some(vec![node(2).id, node(1).id]), ..of(2, "north", "b") };
    let networks = [of(1, "north", "a"), here, of(3, "north", "c"), of(4, "south", "a"), elsewhere];
    let numbered = || (1_u64..).zip(&networks);
    let plans: Vec<_> = numbered()
        .map(|(number, network)| Plan { network: Some(network.id.clone()), ..plan(number, &owner) })
        .collect();
    let rules: Vec<_> = (1..).zip(&plans).map(|(number, plan)| rule(number, plan)).collect();
    let instances: Vec<_> = numbered()
        .flat_map(|(number, network)| [instance(number, network), instance(number + 10, network)])
        .collect();
    let unused = plan(9, &owner);
    commit(&store, async |write| {
        write.put_account(&owner).await.expect("put");
        write.put_networks(&networks).await.expect("put");
        let due: Vec<_> = plans.iter().chain([&unused]).map(|plan| (plan, None)).collect();
        write.put_plans(&due).await.expect("put");
        write.put_rules(&rules).await.expect("put");
        write.put_instances(&instances).await.expect("put");
    })
    .await;
    let tx = store.read().await.expect("a view");
    let all = Carried { networks: networks.to_vec(), plans, rules, instances };
    for (zones, kept) in [(&["a", "b"][..], &[0, 1][..]), (&["c"], &[2]), (&["d"], &[]), (&[], &[])] {
        let ids: Vec<_> = kept.iter().map(|&at: &usize| &networks[at].id).collect();
        let mut expected = all.clone();
        expected.networks.retain(|network| ids.contains(&&network.id));
        expected.plans.retain(|plan| plan.network.as_ref().is_some_and(|id| ids.contains(&id)));
        expected.rules.retain(|rule| expected.plans.iter().any(|plan| plan.id == rule.plan));
        expected.instances.retain(|instance| ids.contains(&&instance.network));
        expected.networks.sort_by(|a, b| a.id.cmp(&b.id));
        expected.plans.sort_by(|a, b| a.id.cmp(&b.id));
        expected.rules.sort_by(|a, b| a.id.cmp(&b.id));
        expected.instances.sort_by(|a, b| (&a.network, &a.id).cmp(&(&b.network, &b.id)));
        assert_eq!(tx.carried_by(&node_of(1, zones)).await.expect("carried"), expected, "{zones:?}");
    }
}

async fn what_changed_for_a_node(place: &mut Place) {
    let store = place.open().await;
    let owner = account(1);
    let away = Network { nodes: Some(vec![node(2).id]), ..network(3, &owner) };
    let networks = [network(1, &owner), network(2, &owner), away, network(4, &owner)];
    let holder = Plan { network: Some(networks[1].id.clone()), ..plan(1, &owner) };
    let rules = [rule(1, &holder), rule(2, &holder), rule(3, &holder)];
    let bound = Instance { rule: Some(rules[0].id.clone()), ..instance(3, &networks[1]) };
    let instances = [instance(1, &networks[0]), instance(2, &networks[0]), bound, instance(4, &networks[1])];
    let before = commit(&store, async |write| {
        write.put_account(&owner).await.expect("put");
        write.put_networks(&networks).await.expect("put");
        write.put_plan(&holder, None).await.expect("put");
        write.put_rules(&rules).await.expect("put");
        write.put_instances(&instances).await.expect("put");
    })
    .await;
    let node = node_of(1, &["default"]);
    let changed = async |since| {
        let found = store.read().await.expect("a view").changed_of(&node, since).await.expect("changes");
        let mut ids: [Vec<String>; 4] = [
            found.networks.iter().map(|it| it.id.to_string()).collect(),
            found.plans.iter().map(|it| it.id.to_string()).collect(),
            found.rules.iter().map(|it| it.id.to_string()).collect(),
            found.instances.iter().map(|it| it.id.to_string()).collect(),
        ];
        for ids in &mut ids {
            ids.sort();
        }
        ids
    };
    assert_eq!(changed(before).await, [const { Vec::<String>::new() }; 4]);
    let after = commit(&store, async |write| {
        let revision = write.revision();
        write.put_instances(&[Instance { revision, ..instances[2].clone() }]).await.expect("put");
        write.put_rules(&[Rule { revision, ..rules[1].clone() }]).await.expect("put");
        write.touch_networks(&[networks[1].id.clone()]).await.expect("touch");
        write.rebuild_networks(&[networks[0].id.clone(), networks[2].id.clone()]).await.expect("rebuild");
    })
    .await;
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    let expected = [
        sorted(networks[..3].iter().map(|it| it.id.to_string()).collect()),
        vec![holder.id.to_string()],
        sorted(rules[..2].iter().map(|it| it.id.to_string()).collect()),
        sorted(instances[..3].iter().map(|it| it.id.to_string()).collect()),
    ];
    assert_eq!(changed(before).await, expected);
    assert_eq!(changed(after).await, [const { Vec::<String>::new() }; 4]);
}

async fn addresses_and_prefixes(place: &mut Place) {
    let store = place.open().await;
    let Basis { account: owner, network: home, .. } = basis(&store).await;
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a prefix")).collect::<Vec<_>>();
    let blue =
        Network { zone: "blue".into(), prefixes: nets(&["fd00::/64", "10.1.0.0/16"]), ..network(2, &owner) };
    let none = Instance { addresses: Vec::new(), ..instance(2, &home) };
    commit(&store, async |write| {
        write.put_network(&blue).await.expect("put");
        write.put_instances(&[instance(1, &home), none.clone(), instance(3, &blue)]).await.expect("put");
    })
    .await;
    let tx = store.read().await.expect("a view");
    let found = tx.prefixes_of_zone("north", Some("blue")).await.expect("list");
    assert_eq!(found, [(blue.id.clone(), blue.prefixes.clone())]);
    assert_eq!(tx.prefixes_of_zone("south", Some("blue")).await.expect("list"), []);
    assert!(tx.prefixes_of_zone("north", None).await.expect("list").len() >= found.len());
    let mut found = tx.addresses_of_network(&home.id).await.expect("list");
    found.sort_by_key(|(_, addresses)| addresses.len());
    assert_eq!(found, [(none.id, vec![]), (instance(1, &home).id, nets(&["10.0.0.1/32"]))]);
    assert_eq!(&*name("network", 2), &*blue.name);
}

/// As programs wrote them that knew no prices.
async fn periods_that_had_no_value_are_worth_nothing(place: &mut Place) {
    let store = place.open().await;
    let own = basis(&store).await.plan;
    let old = r#"[["2026-11-23","2026-12-24","1m"]]"#;
    place.execute(&format!("UPDATE plans SET slices = '{old}' WHERE id = '{}'", own.id)).await;
    let read = store.read().await.expect("a view").plan(&own.id).await.expect("get").expect("the plan");
    let day = |text: &str| text.parse().expect("a day");
    let slice = Slice {
        first_day: day("2026-11-23"),
        last_day: day("2026-12-24"),
        duration: Duration::Month,
        value: Amount::ZERO,
        value_from: day("2026-11-23"),
    };
    assert_eq!(read.slices, [slice]);
}
