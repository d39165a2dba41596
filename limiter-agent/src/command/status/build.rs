//! Two readings to a status. Pure.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use limiter_common::cost::{self, TICKS_PER_NS};
use limiter_common::gcra;
use limiter_common::meter::{Control, Direction, Meter, Owner};
use limiter_common::node::Node;

use super::gather::{Readings, View};
use super::model::{
    ControlStatus, DirectionStatus, EgressStatus, EntityStatus, FqStatus, InterfaceStatus, LimitedBy,
    MeteringStatus, NetworkStatus, ReasonStatus, Status, UnknownOwner, UplinkStatus, ZoneStatus,
};
use crate::command::show;
use crate::control::Record;
use crate::dataplane::Limit;
use crate::desired::{Desired, Instance, Limits, Network};
use crate::egress::table::Table;
use crate::metering::Health;
use crate::netlink::{Link, Qdisc};
use crate::reading::rate_bps;
use crate::reconcile::interfaces::uplinks;

/// Who uses this share of a limit or more is held back by it.
const LIMITED_PERCENT: u128 = 95;

/// The status at `view`, with rates since `earlier`.
pub(super) fn status(view: &View, earlier: Option<&Readings>) -> Status {
    let builder = Builder::new(view, earlier);
    let networks: Vec<NetworkStatus> =
        view.desired.networks.iter().map(|network| builder.network(network)).collect();
    let mut problems = view.problems.clone();
    if !view.agent_running {
        problems.push("the agent does not run: limits hold, but nothing is changed or repaired".into());
    }
    Status {
        agent_running: view.agent_running,
        bypass: view.observed.kernel.node.flags & Node::BYPASS != 0,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        hooks: if view.has_tcx { "tcx" } else { "clsact" },
        problems,
        control: view.control.as_ref().map(|record| control(record, view)),
        metering: view.metering.as_ref().map(|health| metering(health, view)),
        interval_ms: builder.interval.as_millis() as u64,
        zones: builder.zones(),
        interfaces: builder.interfaces(),
        uplinks: builder.uplinks(),
        unknown_owners: builder.unknown_owners(),
        reasons: reasons(view),
        networks,
    }
}

fn control(record: &Record, view: &View) -> ControlStatus {
    let in_force = view.desired.origin.as_ref();
    let age_ms = |at: Timestamp| view.at.duration_since(at).as_millis().try_into().unwrap_or(0);
    ControlStatus {
        url: record.control.clone(),
        incarnation: in_force.map(|origin| origin.incarnation.clone()),
        revision: in_force.map(|origin| origin.revision),
        received_revision: record.received.as_ref().map(|origin| origin.revision),
        contact_age_ms: record.contact.map(age_ms),
        problem: record.problem.clone(),
        ack_problem: record.ack_problem.clone(),
    }
}

fn metering(health: &Health, view: &View) -> MeteringStatus {
    let age_ms = |at: Timestamp| view.at.duration_since(at).as_millis().try_into().unwrap_or(0);
    MeteringStatus {
        record: Some(health.record.clone()).filter(|record| !record.is_empty()),
        recorded_age_ms: health.durable.map(age_ms),
        waiting_batches: health.waiting_batches,
        waiting_bytes: health.waiting_bytes,
        oldest: health.oldest,
        problem: if view.agent_running { health.problem_at(view.at) } else { None },
        send_problem: health.send_problem.clone().filter(|_| view.agent_running),
    }
}

struct Builder<'a> {
    view: &'a View,
    earlier: Option<&'a Readings>,
    interval: Duration,
    links: HashMap<u32, &'a Link>,
    fq: HashMap<u32, FqStatus>,
}

impl<'a> Builder<'a> {
    fn new(view: &'a View, earlier: Option<&'a Readings>) -> Self {
        let interval = earlier.map(|earlier| view.readings.at.saturating_duration_since(earlier.at));
        let links = view.observed.links.iter().map(|link| (link.ifindex, link)).collect();
        let fq = fq_by_device(&view.observed.qdiscs);
        Self { view, earlier, interval: interval.unwrap_or_default(), links, fq }
    }

    fn network(&self, network: &Network) -> NetworkStatus {
        let desired = &self.view.desired;
        let slot = self.view.owners.network(&network.id);
        let entity = self.entity(network.name.to_string(), &network.limits, network.zone, slot);
        let mut instances: Vec<EntityStatus> = desired.instances[network.instances.clone()]
            .iter()
            .map(|instance| self.instance(network, instance))
            .collect();
        for instance in &mut instances {
            held_by_network(&mut instance.up, entity.up.as_ref());
            held_by_network(&mut instance.down, entity.down.as_ref());
        }
        let egress = self.egress(network, slot);
        NetworkStatus { zone: desired.zones[network.zone].name.clone(), entity, egress, instances }
    }

    fn egress(&self, network: &Network, slot: Option<u32>) -> Option<EgressStatus> {
        let (kind, address) = (network.egress.kind(), network.egress.address()?);
        let kernel = &self.view.observed.kernel;
        let limits = slot.and_then(|slot| kernel.limits.get(slot as usize));
        let number = limits.map_or(0, |limits| limits[Direction::Up as usize].control().egress());
        let not_in_force = match self.view.observed.egress.as_ref().map(|egress| &egress.table) {
            Some(Table::Ours(content)) if content.egress.get(&number) == Some(&address) => None,
            Some(Table::Ours(_)) => Some("its packets are marked for another address, or for none"),
            Some(Table::Changed(_)) => Some("somebody changed the table inet limiter of nftables"),
            Some(Table::Absent | Table::Foreign) => Some("nftables has no table inet limiter of the agent"),
            None => Some("nftables cannot be asked"),
        };
        Some(EgressStatus { kind, address, not_in_force })
    }

    fn instance(&self, network: &Network, instance: &Instance) -> EntityStatus {
        let slot = self.view.owners.instance(&instance.id);
        self.entity(format!("{}/{}", network.name, instance.name), &instance.limits, network.zone, slot)
    }

    fn entity(&self, name: String, limits: &Limits, zone: usize, slot: Option<u32>) -> EntityStatus {
        let direction = |way| {
            let slot = slot?;
            let asked = if way == Direction::Up { limits.up } else { limits.down };
            let mut status = self.meter(slot, way)?;
            status.asked_bps = asked.map(crate::desired::Rate::bps);
            status.drifted = self.has_drifted(slot, way, status.asked_bps);
            status.mode = self.view.wanted.as_ref().map(|wanted| wanted.modes.shaping(zone, way));
            Some(status)
        };
        let limit_from = show::source(&limits.source);
        EntityStatus { name, limit_from, up: direction(Direction::Up), down: direction(Direction::Down) }
    }

    fn meter(&self, slot: u32, way: Direction) -> Option<DirectionStatus> {
        let meter = self.view.readings.meters(slot)?[way as usize];
        let before = self.earlier.and_then(|earlier| self.view.readings.before(earlier, slot));
        let before = before.map_or(meter, |meters| meters[way as usize]);
        Some(of_meter(&before, &meter, self.interval, self.view.now_ns))
    }

    fn has_drifted(&self, slot: u32, way: Direction, asked_bps: Option<u64>) -> bool {
        let Some(meters) = self.view.readings.meters(slot) else { return true };
        let meter = meters[way as usize];
        let is = Limit { cost_per_byte: meter.cost_per_byte, control: meter.control };
        match self.view.wanted.as_ref().and_then(|wanted| wanted.limits.get(slot as usize)) {
            Some(limits) => is != limits[way as usize],
            None => is.cost_per_byte != asked_bps.map_or(0, cost::per_byte),
        }
    }

    fn zones(&self) -> Vec<ZoneStatus> {
        let Some(wanted) = &self.view.wanted else { return Vec::new() };
        let zones = self.view.desired.zones.iter().enumerate();
        zones
            .map(|(index, zone)| ZoneStatus {
                zone: zone.name.clone(),
                up: wanted.modes.in_force(index, Direction::Up).into(),
                down: wanted.modes.in_force(index, Direction::Down).into(),
            })
            .collect()
    }

    fn interfaces(&self) -> Vec<InterfaceStatus> {
        let (desired, observed) = (&self.view.desired, &self.view.observed);
        let ours = observed.links.iter().filter(|link| link.name != "lo");
        let ours = ours.filter_map(|link| desired.interface(&link.name).map(|entry| (link, entry)));
        let mut all: Vec<InterfaceStatus> = ours
            .map(|(link, entry)| InterfaceStatus {
                interface: link.name.clone(),
                zone: desired.zones[entry.zone].name.clone(),
                bound_to: entry.bound.map(|index| instance_name(desired, index)),
                observe: entry.observe,
                not_in_force: self.not_in_force(link),
                fq: self.fq.get(&link.ifindex).copied(),
            })
            .collect();
        all.sort_by(|a, b| a.interface.cmp(&b.interface));
        all
    }

    fn not_in_force(&self, link: &Link) -> Option<String> {
        let (observed, ifindex) = (&self.view.observed, link.ifindex);
        let bare: Vec<&str> = observed.bare(ifindex).into_iter().map(Direction::name).collect();
        if !bare.is_empty() {
            return Some(format!("no program is attached {}", bare.join(" and ")));
        }
        match (observed.kernel.interfaces.get(&ifindex), &self.view.wanted) {
            (None, _) => Some("the program does not know it".into()),
            (is, Some(wanted)) if is != wanted.interfaces.get(&ifindex) => {
                Some("the program knows it otherwise".into())
            }
            _ => crate::command::around::of_device(link),
        }
    }

    fn uplinks(&self) -> Vec<UplinkStatus> {
        let uplinks = uplinks(&self.view.desired, &self.view.observed).unwrap_or_default();
        let known = uplinks.iter().filter_map(|ifindex| self.links.get(ifindex));
        known
            .map(|link| UplinkStatus {
                interface: link.name.clone(),
                fq: self.fq.get(&link.ifindex).copied(),
            })
            .collect()
    }

    fn unknown_owners(&self) -> Vec<UnknownOwner> {
        let (desired, owners) = (&self.view.desired, &self.view.owners);
        let networks = desired.networks.iter().filter_map(|network| owners.network(&network.id));
        let instances = desired.instances.iter().filter_map(|instance| owners.instance(&instance.id));
        let known: BTreeSet<u32> = networks.chain(instances).collect();
        let mut unknown: Vec<u32> = owners.slots().filter(|slot| !known.contains(slot)).collect();
        unknown.sort_unstable();
        let kind = |slot: u32| match self.view.observed.kernel.owners.get(slot as usize) {
            Some(owner) if owner.kind == Owner::NETWORK => "network",
            _ => "instance",
        };
        let status = |slot| {
            let [up, down] = Direction::ALL.map(|way| self.meter(slot, way).unwrap_or_default());
            UnknownOwner { slot, kind: kind(slot), up, down }
        };
        unknown.into_iter().map(status).collect()
    }
}

/// `NETWORK/INSTANCE`.
fn instance_name(desired: &Desired, index: usize) -> String {
    let instance = &desired.instances[index];
    format!("{}/{}", desired.networks[instance.network].name, instance.name)
}

fn of_meter(before: &Meter, meter: &Meter, interval: Duration, now_ns: u64) -> DirectionStatus {
    let control = Control(meter.control);
    let per_second = |old: u64, new: u64| {
        let bits = u128::from(new.saturating_sub(old)) * 8_000_000_000;
        bits.checked_div(interval.as_nanos()).unwrap_or(0) as u64
    };
    let rate = per_second(before.passed_bytes, meter.passed_bytes);
    let refused = per_second(before.refused_bytes, meter.refused_bytes);
    let limit_bps = rate_bps(meter.cost_per_byte);
    let is_near =
        limit_bps.is_some_and(|limit| u128::from(rate) * 100 >= u128::from(limit) * LIMITED_PERCENT);
    DirectionStatus {
        limit_bps,
        bound_ns: control.bound_ns(),
        offline: control.has(Control::OFFLINE),
        observe: control.has(Control::OBSERVE),
        limited_by: (refused > 0 || is_near).then_some(LimitedBy::Own),
        backlog_ns: gcra::lead(meter.next_free_ticks, now_ns.wrapping_mul(TICKS_PER_NS)) / TICKS_PER_NS,
        rate_bps: rate,
        refused_bps: refused,
        passed_bytes: meter.passed_bytes,
        passed_packets: meter.passed_packets,
        refused_bytes: meter.refused_bytes,
        refused_packets: meter.refused_packets,
        ..DirectionStatus::default()
    }
}

/// An instance that sends within its own limit is held back where its network is.
fn held_by_network(instance: &mut Option<DirectionStatus>, network: Option<&DirectionStatus>) {
    let is_full = network.is_some_and(|network| network.limited_by.is_some());
    if let Some(status) = instance.as_mut().filter(|status| is_full && status.rate_bps > 0) {
        status.limited_by = status.limited_by.or(Some(LimitedBy::Network));
    }
}

fn fq_by_device(qdiscs: &[Qdisc]) -> HashMap<u32, FqStatus> {
    let mut devices: HashMap<u32, FqStatus> = HashMap::new();
    for qdisc in qdiscs.iter().filter(|qdisc| qdisc.kind == "fq") {
        let device = devices.entry(qdisc.ifindex).or_default();
        device.queued_packets += u64::from(qdisc.statistics.queued_packets);
        device.dropped_packets += u64::from(qdisc.statistics.dropped_packets);
    }
    devices
}

fn reasons(view: &View) -> Vec<ReasonStatus> {
    let status = |&(reason, way, tally): &(
        limiter_common::verdict::Reason,
        Direction,
        limiter_common::verdict::Tally,
    )| ReasonStatus {
        reason: reason.name(),
        direction: way.name(),
        passes: reason.passes(),
        packets: tally.packets,
        bytes: tally.bytes,
    };
    view.reasons.iter().map(status).collect()
}
