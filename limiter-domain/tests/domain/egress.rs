//! Which node uses the address of a plan, and how it comes to another.

use std::net::Ipv4Addr;

use limiter_domain::acknowledge::{acknowledged, is_acknowledged};
use limiter_domain::association::associate;
use limiter_domain::egress::{bind, choose, move_to, place};
use limiter_domain::network::{self, NetworkChange};
use limiter_domain::node::{self, NodeChange};
use limiter_domain::node_state::{World, node_state};
use limiter_domain::{
    Code, Duration, Egress, Network, NetworkEgress, Node, NodeId, Plan, Settings, Step, order,
};
use limiter_state::{Access, EgressSpec, NetworkSpec, OriginSpec};

use crate::fixture::{
    MADE, account, after, free, in_use, kinds, network as network_of, node as node_of, plan as plan_of, slot,
    start, subscription,
};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

fn network() -> Network {
    Network { egress: NetworkEgress::Exclusive, ..network_of(1) }
}

fn node(number: u8) -> Node {
    Node {
        id: NodeId::of_random(number.into()),
        name: format!("gate-{number}").into(),
        shared_address: Some(Ipv4Addr::new(203, 0, 113, number)),
        ..node_of()
    }
}

fn id(number: u8) -> NodeId {
    NodeId::of_random(number.into())
}

/// A plan that network 1 uses, with an address at node 1.
fn used() -> Plan {
    let egress = Egress { node: Some(id(1)), ..Egress::unused(ADDRESS) };
    Plan { egress: Some(egress), ..in_use(&subscription(Duration::Month)) }
}

fn told(plan: &Plan, network: &Network, node: &Node) -> NetworkSpec {
    let world = World {
        networks: std::slice::from_ref(network),
        plans: std::slice::from_ref(plan),
        rules: &[],
        instances: &[],
    };
    let origin = OriginSpec { incarnation: "one".to_owned(), revision: MADE };
    node_state(node, world, origin).networks.remove(0)
}

fn none(_: &NodeId) -> usize {
    0
}

fn let_go(step: &Step, nodes: &[Node]) -> bool {
    is_acknowledged(&step.plan, Some(&network()), nodes)
}

#[test]
fn an_order_takes_an_address_and_keeps_it_until_the_release() {
    let facts = order::Facts { supply: order::Supply::Free(ADDRESS), ..order::Facts::default() };
    let (settings, new) = (Settings::default(), subscription(Duration::Month));
    let id = limiter_domain::PlanId::of_random(1);
    let step = order::create(id, account(), &new, &facts, &settings, start(), MADE).expect("an order");
    assert_eq!(step.plan.egress, Some(Egress::unused(ADDRESS)));
    let begun = associate(&step.plan, &slot(&network()), start(), MADE + 1).expect("a free network");
    assert_eq!(begun.plan.egress.as_ref().and_then(Egress::told), Some(&self::id(1)));
    let gone = limiter_domain::release::unsubscribe(
        &step.plan,
        limiter_domain::release::Ending::default(),
        &free(),
        &Settings::default(),
        after(1),
        MADE + 2,
    );
    assert_eq!(gone.expect("an end").plan.egress, None);
}

#[test]
fn a_node_is_chosen_that_is_there_and_has_few() {
    let nodes = [node(1), node(2), node(3)];
    let busy = |node: &NodeId| if *node == id(1) { 2 } else { 1 };
    assert_eq!(choose(&network(), &nodes, &busy), Some(id(2)));
    let worse = [
        Node { fenced: true, ..node(1) },
        Node { acked_revision: 0, ..node(2) },
        Node { drained: true, ..node(3) },
        Node { region: "west".into(), ..node(4) },
    ];
    assert_eq!(choose(&network(), &worse, &none), Some(id(2)), "one that never asked before a drained one");
    assert_eq!(choose(&network(), &worse[2..], &none), Some(id(3)), "a drained one before none");
    assert_eq!(choose(&network(), &worse[..1], &none), None);
    let named = Network { nodes: Some(vec![id(3)]), ..network() };
    assert_eq!(choose(&named, &nodes, &none), Some(id(3)));
}

#[test]
fn one_node_has_the_address_and_the_others_let_nothing_out() {
    let exclusive = told(&used(), &network(), &node(1));
    assert_eq!(exclusive.egress, EgressSpec::Exclusive(ADDRESS.to_string()));
    assert_eq!(exclusive.internet, Access::Allow);
    let until = exclusive.until.expect("a term");
    assert_eq!((until.egress, until.internet), (EgressSpec::Shared("203.0.113.1".into()), Access::Allow));
    let standby = told(&used(), &network(), &node(2));
    assert_eq!((standby.egress, standby.internet), (EgressSpec::None, Access::Deny));
    let routed = told(&used(), &network_of(1), &node(2));
    assert_eq!((routed.egress, routed.internet), (EgressSpec::None, Access::Allow), "not translated");
    let free = plan_of(&subscription(Duration::Month));
    let basic = told(&free, &network(), &node(2));
    assert_eq!((basic.egress, basic.internet), (EgressSpec::Shared("203.0.113.2".into()), Access::Allow));
    let without = told(&free, &network(), &Node { shared_address: None, ..node(2) });
    assert_eq!((without.egress, without.internet), (EgressSpec::None, Access::Deny));
}

#[test]
fn an_address_moves_by_way_of_nobody() {
    let nodes = [node(1), node(2)];
    let moving = move_to(&used(), &network(), &node(2), &nodes, after(1), MADE + 5).expect("a move");
    assert_eq!(kinds(&moving), ["plan.address_moving"]);
    assert!(moving.reaches_nodes && moving.plan.generation == MADE + 5);
    for node in &nodes {
        assert_eq!(told(&moving.plan, &network(), node).internet, Access::Deny);
    }
    assert!(!let_go(&moving, &nodes), "no time is long enough");
    assert!(!let_go(&moving, &[node(1), Node { acked_revision: MADE + 9, ..node(2) }]));
    assert!(let_go(&moving, &[Node { acked_revision: MADE + 5, ..node(1) }, node(2)]));
    assert!(let_go(&moving, &[Node { fenced: true, ..node(1) }, node(2)]));
    let arrived =
        acknowledged(&moving.plan, &Settings::default(), after(2), MADE + 6).expect("one that waited");
    assert_eq!(kinds(&arrived), ["plan.address_moved"]);
    assert!(arrived.reaches_nodes && arrived.plan.generation == MADE + 6);
    assert!(matches!(told(&arrived.plan, &network(), &nodes[1]).egress, EgressSpec::Exclusive(_)));
    assert_eq!(told(&arrived.plan, &network(), &nodes[0]).internet, Access::Deny);
    // Going back on the way needs no word of the node that has it.
    let back = move_to(&moving.plan, &network(), &node(1), &nodes, after(2), MADE + 6).expect("a move");
    assert_eq!(back.plan.egress.as_ref().and_then(Egress::told), Some(&id(1)));
}

#[test]
fn a_move_is_refused_to_a_node_that_does_not_carry_and_without_an_address() {
    let nodes = [node(1), Node { fenced: true, ..node(2) }];
    let moved = |plan: &Plan, to: &Node| move_to(plan, &network(), to, &nodes, after(1), MADE + 5);
    assert_eq!(moved(&used(), &nodes[1]).expect_err("fenced").code, Code::InvalidParameter);
    let routed = move_to(&used(), &network_of(1), &nodes[0], &nodes, after(1), MADE + 5);
    assert_eq!(routed.expect_err("not through it").code, Code::PlanNotAssociated);
    let without = Plan { egress: None, ..used() };
    assert_eq!(moved(&without, &nodes[0]).expect_err("no address").code, Code::PlanNotAssociated);
    assert_eq!(moved(&used(), &nodes[0]).expect("its own").events, []);
}

#[test]
fn an_address_is_placed_where_its_node_may_not_keep_it() {
    let placed = |nodes: &[Node]| place(&used(), &network(), nodes, &none, after(1), MADE + 5);
    let to = |nodes: &[Node]| placed(nodes).and_then(|step| step.plan.egress).and_then(|it| it.node);
    assert_eq!(placed(&[node(1), node(2)]), None);
    assert_eq!(placed(&[Node { drained: true, ..node(1) }]), None, "nobody else is there");
    assert_eq!(to(&[Node { drained: true, ..node(1) }, node(2)]), Some(id(2)));
    let fenced = [Node { fenced: true, ..node(1) }, node(2)];
    assert_eq!(to(&fenced), Some(id(2)));
    let failed_over = placed(&fenced).and_then(|step| step.plan.egress).expect("a failover");
    assert_eq!(failed_over.told(), Some(&id(2)), "at once");
    let lost = placed(&[Node { fenced: true, ..node(1) }]).expect("nobody");
    assert_eq!(lost.plan.egress.as_ref().and_then(Egress::holder), None);
    let found = place(&lost.plan, &network(), &[node(2)], &none, after(2), MADE + 6).expect("a node");
    assert_eq!(found.plan.egress.as_ref().and_then(Egress::told), Some(&id(2)));
}

#[test]
fn a_plan_from_before_the_addresses_gets_one() {
    let step = bind(&in_use(&subscription(Duration::Month)), ADDRESS, Some(id(1)), after(1), MADE + 5);
    assert_eq!((kinds(&step), step.reaches_nodes), (vec!["plan.address_bound"], true));
    assert_eq!(step.plan.egress.as_ref().and_then(Egress::told), Some(&id(1)));
}

#[test]
fn shared_addresses_are_of_one_node_and_come_to_another_when_the_first_let_go() {
    let give = |node: &Node, address: &str, facts: node::Facts<'_>| {
        let change = NodeChange { shared_address: Some(Some(address.to_owned())), ..NodeChange::default() };
        node::update(node, &change, facts, after(1), MADE + 5)
    };
    let nodes = [node(1), node(2)];
    let known = node::Facts { nodes: &nodes, ..node::Facts::default() };
    let refused = |result: Result<limiter_domain::Change<Node>, limiter_domain::Refusal>| {
        let refusal = result.expect_err("a refusal");
        (refusal.code, refusal.field)
    };
    let conflict = (Code::AddressConflict, Some("shared_address".to_owned()));
    assert_eq!(refused(give(&nodes[1], "203.0.113.1", known)), conflict);
    let pooled = node::Facts { is_pooled: true, ..node::Facts::default() };
    assert_eq!(refused(give(&nodes[1], "198.51.100.7", pooled)), conflict);
    assert_eq!(refused(give(&nodes[1], "::1", known)).0, Code::InvalidParameter);
    let changed = give(&nodes[0], "203.0.113.9", known).expect("a free one");
    assert!(changed.reaches_nodes);
    let late = [changed.value.clone(), node(2)];
    let waits = node::Facts { nodes: &late, ..node::Facts::default() };
    assert_eq!(refused(give(&nodes[1], "203.0.113.1", waits)), conflict, "it may still use it");
    let acked = [Node { acked_revision: MADE + 5, ..changed.value }, node(2)];
    let free = node::Facts { nodes: &acked, ..node::Facts::default() };
    assert!(give(&nodes[1], "203.0.113.1", free).is_ok());
}

#[test]
fn a_node_keeps_the_shared_address_that_networks_leave_through() {
    let change = NodeChange { shared_address: Some(None), ..NodeChange::default() };
    let give_up = |networks: &[Network]| {
        let facts = node::Facts { networks, ..node::Facts::default() };
        node::update(&node(1), &change, facts, after(1), MADE + 5)
    };
    assert_eq!(give_up(&[network()]).expect_err("basic bandwidth needs it").code, Code::NodeInUse);
    let vpc = Network { kind: limiter_domain::NetworkKind::Vpc, ..network() };
    assert!(give_up(&[network_of(1), vpc]).is_ok(), "routed, or offline without a plan");
}

#[test]
fn a_fence_goes_when_the_node_knows_what_moved_on() {
    let fenced = Node { fenced: true, revision: MADE + 5, ..node(1) };
    let unfence = |node: &Node| node::set_fenced(node, false, MADE + 7, after(2), MADE + 8);
    assert_eq!(unfence(&fenced).expect_err("it is behind").code, Code::NodeNotReady);
    assert!(unfence(&Node { acked_revision: MADE + 7, ..fenced.clone() }).is_ok());
    assert!(unfence(&Node { acked_revision: 0, ..fenced }).is_ok(), "it never had anything");
}

#[test]
fn networks_with_the_same_addresses_are_not_translated_at_one_node() {
    let claims = limiter_domain::claims::Claims::default();
    let other = Network { zone: "b".into(), ..network() };
    let both = limiter_domain::NodeInterface { zone: "b".into(), ..node(1).interfaces.remove(0) };
    let interfaces = vec![node(1).interfaces.remove(0), both.clone()];
    let change = NetworkChange { egress: Some(NetworkEgress::Shared), ..NetworkChange::default() };
    let update = |nodes: &[Node], other: &Network| {
        let facts = network::Facts {
            claims: &claims,
            nodes,
            elsewhere: std::slice::from_ref(other),
            egress_address: None,
            instances: &[],
            name_taken: false,
            external_id_taken: false,
        };
        network::update(&network_of(2), &change, facts, after(1), MADE + 5)
    };
    let same = Network { id: network_of(9).id, prefixes: network_of(2).prefixes, ..other };
    let refusal = update(&[Node { interfaces, ..node(1) }], &same).expect_err("one node has both zones");
    assert_eq!((refusal.code, refusal.field.as_deref()), (Code::AddressConflict, Some("egress")));
    let apart = [node(1), Node { interfaces: vec![both], ..node(2) }];
    assert!(update(&apart, &same).is_ok(), "each zone has its own node");
}
