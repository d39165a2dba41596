//! What holds in every database, whenever its control plane was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use limiter_control::store::{
    AddressFilter, EventFilter, InstanceFilter, NetworkFilter, Paging, PlanFilter, RuleFilter, Store, Tx,
};
use limiter_domain::{
    AddressState, AddressUse, Event, EventKind, Instance, Network, NetworkId, Plan, PlanId, Rule, RuleId,
    Status,
};

struct All {
    networks: BTreeMap<NetworkId, Network>,
    plans: BTreeMap<PlanId, Plan>,
    rules: BTreeMap<RuleId, Rule>,
    instances: Vec<Instance>,
    /// Whose each address is, by the addresses.
    bound: BTreeMap<Ipv4Addr, PlanId>,
    /// Uses that last.
    used: BTreeMap<PlanId, AddressUse>,
    events: Vec<Event>,
}

/// Asserts all of it, in one view of the database.
pub(crate) async fn assert_hold(database: &str) {
    let store = Store::open(database, Timestamp::now()).await.expect("the database");
    let view = store.read().await.expect("a view");
    let all = read(&view).await;
    associations(&all);
    addresses(&all);
    bindings(&all);
    revisions(&all, view.revision());
    whole(&all);
    super::money::assert_adds_up(&view, &all.plans).await;
}

fn associations(all: &All) {
    let mut held = BTreeSet::new();
    for plan in all.plans.values() {
        let waits = matches!(plan.status, Status::Creating | Status::Changing | Status::Releasing);
        assert_eq!(waits, plan.operation.is_some(), "changing where an operation waits: {plan:?}");
        if let Some(network) = &plan.network {
            assert!(all.networks.contains_key(network), "{plan:?} holds a network that is not there");
            assert!(held.insert(network.clone()), "two plans hold {network}");
            assert_ne!(plan.status, Status::Released, "{plan:?} holds a network");
        }
        if matches!(plan.status, Status::InUse) {
            assert!(plan.network.is_some(), "{plan:?} is in use by nothing");
        }
    }
}

/// A plan has one address from its order to its release, and what is noted of its use is what is told.
fn addresses(all: &All) {
    let mut bound = all.bound.clone();
    for plan in all.plans.values() {
        let used = all.used.get(&plan.id).map(|used| (used.address, &used.network, &used.node));
        let Some(egress) = &plan.egress else {
            assert!(plan.status == Status::Released && used.is_none(), "{plan:?} has no address, {used:?}");
            continue;
        };
        assert_eq!(bound.remove(&egress.address).as_ref(), Some(&plan.id), "{plan:?}");
        let told = plan.network.as_ref().zip(egress.holder());
        assert_eq!(used, told.map(|(network, node)| (egress.address, network, node)), "{plan:?}");
    }
    assert!(bound.is_empty(), "of no plan that is there: {bound:?}");
}

fn bindings(all: &All) {
    let network_of = |rule: &RuleId| {
        let rule = all.rules.get(rule).unwrap_or_else(|| panic!("{rule} is bound and not there"));
        let plan = all.plans.get(&rule.plan).unwrap_or_else(|| panic!("{rule:?} has no plan"));
        plan.network.clone().unwrap_or_else(|| panic!("{rule:?} belongs to a plan without a network"))
    };
    for rule in all.rules.keys() {
        network_of(rule);
    }
    for instance in &all.instances {
        assert!(all.networks.contains_key(&instance.network), "{instance:?} is nowhere");
        if let Some(rule) = &instance.rule {
            assert_eq!(network_of(rule), instance.network, "{instance:?} has a rule of another network");
        }
    }
    for network in all.networks.values() {
        if let Some(rule) = &network.default_rule {
            assert_eq!(network_of(rule), network.id, "{network:?} has a rule of another network");
        }
    }
}

/// Every revision is a transaction that came about, and its events are numbered without a gap.
fn revisions(all: &All, last: u64) {
    for pair in all.events.windows(2) {
        assert!(pair[0].revision <= pair[1].revision, "{pair:?}");
    }
    let things = all.networks.values().map(|network| (network.revision, network.version));
    let things = things.chain(all.instances.iter().map(|instance| (instance.revision, instance.version)));
    for (revision, version) in things.chain(all.rules.values().map(|rule| (rule.revision, rule.version))) {
        assert!((1..=last).contains(&revision) && version > 0, "revision {revision}, version {version}");
    }
    for plan in all.plans.values() {
        assert!((1..=last).contains(&plan.generation) && plan.version > 0, "{plan:?}");
    }
    let newest = all.events.last().map_or(0, |event| event.revision);
    assert!(newest <= last, "an event of revision {newest} before {last}");
}

/// A thing is there exactly where it was made once and not deleted.
fn whole(all: &All) {
    let mut made = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for event in &all.events {
        use EventKind::{
            InstanceCreated, InstanceDeleted, NetworkCreated, NetworkDeleted, PlanCreated, RuleCreated,
            RuleDeleted, RulePurged,
        };
        let subject = event.subject.to_string();
        match event.kind {
            NetworkCreated | InstanceCreated | RuleCreated | PlanCreated => {
                assert_eq!(made.insert(subject, event.kind), None, "made twice: {event:?}");
            }
            InstanceDeleted | RuleDeleted | RulePurged | NetworkDeleted => {
                assert!(gone.insert(subject), "gone twice: {event:?}");
            }
            _ => {}
        }
    }
    let mut there = BTreeSet::new();
    there.extend(all.instances.iter().map(|instance| instance.id.to_string()));
    there.extend(all.rules.keys().map(ToString::to_string));
    there.extend(all.plans.keys().map(ToString::to_string));
    // A deleted network stays until no node carries it.
    there.extend(all.networks.keys().map(ToString::to_string).filter(|id| !gone.contains(id)));
    let left: BTreeSet<String> = made.into_keys().filter(|id| !gone.contains(id)).collect();
    assert_eq!(there, left);
}

async fn read(view: &Tx) -> All {
    let networks = view.all_networks(&NetworkFilter::default()).await.expect("networks");
    let (mut plans, mut paging) = (Vec::new(), Paging::default());
    loop {
        let page = view.plans(&PlanFilter::default(), &paging).await.expect("plans");
        plans.extend(page.items);
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    let instances = view.all_instances(&InstanceFilter::default()).await.expect("instances");
    let (mut rules, mut paging) = (BTreeMap::new(), Paging::default());
    loop {
        let page = view.rules(&RuleFilter::default(), &paging).await.expect("rules");
        rules.extend(page.items.into_iter().map(|rule| (rule.id.clone(), rule)));
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    let filter = AddressFilter { region: None, state: Some((AddressState::Bound, Timestamp::now())) };
    let (mut bound, mut paging) = (BTreeMap::new(), Paging::default());
    loop {
        let page = view.addresses(&filter, &paging).await.expect("addresses");
        bound.extend(page.items.into_iter().filter_map(|bound| Some((bound.address, bound.plan?))));
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    let mut used = BTreeMap::new();
    for plan in &plans {
        let now = view.address_use_now(&plan.id).await.expect("uses");
        used.extend(now.map(|used| (plan.id.clone(), used)));
    }
    let (mut events, mut paging) = (Vec::new(), Paging::default());
    loop {
        let page = view.events(&EventFilter::default(), &paging).await;
        let page = page.expect("events");
        events.extend(page.items);
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    All {
        networks: networks.into_iter().map(|network| (network.id.clone(), network)).collect(),
        plans: plans.into_iter().map(|plan| (plan.id.clone(), plan)).collect(),
        rules,
        instances,
        bound,
        used,
        events,
    }
}
