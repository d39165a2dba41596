//! `status`: every limit in force, where it comes from, and what passes and is refused.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use limiter_common::cost::{COST_SHIFT, TICKS_PER_NS};
use limiter_common::meter::{Control, Direction, Meter};
use limiter_common::node::Node;
use serde::Serialize;

use super::show;
use crate::dataplane::{Maps, MeterArray, attach};
use crate::desired::{Desired, Rate};
use crate::netlink::Netlink;
use crate::place::Place;
use crate::reconcile::entity::Entity;
use crate::reconcile::mode::InForce;
use crate::reconcile::observe::observe;
use crate::reconcile::observed::Observed;
use crate::reconcile::wanted::{self, Wanted};
use crate::state::Source;

/// How to show it.
#[derive(Args, Clone, Copy, Debug)]
pub struct StatusArgs {
    /// As JSON; with --watch, a line each second.
    #[arg(long)]
    json: bool,
    /// Again every second until it is interrupted.
    #[arg(long)]
    watch: bool,
    /// Every instance, not only the first 50 rows.
    #[arg(long)]
    all: bool,
}

/// Rows of a table that was not asked for whole.
const ROWS_MAX: usize = 50;
/// Rates are measured over this time.
const INTERVAL: Duration = Duration::from_millis(500);

/// Shows the status, once or every second.
pub async fn run(args: StatusArgs, place: &Place) -> anyhow::Result<()> {
    loop {
        let status = gather(place).await?;
        let mut out = std::io::stdout().lock();
        if args.json {
            let line = if args.watch {
                serde_json::to_string(&status)?
            } else {
                serde_json::to_string_pretty(&status)?
            };
            writeln!(out, "{line}")?;
        } else {
            if args.watch && out.is_terminal() {
                write!(out, "\x1b[H\x1b[2J")?;
            }
            out.write_all(text(&status, if args.all { usize::MAX } else { ROWS_MAX }).as_bytes())?;
        }
        out.flush()?;
        drop(out);
        if !args.watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(INTERVAL)).await;
    }
}

/// What is in force on the node.
#[derive(Debug, Serialize)]
struct Status {
    agent_running: bool,
    bypass: bool,
    /// `tcx` or `clsact`.
    hooks: &'static str,
    /// Why the state file is not in force, where it is not.
    refused: Option<String>,
    zones: Vec<ZoneStatus>,
    interfaces: Vec<InterfaceStatus>,
    entities: Vec<EntityStatus>,
    reasons: Vec<ReasonStatus>,
    fq_dropped_packets: u64,
}

#[derive(Debug, Serialize)]
struct ZoneStatus {
    zone: String,
    up: InForce,
    down: InForce,
}

#[derive(Debug, Serialize)]
struct InterfaceStatus {
    interface: String,
    zone: String,
    /// Both programs are attached and write the pinned meters.
    in_force: bool,
}

#[derive(Debug, Serialize)]
struct EntityStatus {
    name: String,
    limit_from: String,
    up: DirectionStatus,
    down: DirectionStatus,
}

#[derive(Debug, Serialize)]
struct DirectionStatus {
    /// As the meter in the kernel holds it; none is no limit.
    limit_bps: Option<u64>,
    /// The meter holds another limit than the state asks for.
    drifted: bool,
    offline: bool,
    observed: bool,
    rate_bps: u64,
    passed_bytes: u64,
    passed_packets: u64,
    refused_bytes: u64,
    refused_packets: u64,
}

#[derive(Debug, Serialize)]
struct ReasonStatus {
    reason: &'static str,
    direction: &'static str,
    packets: u64,
}

async fn gather(place: &Place) -> anyhow::Result<Status> {
    let maps = Maps::open(&place.pins)?.context("the limiter is not installed here: no pinned maps")?;
    let source =
        Source::read(&place.applied()).map_err(anyhow::Error::new).context("the state last put in force")?;
    let observed = observe(&maps, None, &mut Netlink::open()?).await?;
    let wanted = Wanted::of(&source.desired, &observed)?;
    let before = readings(maps.meters(), &wanted);
    let start = Instant::now();
    tokio::time::sleep(INTERVAL).await;
    let after = readings(maps.meters(), &wanted);
    let elapsed = start.elapsed();
    let desired = &source.desired;
    let places = wanted.entities.iter().zip(&wanted.assignment.slots);
    let entities = places.map(|(&(entity, _), slot)| {
        let [up, down] = Direction::ALL.map(|way| {
            let (old, new) = (before[slot][way as usize], after[slot][way as usize]);
            let drifted = maps.meters().limit(*slot, way) != wanted.limits[slot][way as usize];
            of_meter(&old, &new, elapsed, drifted)
        });
        EntityStatus {
            name: wanted::name(desired, entity),
            limit_from: limit_from(desired, entity),
            up,
            down,
        }
    });
    let reasons = maps.reasons()?.into_iter();
    let reasons = reasons.map(|(reason, way, tally)| ReasonStatus {
        reason: reason.name(),
        direction: way.name(),
        packets: tally.packets,
    });
    Ok(Status {
        agent_running: place.is_locked(),
        bypass: observed.kernel.node.flags & Node::BYPASS != 0,
        hooks: if attach::has_tcx() { "tcx" } else { "clsact" },
        refused: std::fs::read_to_string(place.refused()).ok(),
        zones: zones(desired, &wanted),
        interfaces: interfaces(desired, &observed, &wanted),
        entities: entities.collect(),
        reasons: reasons.collect(),
        fq_dropped_packets: observed
            .qdiscs
            .iter()
            .filter(|qdisc| qdisc.kind == "fq")
            .map(|qdisc| u64::from(qdisc.statistics.dropped_packets))
            .sum(),
    })
}

fn readings(meters: &MeterArray, wanted: &Wanted) -> HashMap<u32, [Meter; 2]> {
    let slots = wanted.assignment.slots.iter().filter(|slot| **slot < meters.slots());
    slots.map(|&slot| (slot, Direction::ALL.map(|way| meters.read(slot, way)))).collect()
}

fn of_meter(old: &Meter, new: &Meter, elapsed: Duration, drifted: bool) -> DirectionStatus {
    let control = Control(new.control);
    let bytes = new.passed_bytes.wrapping_sub(old.passed_bytes);
    DirectionStatus {
        limit_bps: rate_of(new.cost_per_byte),
        drifted,
        offline: control.has(Control::OFFLINE),
        observed: control.has(Control::OBSERVE),
        rate_bps: (u128::from(bytes) * 8 * 1_000_000_000 / elapsed.as_nanos().max(1)) as u64,
        passed_bytes: new.passed_bytes,
        passed_packets: new.passed_packets,
        refused_bytes: new.refused_bytes,
        refused_packets: new.refused_packets,
    }
}

/// The rate that a cost was made from, bits per second: the cost is rounded up, so the quotient is
/// at most the rate and next to it.
fn rate_of(cost_per_byte: u64) -> Option<u64> {
    const WHOLE: u64 = (8 * 1_000_000_000 * TICKS_PER_NS) << COST_SHIFT;
    let below = WHOLE.checked_div(cost_per_byte)?;
    // Rates are whole in their three leading digits or more wherever people write them.
    let step = 10_u64.pow(below.checked_ilog10().unwrap_or(0).saturating_sub(3));
    let rounded = below.div_ceil(step) * step;
    Some(if limiter_common::cost::per_byte(rounded) == cost_per_byte { rounded } else { below })
}

fn limit_from(desired: &Desired, entity: Entity) -> String {
    match entity {
        Entity::Network(index) => show::source(&desired.networks[index].limits.source),
        Entity::Instance(index) => show::source(&desired.instances[index].limits.source),
    }
}

fn zones(desired: &Desired, wanted: &Wanted) -> Vec<ZoneStatus> {
    let zones = desired.zones.iter().enumerate();
    zones
        .map(|(index, zone)| ZoneStatus {
            zone: zone.name.clone(),
            up: wanted.modes.in_force(index, Direction::Up).clone(),
            down: wanted.modes.in_force(index, Direction::Down).clone(),
        })
        .collect()
}

fn interfaces(desired: &Desired, observed: &Observed, wanted: &Wanted) -> Vec<InterfaceStatus> {
    let mut all: Vec<InterfaceStatus> = wanted
        .interfaces
        .iter()
        .map(|(&ifindex, entry)| {
            let interface = observed.device(ifindex);
            let attached = |way| {
                observed.hooks.get(&(ifindex, way)).is_some_and(|hooks| hooks.iter().any(|h| h.current))
            };
            let zone = desired.interface(&interface).map(|entry| desired.zones[entry.zone].name.clone());
            InterfaceStatus {
                in_force: observed.kernel.interfaces.get(&ifindex) == Some(entry)
                    && Direction::ALL.into_iter().all(attached),
                zone: zone.unwrap_or_default(),
                interface,
            }
        })
        .collect();
    all.sort_by(|a, b| a.interface.cmp(&b.interface));
    all
}

fn text(status: &Status, rows_max: usize) -> String {
    let mut text = String::new();
    if status.bypass {
        text += "*** BYPASS: everything passes unmetered; `limiter-agent bypass off` ends it ***\n";
    }
    if let Some(refused) = &status.refused {
        text += &format!("*** the state file is refused, the last good state holds: {refused} ***\n");
    }
    let agent = if status.agent_running { "running" } else { "NOT RUNNING (limits hold, changes do not)" };
    text += &format!("agent {agent}, hooks {}\n", status.hooks);
    for zone in &status.zones {
        let mode =
            |mode: &InForce| format!("{} ({})", format!("{:?}", mode.shaping).to_lowercase(), mode.why);
        text += &format!("zone {}: up {}, down {}\n", zone.zone, mode(&zone.up), mode(&zone.down));
    }
    let (good, bad): (Vec<_>, Vec<_>) = status.interfaces.iter().partition(|interface| interface.in_force);
    text += &format!("{} interfaces in force", good.len());
    for interface in bad {
        text += &format!("; {} NOT in force", interface.interface);
    }
    text += "\n\n";
    let rows: Vec<[String; 8]> = status.entities.iter().take(rows_max).map(row).collect();
    let heads = ["", "limit up", "limit down", "from", "rate up", "rate down", "refused up", "refused down"];
    text += &show::table(heads, &rows);
    if status.entities.len() > rows.len() {
        text += &format!("... and {} more; --all shows them\n", status.entities.len() - rows.len());
    }
    let reasons: Vec<[String; 3]> =
        status.reasons.iter().map(|r| [r.reason.into(), r.direction.into(), r.packets.to_string()]).collect();
    if !reasons.is_empty() {
        text += &format!("\n{}", show::table(["reason", "direction", "packets"], &reasons));
    }
    if status.fq_dropped_packets > 0 {
        text +=
            &format!("\n*** fq dropped {} packets after they were counted ***\n", status.fq_dropped_packets);
    }
    text
}

fn row(entity: &EntityStatus) -> [String; 8] {
    let limit = |way: &DirectionStatus| {
        let limit = match way.limit_bps {
            _ if way.offline => "offline".to_owned(),
            Some(bps) => Rate::new(bps).map_or_else(|_| format!("{bps}bps"), |rate| rate.to_string()),
            None => "unlimited".to_owned(),
        };
        format!(
            "{limit}{}{}",
            if way.observed { " (observed)" } else { "" },
            if way.drifted { " DRIFT" } else { "" }
        )
    };
    let rate = |way: &DirectionStatus| format!("{:.2}Mbps", way.rate_bps as f64 / 1e6);
    let refused = |way: &DirectionStatus| format!("{}B", way.refused_bytes);
    let (up, down) = (&entity.up, &entity.down);
    [
        entity.name.clone(),
        limit(up),
        limit(down),
        entity.limit_from.clone(),
        rate(up),
        rate(down),
        refused(up),
        refused(down),
    ]
}

#[cfg(test)]
mod tests {
    use limiter_common::cost;

    use super::rate_of;

    #[test]
    fn a_meter_gives_the_rate_back_that_it_was_set_to() {
        for bps in [
            8_000,
            12_000,
            500_000,
            1_500_000,
            5_000_000,
            20_000_000,
            999_000_000,
            2_500_000_000,
            100_000_000_000,
        ] {
            assert_eq!(rate_of(cost::per_byte(bps)), Some(bps));
        }
        assert_eq!(rate_of(0), None);
    }
}
