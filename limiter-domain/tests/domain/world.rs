//! A small deployment, driven as the control plane drives the domain, and what must hold in it.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use limiter_domain::acknowledge::{acknowledged, carries, is_acknowledged, settle};
use limiter_domain::association::Slot;
use limiter_domain::egress::{choose, move_to, place};
use limiter_domain::mode::mode;
use limiter_domain::node_state::{self, node_state};
use limiter_domain::order::Supply;
use limiter_domain::schedule::{catch_up, next_due, tick};
use limiter_domain::{
    Business, Code, Duration, Instance, Network, NetworkEgress, NetworkMode, Node, NodeId, Pay, Plan, PlanId,
    Refusal, Rule, Settings, Slice, Status, Step, network, node, term,
};
use limiter_state::{Access, EgressSpec, NodeState, OriginSpec};

use crate::fixture::{MADE, free, instance, network as network_of, node as node_of, start};

/// Addresses for plans; fewer than there may be plans.
const ADDRESSES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2), Ipv4Addr::new(198, 51, 100, 3)];

/// Everything there is, and what each node has.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) now: Timestamp,
    pub(crate) revision: u64,
    pub(crate) nodes: Vec<Node>,
    /// What each node has in force.
    pub(crate) held: Vec<NodeState>,
    /// What each node has fetched and may put in force at any time.
    fetched: Vec<NodeState>,
    /// When the last plan with an address of the pool was released.
    rested: HashMap<Ipv4Addr, Timestamp>,
    pub(crate) networks: Vec<Network>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) rules: Vec<Rule>,
}

impl World {
    pub(crate) fn new() -> Self {
        let shared = |host| Some(Ipv4Addr::new(203, 0, 113, host));
        let first = Node { shared_address: shared(1), ..node_of() };
        let second =
            Node { id: NodeId::of_random(2), name: "gate-2".into(), shared_address: shared(2), ..node_of() };
        let exclusive = |number| Network { egress: NetworkEgress::Exclusive, ..network_of(number) };
        let only_first = Network { nodes: Some(vec![first.id.clone()]), ..exclusive(3) };
        Self {
            settings: Settings { rules_per_plan: 3, plans_per_account_and_region: 4, ..Settings::default() },
            now: start(),
            revision: MADE,
            nodes: vec![first, second],
            held: vec![NodeState::default(); 2],
            fetched: vec![NodeState::default(); 2],
            rested: HashMap::new(),
            networks: vec![exclusive(1), Network { internet: Access::Deny, ..network_of(2) }, only_first],
            instances: vec![instance(1, 1), instance(1, 2), instance(2, 1), instance(3, 1)],
            plans: Vec::new(),
            rules: Vec::new(),
        }
    }

    pub(crate) fn holder(&self, network: &Network) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.network.as_ref() == Some(&network.id))
    }

    pub(crate) fn slot(&self, index: usize) -> Slot<'_> {
        let network = &self.networks[index];
        let holder = self.holder(network).map(|plan| &plan.id);
        Slot { network, holder, node: choose(network, &self.nodes, &|id| self.load(id)) }
    }

    fn load(&self, node: &NodeId) -> usize {
        let uses = |plan: &&Plan| plan.egress.as_ref().is_some_and(|it| it.node.as_ref() == Some(node));
        self.plans.iter().filter(uses).count()
    }

    /// The addresses that the next order meets.
    pub(crate) fn supply(&self) -> Supply {
        let bound = |address| self.plans.iter().any(|plan| address_of(plan) == Some(address));
        let rests = |address| {
            let since = self.rested.get(&address);
            since.is_some_and(|since| self.now < *since + self.settings.address_quarantine)
        };
        let free = ADDRESSES.into_iter().find(|address| !bound(*address) && !rests(*address));
        free.map_or(Supply::Empty, Supply::Free)
    }

    /// Writes what an operation gave, and what it completes at once.
    pub(crate) fn write(&mut self, index: usize, result: Result<Step, Refusal>) -> Option<Code> {
        let step = match result {
            Ok(step) => step,
            Err(refusal) => return Some(refusal.code),
        };
        let network = self.networks.iter().find(|network| step.plan.network.as_ref() == Some(&network.id));
        let step = settle(step, network, &self.nodes, &self.settings, self.now, self.revision);
        self.keep(index, step);
        None
    }

    fn keep(&mut self, index: usize, step: Step) {
        let before = self.plans.get(index);
        assert!(before.is_none_or(|before| follows(before, &step.plan)), "{before:?} -> {:?}", step.plan);
        assert!(
            !step.reaches_nodes || step.plan.generation == self.revision,
            "nodes acknowledge this change"
        );
        assert!(
            !step.events.is_empty() || before.is_some_and(|before| before.operation == step.plan.operation),
            "what happened is told: {:?}",
            step.plan
        );
        let released = before.and_then(address_of).filter(|_| step.plan.egress.is_none());
        self.rested.extend(released.map(|address| (address, self.now)));
        let left = before.and_then(|plan| plan.network.clone());
        if step.purge_rules {
            self.purge(&step.plan.id);
        }
        for id in left.iter().chain(&step.plan.network) {
            let network = self.networks.iter_mut().find(|network| step.reaches_nodes && network.id == *id);
            if let Some(network) = network {
                network.revision = self.revision;
            }
        }
        match self.plans.get_mut(index) {
            Some(plan) => *plan = step.plan,
            None => self.plans.push(step.plan),
        }
    }

    fn purge(&mut self, plan: &PlanId) {
        let gone: HashSet<_> =
            self.rules.iter().filter(|rule| rule.plan == *plan).map(|rule| rule.id.clone()).collect();
        self.rules.retain(|rule| !gone.contains(&rule.id));
        self.forget(|id| gone.contains(id));
    }

    pub(crate) fn forget(&mut self, gone: impl Fn(&limiter_domain::RuleId) -> bool) {
        for instance in &mut self.instances {
            instance.rule = instance.rule.take().filter(|id| !gone(id));
        }
        for network in &mut self.networks {
            network.default_rule = network.default_rule.take().filter(|id| !gone(id));
        }
    }

    /// Time passes, and the scheduler does what is due.
    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.now += time;
        for index in 0..self.plans.len() {
            let whole = catch_up(&self.plans[index], &free(), &self.settings, self.now, self.revision);
            while let Some(due) = next_due(&self.plans[index], &self.settings).filter(|due| *due <= self.now)
            {
                let plan = &self.plans[index];
                let step = tick(plan, &free(), &self.settings, due, self.revision).expect("something due");
                assert_eq!(
                    tick(&step.plan, &free(), &self.settings, due, self.revision),
                    None,
                    "a second time"
                );
                self.keep(index, step);
            }
            let by_steps = whole.is_some().then(|| self.plans[index].clone());
            assert_eq!(whole.map(|step| step.plan), by_steps, "all at once or one by one");
        }
        self.complete();
    }

    /// Node `index` fetches its state, applies and acknowledges it.
    pub(crate) fn acknowledge(&mut self, index: usize) {
        self.fetch(index);
        self.apply(index);
    }

    /// Node `index` fetches its state, and is slow.
    pub(crate) fn fetch(&mut self, index: usize) {
        self.fetched[index] = self.state(&self.nodes[index]);
    }

    /// Node `index` applies and acknowledges what it fetched last.
    pub(crate) fn apply(&mut self, index: usize) {
        self.held[index] = self.fetched[index].clone();
        let revision = self.held[index].origin.as_ref().map_or(0, |origin| origin.revision);
        let acked = &mut self.nodes[index].acked_revision;
        *acked = revision.max(*acked);
        self.complete();
    }

    /// A fenced node is off; it keeps what it has, and comes back with that.
    pub(crate) fn fence(&mut self, index: usize, fenced: bool) {
        let node = &self.nodes[index];
        let known = self.networks.iter().map(|network| network.revision);
        let wanted = known.fold(node.revision, u64::max);
        let Ok(change) = node::set_fenced(node, fenced, wanted, self.now, self.revision) else { return };
        self.nodes[index] = change.value;
        self.place_all();
    }

    /// Node `index` gives its addresses away, or no longer.
    pub(crate) fn drain(&mut self, index: usize, drained: bool) {
        let change = node::NodeChange { drained: Some(drained), ..node::NodeChange::default() };
        let node = &self.nodes[index];
        let change = node::update(node, &change, node::Facts::default(), self.now, self.revision);
        self.nodes[index] = change.expect("a flag").value;
        self.place_all();
    }

    /// The address of the plan that holds network `index` goes to node `to`.
    pub(crate) fn move_address(&mut self, index: usize, to: usize) {
        let network = &self.networks[index];
        let Some(plan) = self.plans.iter().position(|it| it.network.as_ref() == Some(&network.id)) else {
            return;
        };
        let to = &self.nodes[to];
        let step = move_to(&self.plans[plan], network, to, &self.nodes, self.now, self.revision);
        self.write(plan, step);
    }

    /// Network `index` goes to other nodes, or leaves through another address.
    pub(crate) fn change_network(&mut self, index: usize, change: &network::NetworkChange) {
        let before = self.networks[index].clone();
        let claims = limiter_domain::claims::Claims::default();
        let facts = network::Facts {
            claims: &claims,
            nodes: &self.nodes,
            elsewhere: &[],
            egress_address: None,
            instances: &self.instances,
            name_taken: false,
            external_id_taken: false,
        };
        let next = network::update(&before, change, facts, self.now, self.revision).expect("a change").value;
        for lost in network::taken_from(&before, &next, &self.nodes, self.revision) {
            let node = self.nodes.iter_mut().find(|node| node.id == lost.id);
            *node.expect("a node that was given") = lost;
        }
        self.networks[index] = next;
        self.place_all();
    }

    fn place_all(&mut self) {
        for index in 0..self.plans.len() {
            let plan = &self.plans[index];
            let Some(network) = self.networks.iter().find(|it| plan.network.as_ref() == Some(&it.id)) else {
                continue;
            };
            let load = |id: &NodeId| self.load(id);
            if let Some(step) = place(plan, network, &self.nodes, &load, self.now, self.revision) {
                assert_eq!(self.write(index, Ok(step)), None);
            }
        }
        self.complete();
    }

    fn state(&self, node: &Node) -> NodeState {
        let world = node_state::World {
            networks: &self.networks,
            plans: &self.plans,
            rules: &self.rules,
            instances: &self.instances,
        };
        node_state(node, world, OriginSpec { incarnation: "one".to_owned(), revision: self.revision })
    }

    fn complete(&mut self) {
        for index in 0..self.plans.len() {
            let plan = &self.plans[index];
            let network = self.networks.iter().find(|network| plan.network.as_ref() == Some(&network.id));
            if is_acknowledged(plan, network, &self.nodes)
                && let Some(step) = acknowledged(plan, &self.settings, self.now, self.revision)
            {
                self.keep(index, step);
            }
        }
    }

    /// What must hold at every moment.
    pub(crate) fn check(&self) {
        for plan in &self.plans {
            self.check_plan(plan);
        }
        for (index, network) in self.networks.iter().enumerate() {
            let holders: Vec<&Plan> =
                self.plans.iter().filter(|plan| plan.network.as_ref() == Some(&network.id)).collect();
            assert!(holders.len() <= 1, "two plans hold one network: {holders:?}");
            self.check_held(network, holders.first().copied());
            self.check_rule(network.default_rule.as_ref(), network);
            let access = if index == 1 { Access::Deny } else { Access::Allow };
            assert_eq!(network.internet, access, "plans leave access alone");
        }
        for rule in &self.rules {
            let plan = self.plans.iter().find(|plan| plan.id == rule.plan).expect("a rule has a plan");
            assert_eq!(plan.status, Status::InUse, "rules are there while a network uses the plan");
        }
        for instance in &self.instances {
            let network = self.networks.iter().find(|network| network.id == instance.network);
            self.check_rule(instance.rule.as_ref(), network.expect("an instance has a network"));
        }
    }

    /// Nodes serve a network by the plan that holds it alone, and one at most has the address of that plan:
    /// two plans never have one.
    fn check_held(&self, network: &Network, holder: Option<&Plan>) {
        let mut exclusive = 0;
        for (node, held) in self.nodes.iter().zip(&self.held).filter(|(node, _)| !node.fenced) {
            let id = Some(network.id.as_str());
            let Some(held) = held.networks.iter().find(|held| held.id.as_deref() == id) else { continue };
            let plan = holder.map(|plan| plan.id.as_str());
            assert!(held.plan.is_none() || held.plan.as_deref() == plan, "{held:?}, and {holder:?} holds it");
            let own = match &held.egress {
                EgressSpec::Exclusive(address) => address,
                EgressSpec::Shared(address) => {
                    assert_eq!(Some(address), node.shared_address.map(|it| it.to_string()).as_ref());
                    continue;
                }
                EgressSpec::None => continue,
            };
            exclusive += 1;
            let egress = holder.and_then(|plan| plan.egress.as_ref());
            let egress = egress.unwrap_or_else(|| panic!("{own} is used, and {holder:?} has it not"));
            assert_eq!((own, egress.holder()), (&egress.address.to_string(), Some(&node.id)));
        }
        assert!(exclusive <= 1, "two nodes have the address of {holder:?}");
    }

    /// Rules are of the plan that holds the network.
    fn check_rule(&self, id: Option<&limiter_domain::RuleId>, network: &Network) {
        let Some(id) = id else { return };
        let rule = self.rules.iter().find(|rule| rule.id == *id).expect("a binding is to a rule");
        assert_eq!(self.holder(network).map(|plan| &plan.id), Some(&rule.plan));
    }

    fn check_plan(&self, plan: &Plan) {
        let waits = matches!(plan.status, Status::Creating | Status::Changing | Status::Releasing);
        assert_eq!(plan.operation.is_some(), waits, "{plan:?}");
        let holds = waits || plan.status == Status::InUse;
        assert_eq!(plan.network.is_some(), holds, "{plan:?}");
        assert_ne!(plan.status, Status::Failed, "nothing fails without prices");
        let addresses: HashSet<_> = self.plans.iter().filter_map(address_of).collect();
        assert_eq!(addresses.len(), self.plans.iter().filter_map(address_of).count(), "one plan each");
        assert_eq!(plan.egress.is_none(), plan.status == Status::Released, "{plan:?}");
        let used = plan.egress.as_ref().is_some_and(|egress| egress.holder().is_some());
        assert!(!used || plan.network.is_some(), "{plan:?}");
        assert!(plan.generation <= self.revision && plan.ticked_at <= self.now, "{plan:?}");
        assert_eq!(plan.provisioned_at.is_none(), plan.status == Status::Creating && plan.slices.is_empty());
        for [before, after] in plan.slices.array_windows() {
            assert!(before.last_day <= after.first_day, "slices overlap: {plan:?}");
        }
        let end = plan.slices.last().map(|slice| term::hour_of_day(slice.last_day, 0, &self.settings));
        assert_eq!(plan.expires_at, end, "{plan:?}");
        assert_eq!(plan.pay == Pay::PostPaid, plan.duration.is_none());
        let live = !matches!(plan.status, Status::Releasing | Status::Released);
        if live {
            let expired = plan.expires_at.is_some_and(|end| end <= self.now);
            assert_eq!(plan.business == Business::Expired, expired, "{plan:?} at {}", self.now);
            assert_eq!(plan.release_at.is_some(), expired, "{plan:?}");
        }
        let due = next_due(plan, &self.settings);
        assert!(due.is_none_or(|due| due > self.now), "{due:?} was not worked by {}: {plan:?}", self.now);
        if plan.status == Status::NotAssociated {
            assert_eq!(plan.peak, plan.applied_peak);
        }
    }

    /// What nodes are told follows from the modes.
    pub(crate) fn check_nodes(&self) {
        for node in &self.nodes {
            let state = self.state(node);
            let carried: Vec<_> = self.networks.iter().filter(|network| carries(node, network)).collect();
            assert_eq!(state.networks.len(), carried.len(), "what it carries");
            let mut seen = HashSet::new();
            for (network, spec) in carried.into_iter().zip(&state.networks) {
                let expected = match mode(network, self.holder(network)) {
                    NetworkMode::Premium { plan, peak, .. } => (Some(plan.to_string()), Some(peak)),
                    NetworkMode::Basic { rate } => (None, Some(rate)),
                    NetworkMode::Offline => (None, None),
                };
                assert_eq!((spec.plan.clone(), spec.up), expected);
                assert_eq!(spec.up, spec.down);
                let egress = self.holder(network).and_then(|plan| plan.egress.as_ref());
                let standby = network.egress == NetworkEgress::Exclusive
                    && spec.plan.is_some()
                    && egress.is_some_and(|egress| egress.told() != Some(&node.id));
                assert_eq!(spec.internet, if standby { Access::Deny } else { network.internet });
                let translated = spec.egress != EgressSpec::None;
                assert_eq!(translated, network.egress != NetworkEgress::None && !standby, "{spec:?}");
                let own = matches!(spec.egress, EgressSpec::Exclusive(_));
                assert_eq!(
                    own,
                    spec.plan.is_some() && network.egress == NetworkEgress::Exclusive && !standby
                );
                let ruled = spec.instances.iter().any(|instance| instance.rule.is_some());
                assert!(
                    spec.plan.is_some() || (!ruled && spec.default_rule.is_none() && spec.until.is_none())
                );
                seen.extend(spec.instances.iter().map(|instance| instance.id.clone()));
            }
            let carried = self.instances.iter().filter(|instance| {
                state.networks.iter().any(|spec| spec.id.as_deref() == Some(instance.network.as_str()))
            });
            assert_eq!(seen.len(), carried.count(), "each instance once");
        }
    }
}

fn address_of(plan: &Plan) -> Option<Ipv4Addr> {
    plan.egress.as_ref().map(|egress| egress.address)
}

/// What of a slice never changes.
fn period(slice: &Slice) -> (Date, Date, Duration) {
    (slice.first_day, slice.last_day, slice.duration)
}

/// No status but those that the table of transitions leads to, or two of them where no node has to
/// acknowledge the first, and no way back in time.
fn follows(before: &Plan, after: &Plan) -> bool {
    use Status::{Changing, Creating, InUse, NotAssociated, Released, Releasing};
    let allowed = match before.status {
        Creating => &[Creating, InUse, Changing][..],
        InUse => &[InUse, Changing, NotAssociated, Releasing, Released],
        NotAssociated => &[NotAssociated, Changing, Released],
        Changing => &[Changing, InUse, NotAssociated, Releasing, Released],
        Releasing => &[Releasing, Released],
        Released | Status::Failed => &[],
    };
    allowed.contains(&after.status)
        && before.ticked_at <= after.ticked_at
        && before.generation <= after.generation
        && before.slices.len() <= after.slices.len()
        && before.slices.iter().zip(&after.slices).all(|(before, after)| period(before) == period(after))
        && (before.provisioned_at.is_none() || before.provisioned_at == after.provisioned_at)
}
