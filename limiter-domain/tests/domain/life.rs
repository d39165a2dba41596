//! Random histories: whatever is done in whatever order, what must hold holds.

use std::collections::HashSet;

use jiff::SignedDuration;
use limiter_domain::association::{associate, dissociate};
use limiter_domain::network::NetworkChange;
use limiter_domain::order::{self, Facts, NewPlan};
use limiter_domain::release::{Ending, delete, unsubscribe};
use limiter_domain::renewal::{Renewal, renew, set_auto_renew};
use limiter_domain::resize::{self, Resize, resize};
use limiter_domain::rule::{self, NewRule};
use limiter_domain::{Duration, NetworkEgress, NodeId, Pay, Plan, PlanId, RuleId, Status};
use limiter_state::{EgressSpec, NetworkSpec};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::fixture::{account, free, new_plan};
use crate::world::World;

/// A step of a history: what, and three numbers that say to what and how.
type Act = (u8, u8, u8, u8);

fn order_plan(world: &mut World, a: u8, b: u8, c: u8) {
    let pay = if a.is_multiple_of(3) { Pay::PostPaid } else { Pay::PrePaid };
    let duration = (pay == Pay::PrePaid).then(|| Duration::ALL[usize::from(b) % 8]);
    let wanted = usize::from(c) % (world.networks.len() + 1);
    let slot = (wanted < world.networks.len()).then(|| world.slot(wanted));
    let new = NewPlan {
        duration,
        auto_renew: a.is_multiple_of(2),
        network: slot.as_ref().map(|slot| slot.network.id.clone()),
        ..new_plan(pay)
    };
    let id = PlanId::of_random(world.plans.len() as u128);
    let ended = |status| matches!(status, Status::Released | Status::Failed);
    let plans_in_region = world.plans.iter().filter(|plan| !ended(plan.status)).count();
    let facts =
        Facts { slot, plans_in_region, external_id_taken: false, supply: world.supply(), money: free() };
    let result = order::create(id, account(), &new, &facts, &world.settings, world.now, world.revision);
    world.write(world.plans.len(), result);
}

fn change_plan(world: &mut World, what: u8, a: u8, b: u8, c: u8) {
    let index = usize::from(a) % world.plans.len();
    let (plan, settings, now, revision) = (&world.plans[index], &world.settings, world.now, world.revision);
    let result = match what {
        0..=2 => associate(plan, &world.slot(usize::from(b) % world.networks.len()), now, revision),
        3 => dissociate(plan, now, revision),
        4 => resize(
            plan,
            Resize { peak_bps: u64::from(b) * 1_000_000, expected_amount: None },
            resize::Facts::default(),
            settings,
            now,
            revision,
        ),
        5 => {
            let duration = Duration::ALL[usize::from(b) % 8];
            let auto_renew = [None, Some(true), Some(false)][usize::from(c) % 3];
            renew(
                plan,
                Renewal { duration, auto_renew, expected_amount: None },
                &free(),
                settings,
                now,
                revision,
            )
        }
        6 => set_auto_renew(plan, b.is_multiple_of(2), now, revision),
        _ => {
            let force = b.is_multiple_of(2);
            match plan.pay {
                Pay::PrePaid => unsubscribe(
                    plan,
                    Ending { force, expected_amount: None },
                    &free(),
                    settings,
                    now,
                    revision,
                ),
                Pay::PostPaid => delete(plan, force, now, revision),
            }
        }
    };
    let status = world.plans[index].status;
    let refused = world.write(index, result);
    if what == 4 {
        assert_eq!(world.plans[index].status, status, "a resize leaves the status alone");
    }
    if refused.is_none() && matches!(what, 0..=2) {
        assert_eq!(world.plans[index].status, Status::Changing, "a beginning waits for nodes");
    }
}

/// Mostly of a plan that takes rules.
fn change_rules(world: &mut World, what: u8, a: u8, b: u8) {
    let used = world.plans.iter().position(|plan| plan.status == Status::InUse);
    let index = used.filter(|_| a >= 64).unwrap_or(usize::from(a) % world.plans.len());
    let (plan, now, revision) = (&world.plans[index], world.now, world.revision);
    let count = world.rules.iter().filter(|rule| rule.plan == plan.id).count();
    if what == 0 || count == 0 {
        let new = NewRule { name: format!("rule {b}"), up_bps: Some(1_000_000), down_bps: Some(2_000_000) };
        let facts = rule::Facts { name_taken: false, rules_of_plan: count };
        let id = RuleId::of_random(revision.into());
        if let Ok(change) = rule::create(id, plan, &new, facts, &world.settings, now, revision) {
            world.rules.push(change.value);
        }
        return;
    }
    let rule = world.rules.iter().filter(|rule| rule.plan == plan.id).nth(usize::from(b) % count);
    let rule = rule.expect("one of the rules that were counted").clone();
    let instance = usize::from(b) / 4 % world.instances.len();
    let list = &world.instances[instance..=instance];
    let bound = world.instances.iter().filter(|it| it.rule.as_ref() == Some(&rule.id)).count();
    let changed = match what {
        1 => rule::bind(&rule, plan, list, bound, &world.settings, now, revision),
        2 => rule::unbind(&rule, plan, list, now, revision),
        3 => {
            let network = usize::from(b) / 4 % world.networks.len();
            let holder = world.holder(&world.networks[network]);
            if let Ok(change) =
                rule::set_default(&world.networks[network], holder, Some(&rule), now, revision)
            {
                world.networks[network] = change.value;
            }
            return;
        }
        _ => {
            if rule::delete(&rule, plan, now).is_ok() {
                world.rules.retain(|other| other.id != rule.id);
                world.forget(|id| *id == rule.id);
            }
            return;
        }
    };
    if let Some(change) = changed.ok().and_then(|mut changes| changes.pop()) {
        world.instances[instance] = change.value;
    }
}

fn act(world: &mut World, (what, a, b, c): Act) {
    world.revision += 1;
    match what % 40 {
        0..=2 => order_plan(world, a, b, c),
        _ if world.plans.is_empty() => order_plan(world, a, b, c),
        what @ 3..=11 => change_plan(world, what - 3, a, b, c),
        what @ 12..=18 => change_rules(world, (what - 12) % 5, a, b),
        19..=22 => world.acknowledge(usize::from(a) % 2),
        23..=25 => (0..2).for_each(|index| world.acknowledge(index)),
        26 => world.fence(usize::from(a) % 2, b.is_multiple_of(3)),
        32 => world.fence(usize::from(a) % 2, false),
        33 => world.drain(usize::from(a) % 2, b.is_multiple_of(2)),
        34 => world.move_address(usize::from(a) % 3, usize::from(b) % 2),
        35 => {
            let ids = [Some(NodeId::of_random(1)), Some(NodeId::of_random(2)), None];
            let nodes = ids[usize::from(b) % 3].clone().map(|id| vec![id]);
            let change = NetworkChange { nodes: Some(nodes), ..NetworkChange::default() };
            world.change_network(usize::from(a) % 3, &change);
        }
        36 => {
            let all = [NetworkEgress::None, NetworkEgress::Shared, NetworkEgress::Exclusive];
            let change = NetworkChange { egress: Some(all[usize::from(b) % 3]), ..NetworkChange::default() };
            world.change_network(usize::from(a) % 3, &change);
        }
        37..=38 => world.fetch(usize::from(a) % 2),
        39 => world.apply(usize::from(a) % 2),
        27..=28 => world.pass(SignedDuration::from_mins(i64::from(a) / 16)),
        29 => world.pass(SignedDuration::from_hours(i64::from(a))),
        30..=31 | 40.. => world.pass(SignedDuration::from_hours(24 * i64::from(a % 40))),
    }
    world.check();
}

fn history() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(any::<Act>(), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(acts in history()) {
        let mut world = World::new();
        for each in acts {
            act(&mut world, each);
        }
        world.check_nodes();
    }
}

/// The random histories are worth something only where they reach every state.
#[test]
fn histories_reach_every_status() {
    let mut runner = TestRunner::deterministic();
    let mut seen = HashSet::new();
    let (mut bound, mut defaults, mut used, mut leaving) = (0, 0, 0, 0);
    for _ in 0..2000 {
        let mut world = World::new();
        for each in history().new_tree(&mut runner).expect("a history").current() {
            act(&mut world, each);
            seen.extend(world.plans.iter().map(|plan| (plan.status, plan.business)));
            leaving += world.plans.iter().filter(|plan| moves(plan)).count();
        }
        used += world.held.iter().flat_map(|held| &held.networks).filter(|it| is_exclusive(it)).count();
        bound += world.instances.iter().filter(|instance| instance.rule.is_some()).count();
        defaults += world.networks.iter().filter(|network| network.default_rule.is_some()).count();
    }
    let statuses: HashSet<Status> = seen.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses.len(), 6, "all but Failed: {statuses:?}");
    assert!(seen.len() >= 10, "{seen:?}");
    assert!(used >= 100 && leaving >= 100, "{used} addresses in use, {leaving} on their way");
    assert!(bound >= 20 && defaults >= 20, "{bound} bindings and {defaults} default rules at the end");
}

fn moves(plan: &Plan) -> bool {
    plan.egress.as_ref().is_some_and(|egress| egress.leaving.is_some())
}

fn is_exclusive(network: &NetworkSpec) -> bool {
    matches!(network.egress, EgressSpec::Exclusive(_))
}
