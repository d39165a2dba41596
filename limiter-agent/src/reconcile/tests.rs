//! The plan against a model of the kernel: every step of every plan is safe, and plans settle.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use limiter_common::interface::Zone;
use limiter_common::meter::{Direction, Owner};
use limiter_common::node::Node;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::action::{Action, SlotLimit};
use super::observed::{Hooked, Kernel, Observed};
use super::plan::{Plan, plan};
use crate::dataplane::Sizes;
use crate::desired::{Desired, parse};
use crate::egress::table::Table;
use crate::netlink::{Address, Link};

const PROGRAMS: [u32; 2] = [71, 72];
const SIZES: Sizes = Sizes { slots: 64, addresses: 64, prefixes: 64, zones: 8 };

/// A node with two devices and nothing of ours.
pub(super) fn bare() -> Observed {
    let link = |ifindex| Link {
        ifindex,
        name: format!("inst{ifindex}"),
        kind: Some("veth".into()),
        master_ifindex: None,
        parent_ifindex: None,
        has_mac: true,
        up: true,
        mtu_bytes: 1500,
        tx_queues: 1,
        tx_queue_packets: 1000,
    };
    let kernel = Kernel {
        zones: vec![Zone::default(); SIZES.zones as usize],
        owners: vec![Owner::default(); SIZES.slots as usize],
        limits: vec![Default::default(); SIZES.slots as usize],
        sizes: SIZES,
        ..Kernel::default()
    };
    Observed { kernel, links: vec![link(3), link(4)], programs: Some(PROGRAMS), ..Observed::default() }
}

/// What `apply` does to the node, on the model of it.
pub(super) fn carry_out(node: &mut Observed, action: &Action) {
    let kernel = &mut node.kernel;
    let mut set_limits = |limit: &SlotLimit| kernel.limits[limit.slot as usize] = limit.limits;
    match action {
        Action::AssignAddresses { ifindex, addresses, .. } => {
            node.addresses.extend(addresses.iter().map(|&address| Address {
                ifindex: *ifindex,
                address: address.into(),
                prefix_length: 32,
                is_ours: true,
            }));
        }
        Action::Attach { ifindex, direction, replaces, .. } => {
            let hooks = node.hooks.entry((*ifindex, *direction)).or_default();
            hooks.retain(|hooked| Some(*hooked) != *replaces);
            hooks.push(Hooked { program: PROGRAMS[*direction as usize], tcx: true, current: true });
        }
        Action::Bypass(on) => kernel.node.flags = if *on { Node::BYPASS } else { 0 },
        Action::ChangeTable(change) => match node.egress.as_mut().map(|egress| &mut egress.table) {
            Some(Table::Ours(content)) => content.apply(change),
            table => panic!("elements of {table:?} are changed"),
        },
        Action::Claim { entity, kind, limit } => {
            set_limits(limit);
            let owner = &mut kernel.owners[limit.slot as usize];
            assert_eq!(owner.entity, 0, "a slot is given away twice");
            *owner = Owner { entity: *entity, generation: owner.generation + 1, kind: *kind };
        }
        Action::Detach { ifindex, direction, hooked, .. } => {
            let hooks = node.hooks.get_mut(&(*ifindex, *direction)).expect("a hook");
            hooks.retain(|other| other != hooked);
        }
        Action::Flush(_) => {
            if let Some(egress) = &mut node.egress {
                egress.are_connections_doubted = false;
            }
        }
        Action::Fq { .. } => panic!("the kernel has no fq"),
        Action::FreeZone(number) => kernel.zones[*number as usize] = Zone::default(),
        Action::Limit(limit) | Action::Switch { limit, .. } => set_limits(limit),
        Action::MakeTable(content) => {
            node.egress.get_or_insert_default().table = Table::Ours((**content).clone());
        }
        Action::PutInstances(entries) => kernel.instances.extend(entries.iter().copied()),
        Action::PutInterface { interface, .. } => {
            kernel.interfaces.insert(interface.ifindex, *interface);
        }
        Action::PutPrefixes(entries) => kernel.prefixes.extend(entries.iter().copied()),
        Action::PutZone { number, zone, .. } => kernel.zones[*number as usize] = **zone,
        Action::Release(slots) => slots.iter().for_each(|&slot| kernel.owners[slot as usize].entity = 0),
        Action::RemoveAddresses { ifindex, addresses, .. } => {
            let is_removed = |address: &Address| {
                address.ifindex == *ifindex && addresses.iter().any(|removed| address.address == *removed)
            };
            node.addresses.retain(|address| !is_removed(address));
        }
        Action::RemoveInstances(keys) => kernel.instances.retain(|key, _| !keys.contains(key)),
        Action::RemoveInterface { ifindex, .. } => {
            kernel.interfaces.remove(ifindex);
        }
        Action::RemovePrefixes(keys) => kernel.prefixes.retain(|key, _| !keys.contains(key)),
        Action::RemoveTable => node.egress = None,
    }
    node.hooks.retain(|_, hooks| !hooks.is_empty());
}

/// The invariant of every step on the way from `before` to what `plan` wants: no packet finds a meter
/// of somebody else, one without its limit, or none where it had and will have one.
fn is_safe(before: &Observed, now: &Observed, plan: &Plan) -> Result<(), String> {
    let (old, kernel, wanted) = (&before.kernel, &now.kernel, &plan.wanted);
    let targets = kernel.instances.values().chain(kernel.prefixes.values());
    for slot in targets.flat_map(|target| [target.instance(), target.network()]).filter(|&slot| slot != 0) {
        let place = slot as usize;
        if kernel.owners[place].entity == 0 {
            return Err(format!("slot {slot} has no owner"));
        }
        let is_old = old.owners[place] == kernel.owners[place] && old.limits[place] == kernel.limits[place];
        if !is_old && wanted.limits.get(place) != Some(&kernel.limits[place]) {
            return Err(format!("slot {slot} has the limit of nobody"));
        }
    }
    let stays = |key: &&_| wanted.instances.contains_key(*key) && !kernel.instances.contains_key(*key);
    if let Some(key) = old.instances.keys().find(stays) {
        return Err(format!("{key:?} is gone for a moment"));
    }
    let bare = |hook: &&(u32, Direction)| {
        wanted.interfaces.contains_key(&hook.0)
            && !(now.hooks.contains_key(*hook) && kernel.interfaces.contains_key(&hook.0))
    };
    before.hooks.keys().find(bare).map_or(Ok(()), |hook| Err(format!("{hook:?} is bare for a moment")))
}

/// Brings `node` to `desired`; every step is safe, and nothing is left to do after the last.
fn bring(node: &mut Observed, desired: &Desired) -> Result<(), String> {
    let before = node.clone();
    let plan = plan(desired, node).map_err(|error| error.to_string())?;
    for action in &plan.actions {
        carry_out(node, action);
        is_safe(&before, node, &plan).map_err(|error| format!("{error} after: {action}"))?;
    }
    let left = super::plan::plan(desired, node).map_err(|error| error.to_string())?.actions;
    if left.is_empty() { Ok(()) } else { Err(format!("left to do: {left:?}")) }
}

/// A network of a state: its zone, its limit, and its instances as (name, address, limit).
type NetworkShape = (bool, Option<u8>, Vec<(u8, u8, Option<u8>)>);

/// Few names, addresses and rates, so that states share much and differ in every way.
fn network() -> impl Strategy<Value = NetworkShape> {
    let names = subsequence((0..6).collect::<Vec<u8>>(), 0..6);
    let addresses = Just((1..7).collect::<Vec<u8>>()).prop_shuffle();
    let limits = prop::collection::vec(prop::option::of(1_u8..4), 6);
    let instances = (names, addresses, limits).prop_map(|(names, addresses, limits)| {
        let rest = addresses.into_iter().zip(limits);
        names.into_iter().zip(rest).map(|(name, (address, limit))| (name, address, limit)).collect()
    });
    (any::<bool>(), prop::option::of(1_u8..4), instances)
}

fn state() -> impl Strategy<Value = Desired> {
    let networks = prop::collection::btree_map(0_u8..3, network(), 0..3);
    let patterns = prop::sample::select(vec!["inst*", "inst3", "none"]);
    (networks, patterns, any::<bool>()).prop_map(|(networks, pattern, bypass)| {
        let text = written(&networks, pattern, bypass);
        parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}")).1
    })
}

fn written(networks: &BTreeMap<u8, NetworkShape>, pattern: &str, bypass: bool) -> String {
    let rate = |limit: Option<u8>| limit.map_or_else(String::new, |mbps| format!(", up: {mbps}Mbps"));
    let mut text = format!(
        "version: 1\nbypass: {bypass}\nzones: [{{name: lab}}]\ninterfaces: [{{match: \"{pattern}\"}}]\nnetworks:\n"
    );
    if networks.is_empty() {
        text.truncate(text.len() - "networks:\n".len());
    }
    for (number, (lab, limit, instances)) in networks {
        let zone = if *lab { "lab" } else { "default" };
        let limit = rate(*limit);
        let _ = write!(
            text,
            "- {{name: n{number}, zone: {zone}, prefixes: [10.{number}.0.0/16]{limit}, instances: ["
        );
        for (name, address, limit) in instances {
            let _ = write!(text, "{{name: i{name}, addresses: [10.{number}.0.{address}]{}}}, ", rate(*limit));
        }
        text.push_str("]}\n");
    }
    text
}

proptest! {
    #[test]
    fn every_step_is_safe_and_plans_settle(states in prop::collection::vec(state(), 1..6)) {
        let mut node = bare();
        for state in states {
            prop_assert_eq!(bring(&mut node, &state), Ok(()));
        }
    }

    #[test]
    fn a_plan_cut_short_anywhere_is_finished_by_the_next(
        states in prop::collection::vec((state(), any::<prop::sample::Index>()), 1..6),
        last in state(),
    ) {
        let mut node = bare();
        for (state, cut) in states {
            let actions = plan(&state, &node).expect("room").actions;
            let done = if actions.is_empty() { 0 } else { cut.index(actions.len()) };
            actions[..done].iter().for_each(|action| carry_out(&mut node, action));
        }
        prop_assert_eq!(bring(&mut node, &last), Ok(()));
    }
}

#[test]
fn a_state_without_room_is_refused_with_the_numbers() {
    let text = "version: 1\nnetworks: [{name: a, prefixes: [10.0.0.0/8], instances: [{name: b, addresses: [10.0.0.1]}]}]\n";
    let desired = parse(text.as_bytes()).expect("a state").1;
    let mut node = bare();
    node.kernel.sizes.slots = 2;
    let error = plan(&desired, &node).expect_err("no room").to_string();
    assert!(
        error.starts_with("the state needs room for 3 networks and instances, the maps have it for 2;"),
        "{error}"
    );
}
