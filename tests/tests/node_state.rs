//! The agent takes whatever the domain tells it.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use jiff::Timestamp;
use limiter_domain::node_state::{World, node_state};
use limiter_domain::price::Amount;
use limiter_domain::{
    AccountId, Business, Charge, Duration, Egress, Instance, InstanceId, Network, NetworkEgress, NetworkId,
    NetworkKind, NetworkStatus, Node, NodeId, NodeInterface, Operation, OperationKind, Pay, Plan, PlanId,
    Rule, RuleId, Status, instance, network, node, rule,
};
use limiter_state::{Access, EgressAddresses, Mode, NodeState, OriginSpec, Policy, Rate, UnknownSources};
use proptest::prelude::*;

const ZONES: [&str; 3] = ["default", "lab", "a zone"];

fn rate(mbps: u8) -> Rate {
    Rate::new((u64::from(mbps) + 1) * 1_000_000).expect("a rate within the range of limits")
}

/// Names that people give, few enough that networks, rules and instances often share one.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("office".to_owned()),
        Just("x".repeat(64)),
        Just(format!("{}/{}", "ä".repeat(20), "é".repeat(43))),
        "[a-c@/_. ]{1,4}",
        "\\PC{1,64}",
    ]
}

fn limiter_node() -> impl Strategy<Value = Node> {
    let zones = prop::sample::subsequence(ZONES.to_vec(), 1..=3);
    (zones, any::<bool>(), any::<bool>()).prop_map(|(zones, observe, uplink)| {
        let interface = |(index, zone): (usize, &&str)| NodeInterface {
            pattern: format!("veth{index}-*"),
            zone: (*zone).into(),
            mode: Mode::Auto,
            observe,
            foreign_sources: if observe { Policy::Pass } else { Policy::Drop },
        };
        let new = node::NewNode {
            name: "gate".to_owned(),
            region: "east".to_owned(),
            uplinks: uplink.then(|| "eth0".to_owned()).into_iter().collect(),
            interfaces: zones.iter().enumerate().map(interface).collect(),
            shared_address: Some("203.0.113.1".to_owned()),
            egress_addresses: EgressAddresses::Assign,
        };
        node::create(NodeId::of_random(1), &new, node::Facts::default(), Timestamp::UNIX_EPOCH, 1)
            .expect("a node")
            .value
    })
}

/// What one network is made of; [`Whole::add`] makes it.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    zone: usize,
    kind: u8,
    status: u8,
    default_rule: Option<usize>,
    plan: u8,
    rules: Vec<(String, u8, u8)>,
    instances: Vec<(String, Option<usize>, bool)>,
}

fn part() -> impl Strategy<Value = Part> {
    let rules = prop::collection::vec((name(), any::<u8>(), any::<u8>()), 0..4);
    let instances = prop::collection::vec((name(), prop::option::of(0_usize..4), any::<bool>()), 0..5);
    let rest = (name(), 0_usize..3, any::<u8>(), any::<u8>(), prop::option::of(0_usize..4), any::<u8>());
    (rest, rules, instances).prop_map(|((name, zone, kind, status, default_rule, plan), rules, instances)| {
        Part { name, zone, kind, status, default_rule, plan, rules, instances }
    })
}

#[derive(Debug, Default)]
struct Whole {
    networks: Vec<Network>,
    plans: Vec<Plan>,
    rules: Vec<Rule>,
    instances: Vec<Instance>,
}

impl Whole {
    /// Adds network `index`. Names that the domain refuses leave their thing out.
    fn add(&mut self, index: u8, part: &Part) {
        let Some(network) = network_of(index, part) else { return };
        let plan = plan_of(index, part.plan, &network);
        let first_rule = self.rules.len();
        for (number, (name, up, down)) in part.rules.iter().enumerate() {
            let id = RuleId::of_random(u128::from(index) * 16 + number as u128);
            let new = rule::NewRule {
                name: name.clone(),
                up_bps: Some(rate(*up).bps()),
                down_bps: Some(rate(*down).bps()),
            };
            let usable = Plan { status: Status::InUse, business: Business::Normal, ..plan.clone() };
            let settings = limiter_domain::Settings::default();
            let facts = rule::Facts::default();
            let made = rule::create(id, &usable, &new, facts, &settings, Timestamp::UNIX_EPOCH, 1);
            self.rules.extend(made.map(|made| made.value));
        }
        let rules = &self.rules[first_rule..];
        let named = |number: Option<usize>| rules.get(number?).map(|rule| rule.id.clone());
        let mut seen = Vec::new();
        for (host, (name, bound, open)) in part.instances.iter().enumerate() {
            let new = instance::NewInstance {
                name: name.clone(),
                external_id: None,
                addresses: vec![format!("10.{index}.0.{}", host + 1), format!("fd00:{index}:0:{host}::/64")],
                internet: if *open { Access::Allow } else { Access::Deny },
            };
            let id = InstanceId::of_random(u128::from(index) * 16 + host as u128);
            let claims = limiter_domain::claims::Claims::default();
            let active = Network { status: NetworkStatus::Active, ..network.clone() };
            let name_taken = seen.contains(name);
            let facts =
                instance::Facts { network: &active, claims: &claims, name_taken, external_id_taken: false };
            if let Ok(made) = instance::create(id, &new, facts, Timestamp::UNIX_EPOCH, 1) {
                seen.push(name.clone());
                self.instances.push(Instance { rule: named(*bound), ..made.value });
            }
        }
        self.networks.push(Network { default_rule: named(part.default_rule), ..network });
        self.plans.push(plan);
    }
}

fn network_of(index: u8, part: &Part) -> Option<Network> {
    let basic = rate(part.kind);
    let new = network::NewNetwork {
        name: part.name.clone(),
        external_id: None,
        region: "east".to_owned(),
        zone: ZONES[part.zone].to_owned(),
        kind: if part.kind < 128 { NetworkKind::Vpc } else { NetworkKind::Shared { basic } },
        prefixes: vec![format!("10.{index}.0.0/16"), format!("fd00:{index}::/32")],
        nodes: None,
        egress: [NetworkEgress::None, NetworkEgress::Shared, NetworkEgress::Exclusive]
            [usize::from(part.kind) % 3],
        internet: if part.status.is_multiple_of(3) { Access::Deny } else { Access::Allow },
        unknown_sources: UnknownSources::Budget,
        observe: part.status.is_multiple_of(2),
    };
    let claims = limiter_domain::claims::Claims::default();
    let facts = network::Facts {
        claims: &claims,
        nodes: &[],
        elsewhere: &[],
        egress_address: None,
        instances: &[],
        name_taken: false,
        external_id_taken: false,
    };
    let id = NetworkId::of_random(index.into());
    let made =
        network::create(id, AccountId::of_random(1), &new, facts, Timestamp::UNIX_EPOCH, 1).ok()?.value;
    let status = if part.status > 250 { NetworkStatus::Deleting } else { NetworkStatus::Active };
    Some(Network { status, ..made })
}

fn plan_of(index: u8, random: u8, network: &Network) -> Plan {
    use Status::{Changing, Creating, InUse, NotAssociated, Releasing};
    let status = [InUse, InUse, InUse, Changing, Creating, NotAssociated, Releasing][usize::from(random) % 7];
    let kind = if random < 128 { OperationKind::Associate } else { OperationKind::Dissociate };
    let end = Timestamp::from_second(1_800_000_000).expect("an instant");
    let prepaid = random.is_multiple_of(2);
    Plan {
        id: PlanId::of_random(index.into()),
        account: network.account.clone(),
        external_id: None,
        region: network.region.clone(),
        pay: if prepaid { Pay::PrePaid } else { Pay::PostPaid },
        charge: Charge::ByBandwidth,
        peak: rate(random),
        applied_peak: rate(random),
        status,
        business: if random % 5 == 4 { Business::Expired } else { Business::Normal },
        reason: None,
        network: (status != NotAssociated).then(|| network.id.clone()),
        egress: (!random.is_multiple_of(7)).then(|| Egress {
            node: random.is_multiple_of(2).then(|| NodeId::of_random(1)),
            ..Egress::unused(Ipv4Addr::new(198, 51, 100, index))
        }),
        operation: (status == Changing).then_some(Operation { kind, started_at: end }),
        generation: 1,
        created_at: end,
        provisioned_at: Some(end),
        expires_at: prepaid.then_some(end),
        anchor_day: None,
        duration: prepaid.then_some(Duration::Month),
        auto_renew: false,
        release_at: None,
        prepaid: Amount::ZERO,
        slices: Vec::new(),
        ticked_at: end,
        version: 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_agent_takes_it(node in limiter_node(), parts in prop::collection::vec(part(), 0..6)) {
        let mut whole = Whole::default();
        for (index, part) in parts.iter().enumerate() {
            whole.add(index as u8 + 1, part);
        }
        let world = World {
            networks: &whole.networks,
            plans: &whole.plans,
            rules: &whole.rules,
            instances: &whole.instances,
        };
        let origin = OriginSpec { incarnation: "one".to_owned(), revision: 1 };
        let told = node_state(&node, world, origin);
        let json = serde_json::to_string(&told).expect("a state that can be written");
        let read: NodeState = serde_json::from_str(&json).expect("a state that can be read");
        prop_assert_eq!(&read, &told);
        let desired = match limiter_agent::desired::check(&read) {
            Ok(desired) => desired,
            Err(error) => return Err(TestCaseError::fail(format!("{error}\n{json}"))),
        };
        prop_assert_eq!(desired.networks.len(), told.networks.len());
        prop_assert_eq!(desired.rules.len(), told.rules.len());
        let carried = |instance: &&Instance| {
            let network = whole.networks.iter().find(|network| network.id == instance.network);
            network.is_some_and(|network| {
                network.status == NetworkStatus::Active && node.interfaces.iter().any(|it| it.zone == network.zone)
            })
        };
        let expected: Vec<&Instance> = whole.instances.iter().filter(carried).collect();
        prop_assert_eq!(desired.instances.len(), expected.len());
        for instance in expected {
            let found = desired.instances.iter().find(|other| *other.id == *instance.id.as_str());
            let addresses: Vec<IpNet> = found.map(|found| found.addresses.clone()).unwrap_or_default();
            prop_assert_eq!(&addresses, &instance.addresses);
        }
    }
}
