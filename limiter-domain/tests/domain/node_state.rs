//! What a node is told.

use limiter_domain::association::dissociate;
use limiter_domain::node_state::{World, node_state};
use limiter_domain::schedule::tick;
use limiter_domain::{
    Duration, Instance, Network, NetworkKind, NetworkStatus, Node, NodeInterface, Plan, PlanId, Rule,
    Settings,
};
use limiter_state::{Access, EgressSpec, NetworkSpec, NodeState, OriginSpec, UntilSpec};

use crate::fixture::{
    MADE, at, free, in_use, instance, mbps, network, node, pay_as_you_go, rule, start, subscription,
};

fn origin() -> OriginSpec {
    OriginSpec { incarnation: "first".to_owned(), revision: 7 }
}

fn state(networks: &[Network], plans: &[Plan], rules: &[Rule], instances: &[Instance]) -> NodeState {
    node_state(&node(), World { networks, plans, rules, instances }, origin())
}

fn premium() -> Plan {
    in_use(&subscription(Duration::Month))
}

fn only(state: &NodeState) -> &NetworkSpec {
    assert_eq!(state.networks.len(), 1, "{state:?}");
    &state.networks[0]
}

#[test]
fn premium_basic_offline() {
    let plan = premium();
    let told = state(&[network(1)], std::slice::from_ref(&plan), &[], &[]);
    assert_eq!(told.origin, Some(origin()));
    let told = only(&told);
    assert_eq!((told.up, told.down, told.internet), (Some(mbps(10)), Some(mbps(10)), Access::Allow));
    assert_eq!(told.plan, Some(plan.id.to_string()));
    let (at, basic) = (at("2026-12-24T00:00:00Z"), Some(mbps(5)));
    assert_eq!(
        told.until,
        Some(UntilSpec { at, up: basic, down: basic, internet: Access::Allow, egress: EgressSpec::None })
    );

    let vpc = Network { kind: NetworkKind::Vpc, ..network(1) };
    let told = state(std::slice::from_ref(&vpc), std::slice::from_ref(&plan), &[], &[]);
    assert_eq!(
        only(&told).until,
        Some(UntilSpec { at, up: None, down: None, internet: Access::Deny, egress: EgressSpec::None })
    );
    let told = state(&[vpc], &[], &[], &[]);
    assert_eq!((only(&told).up, only(&told).internet, &only(&told).until), (None, Access::Deny, &None));

    let told = state(&[network(1)], &[], &[], &[]);
    assert_eq!((only(&told).up, only(&told).down, &only(&told).plan), (basic, basic, &None));
    let told = state(&[network(1)], &[in_use(&pay_as_you_go())], &[], &[]);
    assert_eq!((only(&told).up, &only(&told).until), (Some(mbps(10)), &None), "no term, no end");
    let leaving = dissociate(&plan, start(), MADE + 7).expect("a plan with a network").plan;
    assert_eq!(only(&state(&[network(1)], &[leaving], &[], &[])).up, basic);
    let deleting = Network { status: NetworkStatus::Deleting, ..network(1) };
    assert_eq!(state(&[deleting], &[], &[], &[]).networks, []);
}

#[test]
fn access_is_kept_through_every_mode() {
    let closed = Network { internet: Access::Deny, ..network(1) };
    let told = state(std::slice::from_ref(&closed), &[premium()], &[], &[]);
    assert_eq!(only(&told).internet, Access::Deny);
    assert_eq!(only(&told).until.as_ref().map(|until| until.internet), Some(Access::Deny));
    assert_eq!(only(&state(&[closed], &[], &[], &[])).internet, Access::Deny);
    let silent = Instance { internet: Access::Deny, ..instance(1, 1) };
    assert_eq!(only(&state(&[network(1)], &[], &[], &[silent])).instances[0].internet, Access::Deny);
}

#[test]
fn rules_are_told_where_they_are_used_and_in_force() {
    let plan = premium();
    let (used, unused) = (rule(&plan, 1), rule(&plan, 2));
    let bound = Instance { rule: Some(used.id.clone()), ..instance(1, 1) };
    let rules = [unused.clone(), used.clone()];
    let told = state(&[network(1)], std::slice::from_ref(&plan), &rules, &[bound.clone(), instance(1, 2)]);
    assert_eq!(told.rules.len(), 1);
    assert_eq!(told.rules[0].name, format!("rule 1@{}", used.id));
    assert_eq!((told.rules[0].up, told.rules[0].down), (Some(mbps(1)), Some(mbps(2))));
    let by_rule: Vec<_> = only(&told).instances.iter().map(|instance| instance.rule.clone()).collect();
    assert_eq!(by_rule, [Some(told.rules[0].name.clone()), None]);

    let with_default = Network { default_rule: Some(unused.id.clone()), ..network(1) };
    let list = [bound.clone(), instance(1, 2)];
    let told = state(std::slice::from_ref(&with_default), std::slice::from_ref(&plan), &rules, &list);
    assert_eq!((told.rules.len(), only(&told).default_rule.is_some()), (2, true));

    let end = plan.expires_at.expect("a term");
    let expired = tick(&plan, &free(), &Settings::default(), end, MADE + 9).expect("an end").plan;
    let told = state(&[with_default], &[expired], &rules, &list);
    assert_eq!((told.rules.len(), &only(&told).default_rule), (0, &None), "kept, not enforced");
    assert!(only(&told).instances.iter().all(|instance| instance.rule.is_none()));
    let foreign = Rule { plan: PlanId::of_random(9), ..used };
    let told = state(&[network(1)], &[plan], &[foreign], &[bound]);
    assert!(told.rules.is_empty(), "a rule of another plan is not in force here");
}

#[test]
fn a_node_is_told_of_what_it_carries() {
    let interface = |pattern: &str, zone: &str| NodeInterface {
        pattern: pattern.to_owned(),
        zone: zone.into(),
        ..node().interfaces.remove(0)
    };
    let node = Node { interfaces: vec![interface("tap*", "lab"), interface("veth*", "default")], ..node() };
    let networks = [
        Network { zone: "lab".into(), ..network(3) },
        Network { region: "west".into(), ..network(2) },
        Network { zone: "other".into(), ..network(4) },
        Network { nodes: Some(vec![limiter_domain::NodeId::of_random(9)]), ..network(5) },
        network(1),
    ];
    let instances = [instance(2, 1), instance(3, 2), instance(3, 1)];
    let told = node_state(
        &node,
        World { networks: &networks, plans: &[], rules: &[], instances: &instances },
        origin(),
    );
    let ids: Vec<_> = told.networks.iter().map(|network| network.id.clone().expect("an id")).collect();
    assert_eq!(ids, [network(1).id.to_string(), network(3).id.to_string()]);
    assert_eq!(told.networks[1].zone.as_deref(), Some("lab"));
    assert_eq!(told.zones.iter().map(|zone| &*zone.name).collect::<Vec<_>>(), ["lab"]);
    assert_eq!(told.interfaces.iter().map(|it| &*it.pattern).collect::<Vec<_>>(), ["tap*", "veth*"]);
    assert_eq!(told.uplinks, ["eth0"]);
    let addresses: Vec<_> = told.networks[1].instances.iter().map(|it| it.addresses.clone()).collect();
    assert_eq!(addresses, [["10.3.0.1"], ["10.3.0.2"]]);
}

#[test]
fn order_depends_on_identities_alone() {
    let plan = premium();
    let rules = [rule(&plan, 1), rule(&plan, 2)];
    let networks = [network(1), network(2)];
    let bound =
        |host: u8| Instance { rule: Some(rules[usize::from(host) - 1].id.clone()), ..instance(1, host) };
    let instances = [bound(1), bound(2), instance(2, 1)];
    let plans = std::slice::from_ref(&plan);
    let told = state(&networks, plans, &rules, &instances);
    let mut turned = (networks, rules, instances);
    turned.0.reverse();
    turned.1.reverse();
    turned.2.reverse();
    assert_eq!(state(&turned.0, plans, &turned.1, &turned.2), told);
}

#[test]
fn long_names_are_cut_before_the_identity() {
    let long = Network { name: "ä".repeat(64).into(), ..network(1) };
    let told = state(std::slice::from_ref(&long), &[], &[], &[]);
    assert_eq!(only(&told).name, format!("{}@{}", "ä".repeat(43), long.id));
    assert_eq!(only(&told).name.chars().count(), 64);
}
