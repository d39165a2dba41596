//! Networks, instances and nodes: what is taken, and what is refused.

use limiter_domain::claims::Claims;
use limiter_domain::instance::{self, InstanceChange, NewInstance};
use limiter_domain::network::{self, NetworkChange, NewNetwork};
use limiter_domain::node::{self, NewNode, NodeChange};
use limiter_domain::rule;
use limiter_domain::{
    Code, Duration, Instance, InstanceId, Network, NetworkEgress, NetworkId, NetworkStatus, Node, NodeId,
    Refusal, Settings,
};
use limiter_state::{Access, EgressAddresses, UnknownSources};

use crate::fixture::{
    MADE, account, after, in_use, instance as instance_of, mbps, network as network_of, node as node_of,
    rule as rule_of, start, subscription,
};

fn new_network(prefixes: &[&str]) -> NewNetwork {
    NewNetwork {
        name: "lab".to_owned(),
        external_id: None,
        region: "east".to_owned(),
        zone: "default".to_owned(),
        kind: network::shared(None, &Settings::default()).expect("the basic rate"),
        prefixes: prefixes.iter().map(ToString::to_string).collect(),
        nodes: None,
        egress: NetworkEgress::None,
        internet: Access::Allow,
        unknown_sources: UnknownSources::Drop,
        observe: false,
    }
}

fn claims() -> Claims<NetworkId> {
    network_of(1).prefixes.into_iter().map(|net| (net, network_of(1).id)).collect()
}

fn facts<'a>(
    claims: &'a Claims<NetworkId>,
    nodes: &'a [Node],
    instances: &'a [Instance],
) -> network::Facts<'a> {
    network::Facts {
        claims,
        nodes,
        elsewhere: &[],
        egress_address: None,
        instances,
        name_taken: false,
        external_id_taken: false,
    }
}

fn made(new: &NewNetwork) -> Result<Network, Refusal> {
    let nodes = [node_of(), Node { id: NodeId::of_random(2), region: "west".into(), ..node_of() }];
    let (claims, id) = (claims(), NetworkId::of_random(50));
    network::create(id, account(), new, facts(&claims, &nodes, &[]), start(), MADE).map(|change| change.value)
}

fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (Code, Option<String>) {
    let refusal = result.expect_err("a refusal");
    assert!(refusal.message.contains(';') || refusal.message.contains("first"), "no remedy: {refusal}");
    (refusal.code, refusal.field)
}

#[test]
fn networks() {
    let network = made(&new_network(&["10.9.0.0/16", "10.8.0.0/16", "fd00:9::/64"])).expect("free prefixes");
    let prefixes: Vec<String> = network.prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["10.8.0.0/16", "10.9.0.0/16", "fd00:9::/64"], "sorted");
    for (prefixes, code, field) in [
        (&[][..], Code::MissingParameter, "prefixes"),
        (&["10.9.0.1/16"], Code::InvalidParameter, "prefixes[0]"),
        (&["10.9.0.0/16", "169.254.0.0/24"], Code::InvalidParameter, "prefixes[1]"),
        (&["10.9.0.0/16", "10.9.1.0/24"], Code::AddressConflict, "prefixes[1]"),
        (&["10.9.0.0/16", "10.1.7.0/24"], Code::AddressConflict, "prefixes[1]"),
        (&["10.0.0.0/8"], Code::AddressConflict, "prefixes[0]"),
    ] {
        assert_eq!(refused(made(&new_network(prefixes))), (code, Some(field.to_owned())), "{prefixes:?}");
    }
    let many = NewNetwork { prefixes: vec!["x".to_owned(); 1001], ..new_network(&[]) };
    assert_eq!(refused(made(&many)), (Code::TooManyIds, Some("prefixes".to_owned())));
    for name in ["", "a/b", " a", "a\n", &"x".repeat(65)] {
        let new = NewNetwork { name: name.to_owned(), ..new_network(&["10.9.0.0/16"]) };
        assert_eq!(refused(made(&new)), (Code::InvalidParameter, Some("name".to_owned())), "{name:?}");
    }
    let (claims, id) = (claims(), NetworkId::of_random(50));
    let taken = network::Facts { name_taken: true, ..facts(&claims, &[], &[]) };
    let result = network::create(id, account(), &new_network(&["10.9.0.0/16"]), taken, start(), MADE);
    assert_eq!(refused(result), (Code::NameDuplicate, Some("name".to_owned())));
    assert!(network::shared(Some(1), &Settings::default()).is_err());
}

#[test]
fn nodes_of_a_network() {
    let with = |nodes: Vec<NodeId>| NewNetwork { nodes: Some(nodes), ..new_network(&["10.9.0.0/16"]) };
    assert_eq!(made(&with(vec![node_of().id; 2])).expect("a node").nodes, Some(vec![node_of().id]));
    for (nodes, code, field) in [
        (vec![], Code::InvalidParameter, "nodes"),
        (vec![node_of().id, NodeId::of_random(9)], Code::NodeNotFound, "nodes[1]"),
        (vec![NodeId::of_random(2)], Code::RegionMismatch, "nodes[0]"),
    ] {
        assert_eq!(refused(made(&with(nodes))), (code, Some(field.to_owned())));
    }
    let new = NewNetwork { zone: "lab".to_owned(), ..with(vec![node_of().id]) };
    assert_eq!(refused(made(&new)), (Code::InvalidParameter, Some("nodes[0]".to_owned())));
}

#[test]
fn networks_change() {
    let (claims, instances) = (claims(), [instance_of(1, 7)]);
    let change = |change: &NetworkChange| {
        network::update(&network_of(1), change, facts(&claims, &[], &instances), after(1), MADE + 1)
    };
    let same = change(&NetworkChange { name: Some("office-1".to_owned()), ..NetworkChange::default() });
    let same = same.expect("nothing new");
    assert_eq!((same.value, same.reaches_nodes, same.events.len()), (network_of(1), false, 0));
    let label = NetworkChange { external_id: Some(Some("x".to_owned())), ..NetworkChange::default() };
    let label = change(&label).expect("a label");
    assert_eq!((label.reaches_nodes, label.value.revision, label.events.len()), (false, MADE, 1));
    let wider = NetworkChange { prefixes: Some(vec!["10.0.0.0/15".to_owned()]), ..NetworkChange::default() };
    let wider = change(&wider).expect("its own prefix is no conflict");
    assert_eq!((wider.reaches_nodes, wider.value.revision), (true, MADE + 1));
    let away = NetworkChange { prefixes: Some(vec!["10.9.0.0/16".to_owned()]), ..NetworkChange::default() };
    assert_eq!(refused(change(&away)), (Code::AddressConflict, Some("prefixes".to_owned())));
    let deleting = Network { status: NetworkStatus::Deleting, ..network_of(1) };
    let late =
        network::update(&deleting, &NetworkChange::default(), facts(&claims, &[], &[]), after(1), MADE);
    assert_eq!(refused(late), (Code::NetworkNotReady, None));
}

#[test]
fn networks_are_deleted_when_nothing_uses_them_and_gone_when_nodes_know() {
    let plan = in_use(&subscription(Duration::Month));
    let network = network_of(1);
    let held = network::delete(&network, Some(&plan.id), 0, after(1), MADE + 1);
    assert_eq!(refused(held), (Code::NetworkInUse, None));
    assert_eq!(refused(network::delete(&network, None, 3, after(1), MADE + 1)), (Code::NetworkInUse, None));
    let deleted = network::delete(&network, None, 0, after(1), MADE + 1).expect("unused").value;
    let again = network::delete(&deleted, None, 0, after(2), MADE + 2).expect("the same again");
    assert_eq!((again.value, again.events.len()), (deleted.clone(), 0));
    assert!(!network::is_gone(&deleted, &[node_of()]));
    assert!(network::is_gone(&deleted, &[Node { acked_revision: MADE + 1, ..node_of() }]));
    assert!(network::is_gone(&deleted, &[Node { fenced: true, ..node_of() }]));
    assert!(!network::is_gone(&network, &[]));
}

fn new_instance(addresses: &[&str]) -> NewInstance {
    NewInstance {
        name: "web".to_owned(),
        external_id: None,
        addresses: addresses.iter().map(ToString::to_string).collect(),
        internet: Access::Allow,
    }
}

fn addresses() -> Claims<InstanceId> {
    [instance_of(1, 1), instance_of(1, 2)]
        .into_iter()
        .flat_map(|it| it.addresses.clone().into_iter().map(move |net| (net, it.id.clone())))
        .collect()
}

fn place<'a>(network: &'a Network, claims: &'a Claims<InstanceId>) -> instance::Facts<'a> {
    instance::Facts { network, claims, name_taken: false, external_id_taken: false }
}

#[test]
fn instances() {
    let (network, claims) = (network_of(1), addresses());
    let make = |new: &NewInstance| {
        instance::create(InstanceId::of_random(70), new, place(&network, &claims), after(1), MADE + 1)
    };
    let made = make(&new_instance(&["10.1.0.9", "10.1.0.4"])).expect("free addresses");
    assert!(made.reaches_nodes);
    assert_eq!((made.value.account.clone(), made.value.rule.clone()), (account(), None));
    assert_eq!(made.value.addresses[0].to_string(), "10.1.0.4/32", "sorted");
    for (list, code, field) in [
        (&[][..], Code::MissingParameter, "addresses"),
        (&["x"], Code::InvalidParameter, "addresses[0]"),
        (&["10.1.0.9", "10.1.0.9"], Code::AddressConflict, "addresses[1]"),
        (&["10.2.0.9"], Code::AddressConflict, "addresses[0]"),
        (&["10.1.0.9", "127.0.0.1"], Code::InvalidParameter, "addresses[1]"),
        (&["10.1.0.9", "10.1.0.1"], Code::AddressConflict, "addresses[1]"),
        (&["10.1.0.0/30"], Code::AddressConflict, "addresses[0]"),
    ] {
        assert_eq!(refused(make(&new_instance(list))), (code, Some(field.to_owned())), "{list:?}");
    }
    let deleting = Network { status: NetworkStatus::Deleting, ..network_of(1) };
    let late = instance::create(
        InstanceId::of_random(70),
        &new_instance(&["10.1.0.9"]),
        place(&deleting, &claims),
        after(1),
        MADE,
    );
    assert_eq!(refused(late), (Code::NetworkNotReady, None));
    let taken = instance::Facts { external_id_taken: true, ..place(&network, &claims) };
    let new = NewInstance { external_id: Some("x".to_owned()), ..new_instance(&["10.1.0.9"]) };
    let result = instance::create(InstanceId::of_random(70), &new, taken, after(1), MADE);
    assert_eq!(refused(result), (Code::NameDuplicate, Some("external_id".to_owned())));
}

#[test]
fn instances_change() {
    let (network, claims) = (network_of(1), addresses());
    let change = |change: &InstanceChange| {
        instance::update(&instance_of(1, 1), change, place(&network, &claims), after(1), MADE + 1)
    };
    let addresses = |list: &[&str]| InstanceChange {
        addresses: Some(list.iter().map(ToString::to_string).collect()),
        ..InstanceChange::default()
    };
    let same = change(&addresses(&["10.1.0.1"])).expect("nothing new");
    assert_eq!((same.reaches_nodes, same.events.len()), (false, 0));
    let more = change(&addresses(&["10.1.0.1", "10.1.0.8/31"])).expect("its own address is no conflict");
    assert_eq!((more.reaches_nodes, more.value.revision), (true, MADE + 1));
    assert_eq!(refused(change(&addresses(&["10.1.0.2"]))).0, Code::AddressConflict);
    let closed = InstanceChange { internet: Some(Access::Deny), ..InstanceChange::default() };
    assert!(change(&closed).expect("no Internet").reaches_nodes);
    assert_eq!(instance::delete(&instance_of(1, 1), after(1)).len(), 1);
}

fn new_node(uplinks: &[&str], patterns: &[&str]) -> NewNode {
    let interface = |pattern: &&str| limiter_domain::NodeInterface {
        pattern: (*pattern).to_owned(),
        ..node_of().interfaces.remove(0)
    };
    NewNode {
        name: "gate".to_owned(),
        region: "east".to_owned(),
        uplinks: uplinks.iter().map(ToString::to_string).collect(),
        interfaces: patterns.iter().map(interface).collect(),
        shared_address: None,
        egress_addresses: EgressAddresses::Assign,
    }
}

#[test]
fn nodes() {
    let make = |new: &NewNode| node::create(NodeId::of_random(5), new, node::Facts::default(), start(), MADE);
    let made = make(&new_node(&["eth0"], &["veth-a*", "veth-*"])).expect("a node").value;
    assert_eq!((made.acked_revision, made.fenced), (0, false));
    for (uplinks, patterns, field) in [
        (&[][..], &["a/b"][..], "interfaces[0].pattern"),
        (&[], &["veth-*", "veth-*"], "interfaces[1].pattern"),
        (&[], &["veth-*", "veth-a"], "interfaces[1].pattern"),
        (&["eth*"], &[], "uplinks[0]"),
        (&["eth0", "eth0"], &[], "uplinks[1]"),
        (&["eth0"], &["eth*"], "uplinks[0]"),
    ] {
        let refusal = refused(make(&new_node(uplinks, patterns)));
        assert_eq!(refusal, (Code::InvalidParameter, Some(field.to_owned())));
    }
    let taken = node::Facts { name_taken: true, ..node::Facts::default() };
    let result = node::create(NodeId::of_random(5), &new_node(&[], &[]), taken, start(), MADE);
    assert_eq!(refused(result), (Code::NameDuplicate, Some("name".to_owned())));
    let renamed = NodeChange { name: Some("b".to_owned()), ..NodeChange::default() };
    let renamed = node::update(&made, &renamed, node::Facts::default(), after(1), MADE + 1).expect("a name");
    assert_eq!((renamed.reaches_nodes, renamed.events.len()), (false, 1));
    let moved = NodeChange { uplinks: Some(vec!["eth1".to_owned()]), ..NodeChange::default() };
    let moved = node::update(&made, &moved, node::Facts::default(), after(1), MADE + 1).expect("an uplink");
    assert_eq!((moved.reaches_nodes, moved.value.revision), (true, MADE + 1));
}

#[test]
fn nodes_are_deleted_when_no_network_needs_them() {
    let carrying = node_of();
    assert_eq!(refused(node::delete(&carrying, &[network_of(1)], after(1))), (Code::NodeInUse, None));
    node::delete(&carrying, &[], after(1)).expect("nothing to carry");
    let fenced = node::set_fenced(&carrying, true, MADE, after(1), MADE + 1).expect("a fence");
    assert_eq!((fenced.events[0].kind.code(), fenced.reaches_nodes), ("node.fenced", true));
    let again = node::set_fenced(&fenced.value, true, MADE, after(2), MADE + 2).expect("no change");
    assert_eq!(again.events, []);
    node::delete(&fenced.value, &[network_of(1)], after(1)).expect("it is off");
    let named = Network { nodes: Some(vec![carrying.id.clone()]), ..network_of(1) };
    assert_eq!(refused(node::delete(&fenced.value, &[named], after(1))), (Code::NodeInUse, None));
}

#[test]
fn bindings() {
    let (plan, settings) = (in_use(&subscription(Duration::Month)), Settings::default());
    let rule = rule_of(&plan, 1);
    let bound = Instance { rule: Some(rule.id.clone()), ..instance_of(1, 1) };
    let list = [bound.clone(), instance_of(1, 2), instance_of(1, 2)];
    let changes = rule::bind(&rule, &plan, &list, 1, &settings, after(1), MADE + 5).expect("one more");
    assert_eq!(changes.len(), 1, "what is bound already, or named twice, is not bound again");
    assert_eq!((&changes[0].value.id, changes[0].value.revision), (&instance_of(1, 2).id, MADE + 5));
    assert_eq!(changes[0].value.rule, Some(rule.id.clone()));
    let changes = rule::unbind(&rule, &plan, &list, after(1), MADE + 6).expect("one bound");
    assert_eq!((changes.len(), &changes[0].value.rule), (1, &None));
    let slower = rule::RuleChange { up_bps: Some(3_000_000), ..rule::RuleChange::default() };
    let change = rule::update(&rule, &plan, &slower, false, &settings, after(1), MADE + 7).expect("a limit");
    assert_eq!((change.value.up, change.value.down, change.reaches_nodes), (mbps(3), mbps(2), true));
    assert_eq!(change.events[0].detail, "up 1Mbps -> 3Mbps");
}

#[test]
fn default_rules() {
    let plan = in_use(&subscription(Duration::Month));
    let rule = rule_of(&plan, 1);
    let set =
        rule::set_default(&network_of(1), Some(&plan), Some(&rule), after(1), MADE + 5).expect("a rule");
    assert_eq!((&set.value.default_rule, set.reaches_nodes), (&Some(rule.id.clone()), true));
    let cleared = rule::set_default(&set.value, Some(&plan), None, after(2), MADE + 6).expect("no rule");
    assert_eq!(cleared.value.default_rule, None);
    let none = rule::set_default(&network_of(2), Some(&plan), Some(&rule), after(1), MADE + 5);
    assert_eq!(refused(none), (Code::PlanNotAssociated, Some("default_rule".to_owned())));
}
