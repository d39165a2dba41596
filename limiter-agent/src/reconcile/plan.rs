//! Desired and observed to an ordered list of actions. Pure.

use std::collections::HashMap;
use std::hash::Hash;

use limiter_common::key::Target;
use limiter_common::meter::Direction;
use limiter_common::node::Node;

use super::action::{Action, SlotLimit};
use super::egress;
use super::entity::Entity;
use super::error::PlanError;
use super::fq;
use super::observed::Observed;
use super::switch;
use super::wanted::{self, Wanted};
use crate::dataplane::Sizes;
use crate::desired::{Desired, Rate};

/// What to do, and what it leads to.
#[derive(Debug)]
pub struct Plan {
    /// Actions in the order in which they are to be carried out.
    pub actions: Vec<Action>,
    /// The content that the maps will have.
    pub wanted: Wanted,
    /// Room that the way there takes.
    pub needed: Sizes,
}

/// Plans the way from `observed` to `desired`.
///
/// What is added comes before what is taken away, and limits come before the addresses that lead to
/// them: at no moment does a packet of a known instance find no meter or one without its limit. Where the
/// egress address of a network changes, the lower limit of before and after holds until its connections are
/// flushed. A slot is released last, when nothing leads to it.
///
/// # Errors
/// A state that does not fit the node or the maps; nothing of it may be applied then.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Plan, PlanError> {
    let wanted = Wanted::of(desired, observed)?;
    let kernel = &observed.kernel;
    let (put_prefixes, removed_prefixes) = difference(&kernel.prefixes, &wanted.prefixes);
    let (put_instances, removed_instances) = difference(&kernel.instances, &wanted.instances);

    let needed = needed(&wanted, removed_instances.len(), removed_prefixes.len());
    check_room(&kernel.sizes, &needed)?;

    let mut actions = Vec::new();
    if wanted.node != kernel.node {
        actions.push(Action::Bypass(wanted.node.flags & Node::BYPASS != 0));
    }
    // First, since it may be refused: nothing is half-applied then.
    actions.extend(egress::opened(observed, &wanted.egress));
    let doubt = switch::doubt(observed, &wanted, &put_prefixes, &put_instances);
    let limits = switch::limits(desired, observed, &wanted, doubt);
    let flush = switch::flush(desired, observed, &wanted, &limits, doubt);
    actions.extend(claims(desired, &wanted));
    actions.extend(limits.before);
    actions.extend(limits.switched);
    actions.extend(zones(desired, observed, &wanted));
    actions.extend((!put_prefixes.is_empty()).then_some(Action::PutPrefixes(put_prefixes)));
    actions.extend((!put_instances.is_empty()).then_some(Action::PutInstances(put_instances)));
    actions.extend(fq::steps(desired, observed, &wanted));
    actions.extend(taken(observed, &wanted));
    actions.extend(left(observed, &wanted));
    actions.extend((!removed_instances.is_empty()).then_some(Action::RemoveInstances(removed_instances)));
    actions.extend((!removed_prefixes.is_empty()).then_some(Action::RemovePrefixes(removed_prefixes)));
    actions.extend(flush.map(|flush| Action::Flush(Box::new(flush))));
    actions.extend(limits.after);
    actions.extend(egress::closed(observed, &wanted.egress));
    actions.extend(freed_zones(observed, &wanted));
    let releases = &wanted.assignment.releases;
    actions.extend((!releases.is_empty()).then(|| Action::Release(releases.clone())));
    Ok(Plan { actions, wanted, needed })
}

/// Additions come before removals, so for a moment both are there.
fn needed(wanted: &Wanted, removed_instances: usize, removed_prefixes: usize) -> Sizes {
    Sizes {
        slots: wanted.assignment.slots.iter().max().map_or(1, |slot| slot + 1),
        addresses: (wanted.instances.len() + removed_instances) as u32,
        prefixes: (wanted.prefixes.len() + removed_prefixes) as u32,
        zones: wanted.zones.keys().max().map_or(1, |number| number + 1),
    }
}

fn check_room(there: &Sizes, needed: &Sizes) -> Result<(), PlanError> {
    let rooms = [
        ("networks and instances", there.slots, needed.slots),
        ("addresses of instances", there.addresses, needed.addresses),
        ("prefixes", there.prefixes, needed.prefixes),
        ("zones", there.zones, needed.zones),
    ];
    match rooms.into_iter().find(|(_, capacity, needed)| needed > capacity) {
        Some((what, capacity, needed)) => Err(PlanError::Full { what, capacity, needed }),
        None => Ok(()),
    }
}

/// Entries to set and keys to remove, each sorted, so that equal states give equal plans.
fn difference<K: Copy + Eq + Hash + Ord>(
    is: &HashMap<K, Target>,
    shall: &HashMap<K, Target>,
) -> (Vec<(K, Target)>, Vec<K>) {
    let put = shall.iter().filter(|(key, target)| is.get(key) != Some(target));
    let mut put: Vec<(K, Target)> = put.map(|(key, target)| (*key, *target)).collect();
    let mut removed: Vec<K> = is.keys().filter(|key| !shall.contains_key(key)).copied().collect();
    put.sort_unstable_by_key(|(key, _)| *key);
    removed.sort_unstable();
    (put, removed)
}

fn claims(desired: &Desired, wanted: &Wanted) -> impl Iterator<Item = Action> {
    wanted.assignment.claims.iter().map(|&place| {
        let (entity, hash) = wanted.entities[place];
        Action::Claim { entity: hash, kind: entity.kind(), limit: slot_limit(desired, wanted, place) }
    })
}

pub(super) fn slot_limit(desired: &Desired, wanted: &Wanted, place: usize) -> SlotLimit {
    let (slot, (entity, _)) = (wanted.assignment.slots[place], wanted.entities[place]);
    SlotLimit {
        slot,
        limits: wanted.limits[slot as usize],
        name: wanted::name(desired, entity),
        rates: rates(desired, entity),
    }
}

fn rates(desired: &Desired, entity: Entity) -> [Option<Rate>; 2] {
    let limits = match entity {
        Entity::Network(index) => &desired.networks[index].limits,
        Entity::Instance(index) => &desired.instances[index].limits,
    };
    [limits.up, limits.down]
}

fn zones(desired: &Desired, observed: &Observed, wanted: &Wanted) -> Vec<Action> {
    let changed = wanted
        .zones
        .iter()
        .filter(|(number, zone)| observed.kernel.zones.get(**number as usize) != Some(zone));
    let name = |hash| {
        let zone = desired.zones.iter().find(|zone| super::entity::hash("zone", &zone.name) == hash);
        zone.map_or_else(String::new, |zone| zone.name.clone())
    };
    changed
        .map(|(&number, zone)| Action::PutZone { number, zone: Box::new(*zone), name: name(zone.entity) })
        .collect()
}

fn freed_zones(observed: &Observed, wanted: &Wanted) -> Vec<Action> {
    let taken = (0_u32..).zip(&observed.kernel.zones).filter(|(_, zone)| zone.entity != 0);
    taken
        .filter(|(number, _)| !wanted.zones.contains_key(number))
        .map(|(number, _)| Action::FreeZone(number))
        .collect()
}

/// Interfaces to take or change, each with its hooks: the entry comes first, since a program on an
/// interface that is not ours passes everything.
fn taken(observed: &Observed, wanted: &Wanted) -> Vec<Action> {
    let mut actions = Vec::new();
    for (&ifindex, &interface) in &wanted.interfaces {
        let device = observed.device(ifindex);
        if observed.kernel.interfaces.get(&ifindex) != Some(&interface) {
            actions.push(Action::PutInterface { interface, device: device.clone() });
        }
        for direction in Direction::ALL {
            let there = observed.hooks.get(&(ifindex, direction)).map_or(&[][..], Vec::as_slice);
            let is_right = |program: u32, current: bool| match observed.programs {
                Some(ids) => ids[direction as usize] == program,
                None => current,
            };
            let right = there.iter().position(|hooked| is_right(hooked.program, hooked.current));
            let replaced = if right.is_some() { None } else { there.first().copied() };
            if right.is_none() {
                actions.push(Action::Attach {
                    ifindex,
                    device: device.clone(),
                    direction,
                    replaces: replaced,
                });
            }
            let kept = right.map(|place| there[place]).or(replaced);
            let extra = there.iter().filter(|hooked| Some(**hooked) != kept);
            actions.extend(extra.map(|&hooked| Action::Detach {
                ifindex,
                device: device.clone(),
                direction,
                hooked,
            }));
        }
    }
    actions
}

/// Interfaces that are no longer ours: hooks first, then the entry.
fn left(observed: &Observed, wanted: &Wanted) -> Vec<Action> {
    let mut actions = Vec::new();
    for (&(ifindex, direction), hooks) in &observed.hooks {
        if !wanted.interfaces.contains_key(&ifindex) {
            let device = observed.device(ifindex);
            actions.extend(hooks.iter().map(|&hooked| Action::Detach {
                ifindex,
                device: device.clone(),
                direction,
                hooked,
            }));
        }
    }
    let gone = observed.kernel.interfaces.keys().filter(|ifindex| !wanted.interfaces.contains_key(ifindex));
    actions
        .extend(gone.map(|&ifindex| Action::RemoveInterface { ifindex, device: observed.device(ifindex) }));
    actions
}
