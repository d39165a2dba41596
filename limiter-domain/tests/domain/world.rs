//! A small deployment, driven as the control plane drives the domain, and what must hold in it.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use limiter_domain::acknowledge::{acknowledged, carries, has_node, is_acknowledged, settle};
use limiter_domain::association::Slot;
use limiter_domain::mode::mode;
use limiter_domain::node_state::{self, node_state};
use limiter_domain::schedule::{catch_up, next_due, tick};
use limiter_domain::{
    Business, Code, Instance, Network, NetworkMode, Node, NodeId, Pay, Plan, PlanId, Refusal, Rule, Settings,
    Status, Step, term,
};
use limiter_state::{Access, OriginSpec};

use crate::fixture::{MADE, instance, network, node, start};

/// Everything there is, and what each node was told last.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) now: Timestamp,
    pub(crate) revision: u64,
    pub(crate) nodes: Vec<Node>,
    /// The plan by which each node serves each network.
    served: Vec<HashMap<usize, PlanId>>,
    pub(crate) networks: Vec<Network>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) rules: Vec<Rule>,
}

impl World {
    pub(crate) fn new() -> Self {
        let second = Node { id: NodeId::of_random(2), name: "gate-2".into(), ..node() };
        let only_first = Network { nodes: Some(vec![node().id]), ..network(3) };
        Self {
            settings: Settings { rules_per_plan: 3, plans_per_account_and_region: 4, ..Settings::default() },
            now: start(),
            revision: MADE,
            nodes: vec![node(), second],
            served: vec![HashMap::new(); 2],
            networks: vec![network(1), Network { internet: Access::Deny, ..network(2) }, only_first],
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
        Slot { network, holder, has_node: has_node(network, &self.nodes) }
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
        if step.purge_rules {
            self.purge(&step.plan.id);
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
            let whole = catch_up(&self.plans[index], &self.settings, self.now, self.revision);
            while let Some(due) = next_due(&self.plans[index], &self.settings).filter(|due| *due <= self.now)
            {
                let plan = &self.plans[index];
                let step = tick(plan, &self.settings, due, self.revision).expect("something due");
                assert_eq!(tick(&step.plan, &self.settings, due, self.revision), None, "a second time");
                self.keep(index, step);
            }
            let by_steps = whole.is_some().then(|| self.plans[index].clone());
            assert_eq!(whole.map(|step| step.plan), by_steps, "all at once or one by one");
        }
        self.complete();
    }

    /// Node `index` fetches its state, applies and acknowledges it.
    pub(crate) fn acknowledge(&mut self, index: usize) {
        self.nodes[index].acked_revision = self.revision;
        self.served[index] = self.serving(&self.nodes[index]).collect();
        self.complete();
    }

    /// A fenced node is off, and one that comes back asks before it passes anything.
    pub(crate) fn fence(&mut self, index: usize, fenced: bool) {
        self.nodes[index].fenced = fenced;
        self.served[index].clear();
        self.complete();
    }

    fn serving(&self, node: &Node) -> impl Iterator<Item = (usize, PlanId)> {
        let carried = self.networks.iter().enumerate().filter(|(_, network)| carries(node, network));
        carried.filter_map(|(index, network)| match mode(network, self.holder(network)) {
            NetworkMode::Premium { plan, .. } => Some((index, plan)),
            NetworkMode::Basic { .. } | NetworkMode::Offline => None,
        })
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
            let holder = holders.first().map(|plan| &plan.id);
            for (node, served) in self.nodes.iter().zip(&self.served) {
                let served = served.get(&index).filter(|_| !node.fenced);
                assert!(served.is_none() || served == holder, "{served:?} is served, {holder:?} holds it");
            }
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
        assert_ne!(plan.status, Status::Failed, "nothing fails without addresses");
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
        let world = node_state::World {
            networks: &self.networks,
            plans: &self.plans,
            rules: &self.rules,
            instances: &self.instances,
        };
        for (index, node) in self.nodes.iter().enumerate() {
            let origin = OriginSpec { incarnation: "one".to_owned(), revision: self.revision };
            let state = node_state(node, world, origin);
            assert_eq!(state.networks.len(), 3 - index, "the third network is on the first node alone");
            let mut seen = HashSet::new();
            for (network, spec) in self.networks.iter().zip(&state.networks) {
                let expected = match mode(network, self.holder(network)) {
                    NetworkMode::Premium { plan, peak, .. } => (Some(plan.to_string()), Some(peak)),
                    NetworkMode::Basic { rate } => (None, Some(rate)),
                    NetworkMode::Offline => (None, None),
                };
                assert_eq!((spec.plan.clone(), spec.up), expected);
                assert_eq!((spec.up, spec.internet), (spec.down, network.internet));
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
        && after.slices.starts_with(&before.slices)
        && (before.provisioned_at.is_none() || before.provisioned_at == after.provisioned_at)
}
