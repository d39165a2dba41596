//! Small worlds to test in.

use jiff::{SignedDuration, Timestamp};
use limiter_domain::association::{Slot, associate};
use limiter_domain::order::{self, Facts, NewPlan};
use limiter_domain::price::Money;
use limiter_domain::{
    AccountId, Charge, Duration, Instance, InstanceId, Network, NetworkEgress, NetworkId, NetworkKind,
    NetworkStatus, Node, NodeId, NodeInterface, Pay, Plan, PlanId, Refusal, Rule, RuleId, Settings, Step,
    acknowledge,
};
use limiter_state::{Access, EgressAddresses, Mode, Policy, Rate, UnknownSources};

/// When most tests begin: 2026-11-23, a Monday.
pub(crate) const START: &str = "2026-11-23T10:15:00Z";

/// No price book, and an account without money.
pub(crate) fn free() -> Money<'static> {
    Money::default()
}

/// The revision that fixtures were made in.
pub(crate) const MADE: u64 = 10;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|_| panic!("{text} is an instant"))
}

pub(crate) fn start() -> Timestamp {
    at(START)
}

pub(crate) fn after(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

pub(crate) fn mbps(mbps: u64) -> Rate {
    Rate::new(mbps * 1_000_000).expect("a rate within the range of limits")
}

pub(crate) fn account() -> AccountId {
    AccountId::of_random(1)
}

pub(crate) fn node() -> Node {
    let interface = NodeInterface {
        pattern: "veth-*".to_owned(),
        zone: "default".into(),
        mode: Mode::Auto,
        observe: false,
        foreign_sources: Policy::Drop,
    };
    Node {
        id: NodeId::of_random(1),
        name: "gate".into(),
        region: "east".into(),
        uplinks: vec!["eth0".to_owned()],
        interfaces: vec![interface],
        shared_address: None,
        former_addresses: Vec::new(),
        egress_addresses: EgressAddresses::Assign,
        drained: false,
        fenced: false,
        bypass: false,
        acked_revision: MADE,
        acked_at: None,
        problem: None,
        seen_at: None,
        agent_version: None,
        revision: MADE,
        created_at: start(),
        version: 1,
    }
}

pub(crate) fn network(number: u8) -> Network {
    Network {
        id: NetworkId::of_random(number.into()),
        account: account(),
        name: format!("office-{number}").into(),
        external_id: None,
        region: "east".into(),
        zone: "default".into(),
        kind: NetworkKind::Shared { basic: mbps(5) },
        prefixes: vec![format!("10.{number}.0.0/16").parse().expect("a prefix")],
        nodes: None,
        egress: NetworkEgress::None,
        internet: Access::Allow,
        unknown_sources: UnknownSources::Drop,
        observe: false,
        default_rule: None,
        status: NetworkStatus::Active,
        revision: MADE,
        created_at: start(),
        version: 1,
    }
}

/// Instance `host` of network `number`.
pub(crate) fn instance(number: u8, host: u8) -> Instance {
    Instance {
        id: InstanceId::of_random(u128::from(number) * 256 + u128::from(host)),
        account: account(),
        network: NetworkId::of_random(number.into()),
        name: format!("i{host}").into(),
        external_id: None,
        addresses: vec![format!("10.{number}.0.{host}/32").parse().expect("an address")],
        internet: Access::Allow,
        rule: None,
        revision: MADE,
        created_at: start(),
        version: 1,
    }
}

pub(crate) fn rule(plan: &Plan, number: u8) -> Rule {
    Rule {
        id: RuleId::of_random(number.into()),
        account: account(),
        plan: plan.id.clone(),
        name: format!("rule {number}").into(),
        up: mbps(1),
        down: mbps(2),
        revision: MADE,
        created_at: start(),
        version: 1,
    }
}

pub(crate) fn subscription(duration: Duration) -> NewPlan {
    NewPlan {
        external_id: None,
        region: "east".to_owned(),
        pay: Pay::PrePaid,
        charge: Charge::ByBandwidth,
        peak_bps: 10_000_000,
        network: None,
        duration: Some(duration),
        auto_renew: false,
        agreement_version: None,
        expected_amount: None,
    }
}

pub(crate) fn pay_as_you_go() -> NewPlan {
    NewPlan { pay: Pay::PostPaid, duration: None, ..subscription(Duration::Month) }
}

pub(crate) fn new_plan(pay: Pay) -> NewPlan {
    match pay {
        Pay::PrePaid => subscription(Duration::Month),
        Pay::PostPaid => pay_as_you_go(),
    }
}

pub(crate) fn ordered(new: &NewPlan, now: Timestamp) -> Result<Step, Refusal> {
    order::create(PlanId::of_random(1), account(), new, &Facts::default(), &Settings::default(), now, MADE)
}

/// A plan without a network.
pub(crate) fn plan(new: &NewPlan) -> Plan {
    ordered(new, start()).expect("an order that is accepted").plan
}

pub(crate) fn slot(network: &Network) -> Slot<'_> {
    Slot { network, holder: None, node: Some(node().id) }
}

/// A plan whose association with network 1 is under way.
pub(crate) fn associating(new: &NewPlan) -> Plan {
    associate(&plan(new), &slot(&network(1)), start(), MADE + 1).expect("a free network").plan
}

/// A plan that network 1 uses.
pub(crate) fn in_use(new: &NewPlan) -> Plan {
    acknowledged(&associating(new), start()).plan
}

pub(crate) fn acknowledged(plan: &Plan, now: Timestamp) -> Step {
    acknowledge::acknowledged(plan, &Settings::default(), now, plan.generation + 1)
        .expect("something that waits for nodes")
}

/// The order of a subscription with network 1, of which no node has heard yet.
pub(crate) fn creating(new: &NewPlan) -> Step {
    let network = network(1);
    let new = NewPlan { network: Some(network.id.clone()), ..new.clone() };
    let facts = Facts { slot: Some(slot(&network)), ..Facts::default() };
    order::create(PlanId::of_random(1), account(), &new, &facts, &Settings::default(), start(), MADE)
        .expect("an order that is accepted")
}

pub(crate) fn kinds(step: &Step) -> Vec<&'static str> {
    step.events.iter().map(|event| event.kind.code()).collect()
}
