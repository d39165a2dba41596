//! Egress addresses against a model of the node and its connections: whatever changes, is cut short or is broken,
//! no packet leaves through an address that is neither the old nor the new one, and none with the limit of the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use limiter_common::meter::Direction;
use proptest::prelude::*;

use super::ROUNDS_MAX;
use super::action::Action;
use super::observed::{Observed, ObservedEgress};
use super::plan::{Plan, plan};
use super::tests::{bare, carry_out};
use super::wanted::Wanted;
use crate::desired::{Desired, Egress, parse};
use crate::egress::table::{Content, Table};
use crate::netlink::Link;

const UPLINK: u32 = 9;
const NETWORKS: u8 = 3;
/// Exclusive addresses, and shared ones.
const ADDRESSES: u8 = 3;
const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// A node with the connection that the one instance of each network holds open.
#[derive(Clone)]
struct World {
    node: Observed,
    /// The address each leaves through, by network; the source's own where none is in its place.
    connections: BTreeMap<u8, Ipv4Addr>,
}

/// What a network is to have: an address of its own, which others may have had before, or a shared one; a limit.
#[derive(Clone, Debug)]
struct Shape {
    egress: Option<(bool, u8)>,
    mbps: Option<u8>,
}

/// What goes wrong between two states.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    TableLost,
    RulesChanged,
    AgentKilled,
    AddressLost,
}

fn instance(network: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, network, 0, 1)
}

impl World {
    fn new() -> Self {
        let mut node = bare();
        let link = Link { ifindex: UPLINK, name: "uplink".into(), ..node.links[0].clone() };
        node.links.push(link);
        node.default_routes.push(UPLINK);
        Self { node, connections: BTreeMap::new() }
    }

    fn content(&self) -> Content {
        super::egress::held(&self.node)
    }

    /// What a packet of a network is translated to, where it begins a connection; none: it is dropped, or the
    /// network is not there.
    fn new_packet(&self, plan: &Plan, desired: &Desired, network: u8) -> Option<Ipv4Addr> {
        let index = desired.networks.iter().position(|entry| *entry.name == *format!("n{network}"))?;
        let slot = plan.wanted.assignment.slots[index];
        if !self.node.kernel.prefixes.values().any(|target| target.network() == slot) {
            return None;
        }
        let limits = self.node.kernel.limits[slot as usize];
        match limits[Direction::Up as usize].control().egress() {
            0 => Some(instance(network)),
            number => self.content().egress.get(&number).copied(),
        }
    }

    /// Lets every network send a packet, which begins a connection where none is open.
    fn send(&mut self, plan: &Plan, desired: &Desired) {
        for network in 0..NETWORKS {
            if let Some(address) = self.new_packet(plan, desired, network) {
                self.connections.entry(network).or_insert(address);
            }
        }
    }

    fn carry_out(&mut self, action: &Action, plan: &Plan, desired: &Desired) {
        carry_out(&mut self.node, action);
        if let Action::Flush(flush) = action {
            let is_seen =
                |through: Ipv4Addr| flush.through.as_ref().is_none_or(|list| list.contains(&through));
            self.connections.retain(|&network, through| {
                !(is_seen(*through) && flush.wrong.is_wrong(instance(network), HOST, *through))
            });
        }
        self.send(plan, desired);
    }

    /// Brings the node to `desired`, round by round, in `steps` steps or all; says what was wrong on the way.
    fn bring(&mut self, desired: &Desired, mut steps: usize) -> Result<(), String> {
        if desired.networks.iter().any(|network| network.egress != Egress::None) {
            let unseen = ObservedEgress { are_connections_doubted: true, ..ObservedEgress::default() };
            self.node.egress.get_or_insert(unseen);
        }
        for _ in 0..ROUNDS_MAX {
            let plan = plan(desired, &self.node).map_err(|error| error.to_string())?;
            if plan.actions.is_empty() {
                return self.is_settled(desired);
            }
            let before = self.clone();
            for action in &plan.actions {
                let Some(left) = steps.checked_sub(1) else {
                    // Killed: what the next agent knows of connections is nothing.
                    self.suffer(Trouble::AgentKilled);
                    return Ok(());
                };
                steps = left;
                self.carry_out(action, &plan, desired);
                self.is_safe(&before, &plan, desired).map_err(|error| format!("{error} after: {action}"))?;
            }
        }
        Err("it does not settle".into())
    }

    fn is_safe(&self, before: &Self, plan: &Plan, desired: &Desired) -> Result<(), String> {
        for (index, network) in desired.networks.iter().enumerate() {
            let number: u8 = network.name[1..].parse().expect("a number");
            let slot = plan.wanted.assignment.slots[index] as usize;
            let is_new = before.node.kernel.owners[slot].entity == 0;
            let wanted = network.egress.address().unwrap_or(instance(number));
            let old = before.new_packet(plan, desired, number);
            let now = self.new_packet(plan, desired, number);
            // Where the table was lost, the mark says nothing of the address before.
            if let Some(now) = now
                && now != wanted
                && Some(now) != old
            {
                return Err(format!("{} leaves through {now}, was {old:?}, shall {wanted}", network.name));
            }
            let of_limit = |limit: crate::dataplane::Limit| match limit.cost_per_byte {
                0 => u64::MAX,
                cost => u64::MAX / cost,
            };
            let up = Direction::Up as usize;
            let rate = of_limit(self.node.kernel.limits[slot][up]);
            let (low, high) =
                (of_limit(before.node.kernel.limits[slot][up]), of_limit(plan.wanted.limits[slot][up]));
            let under_old = now.is_some_and(|now| now != wanted)
                || self.connections.get(&number).is_some_and(|through| *through != wanted);
            if !is_new && old.is_some() && under_old && rate > low {
                return Err(format!("{} has more than before under the old address", network.name));
            }
            if now == Some(wanted) && old.is_some_and(|old| old != wanted) && rate > high {
                return Err(format!("{} has more than it shall under the new address", network.name));
            }
        }
        self.are_apart(before, plan, desired)?;
        self.ways_back(before)
    }

    /// Networks whose packets leave through an address.
    fn users(&self, plan: &Plan, desired: &Desired, address: Ipv4Addr) -> BTreeSet<u8> {
        let leaves = |network: &u8| {
            self.connections.get(network) == Some(&address)
                || self.new_packet(plan, desired, *network) == Some(address)
        };
        (0..NETWORKS).filter(leaves).collect()
    }

    /// Nobody else leaves through an exclusive address that its network did not have before.
    fn are_apart(&self, before: &Self, plan: &Plan, desired: &Desired) -> Result<(), String> {
        for network in &desired.networks {
            let Egress::Exclusive(address) = network.egress else { continue };
            let number: u8 = network.name[1..].parse().expect("a number");
            let users = self.users(plan, desired, address);
            if users.len() > 1
                && users.contains(&number)
                && !before.users(plan, desired, address).contains(&number)
            {
                return Err(format!("networks {users:?} leave through {address} at once"));
            }
        }
        Ok(())
    }

    /// Every address that a packet may leave through is on the uplink, and guarded, unless it was lost before.
    fn ways_back(&self, before: &Self) -> Result<(), String> {
        let content = self.content();
        let prefixes = &self.node.kernel.prefixes;
        let marks: Vec<Ipv4Addr> = super::egress::marking(&self.node)
            .filter(|(slot, _)| prefixes.values().any(|target| target.network() == *slot))
            .filter_map(|(_, number)| content.egress.get(&number).copied())
            .collect();
        let is_there = |world: &Self, address: &Ipv4Addr| {
            let mut ours = world.node.addresses.iter().filter(|other| other.is_ours);
            ours.any(|other| other.address == *address)
        };
        let is_safe = |address: &&Ipv4Addr| {
            content.addresses.contains(address) && (is_there(self, address) || !is_there(before, address))
        };
        match marks.iter().find(|address| !is_safe(address)) {
            Some(address) => Err(format!("{address} has no way back or no guard")),
            None => Ok(()),
        }
    }

    fn is_settled(&self, desired: &Desired) -> Result<(), String> {
        for network in &desired.networks {
            let number: u8 = network.name[1..].parse().expect("a number");
            let wanted = network.egress.address().unwrap_or(instance(number));
            let through = self.connections.get(&number);
            if through != Some(&wanted) {
                return Err(format!("{} has a connection through {through:?}, not {wanted}", network.name));
            }
        }
        let wanted = Wanted::of(desired, &self.node).map_err(|error| error.to_string())?;
        let ours = self.node.addresses.iter().filter(|address| address.is_ours).count();
        if ours != wanted.egress.devices.len() || self.content() != wanted.egress.content {
            return Err("something is left behind".into());
        }
        Ok(())
    }

    fn suffer(&mut self, trouble: Trouble) {
        let guarded = self.content().addresses;
        let there: BTreeSet<Ipv4Addr> = super::egress::ours(&self.node).map(|(_, address)| address).collect();
        let Some(egress) = &mut self.node.egress else { return };
        match trouble {
            Trouble::Nothing => {}
            // Where an address is lost from both, nothing says any more that it was ours.
            Trouble::TableLost if !guarded.is_subset(&there) => {}
            Trouble::AddressLost if !there.is_subset(&guarded) => {}
            Trouble::TableLost => egress.table = Table::Absent,
            Trouble::RulesChanged => {
                if let Table::Ours(content) = &egress.table {
                    egress.table = Table::Changed(content.clone());
                }
            }
            Trouble::AgentKilled => egress.are_connections_doubted = true,
            Trouble::AddressLost => self.node.addresses.clear(),
        }
    }
}

fn state() -> impl Strategy<Value = Desired> {
    let egress = prop::option::of((any::<bool>(), 0..ADDRESSES));
    let shape = (egress, prop::option::of(1_u8..4)).prop_map(|(egress, mbps)| Shape { egress, mbps });
    prop::collection::btree_map(0..NETWORKS, shape, 0..4).prop_map(|networks| {
        let mut text = "version: 1\ninterfaces: [{match: \"inst*\"}]\n".to_owned();
        text += if networks.is_empty() { "" } else { "networks:\n" };
        let mut taken = BTreeSet::new();
        for (number, Shape { egress, mbps }) in networks {
            let rate = mbps.map_or_else(String::new, |mbps| format!(", up: {mbps}Mbps"));
            let egress = match egress {
                Some((true, shared)) => format!(", egress: {{shared: 198.51.100.{}}}", 100 + shared),
                Some((false, own)) if taken.insert(own) => {
                    format!(", egress: {{exclusive: 198.51.100.{}}}", own + 1)
                }
                _ => String::new(),
            };
            let instance = format!("{{name: i, addresses: [{}]}}", instance(number));
            let _ = writeln!(
                text,
                "- {{name: n{number}, prefixes: [10.{number}.0.0/16]{rate}{egress}, instances: [{instance}]}}"
            );
        }
        parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}")).1
    })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop::sample::select(vec![
        Trouble::Nothing,
        Trouble::Nothing,
        Trouble::TableLost,
        Trouble::RulesChanged,
        Trouble::AgentKilled,
        Trouble::AddressLost,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_step_of_a_switch_is_safe_and_it_ends_whole(states in prop::collection::vec(state(), 1..6)) {
        let mut world = World::new();
        for state in states {
            prop_assert_eq!(world.bring(&state, usize::MAX), Ok(()));
        }
    }

    #[test]
    fn a_switch_that_is_cut_short_or_broken_ends_whole(
        states in prop::collection::vec((state(), 0_usize..12, trouble()), 1..6),
        last in state(),
    ) {
        let mut world = World::new();
        for (state, steps, trouble) in states {
            prop_assert_eq!(world.bring(&state, steps), Ok(()));
            world.suffer(trouble);
        }
        prop_assert_eq!(world.bring(&last, usize::MAX), Ok(()));
    }
}
