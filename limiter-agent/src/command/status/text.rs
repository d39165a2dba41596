//! A status as one screen of text.

use std::fmt::Write as _;

use super::model::{
    ControlStatus, DirectionStatus, EgressStatus, EntityStatus, LimitedBy, MeteringStatus, ModeStatus,
    Status, UnknownOwner,
};
use crate::command::show;
use crate::command::table::{Column, table};
use crate::reconcile::bound::Shaping;

/// Names listed in one line before the rest is only counted.
const NAMES_MAX: usize = 5;
/// A queue below this is none to speak of, nanoseconds.
const BACKLOG_MIN_NS: u64 = 1_000_000;

const COLUMNS: [Column; 9] = [
    Column::Text("name"),
    Column::Text("way"),
    Column::Number("limit"),
    Column::Text("from"),
    Column::Text("mode"),
    Column::Number("now"),
    Column::Number("passed"),
    Column::Number("refused"),
    Column::Text("note"),
];

/// The screen, `width` characters wide where that is known, with at most `rows_max` rows of networks
/// and instances.
pub(super) fn text(status: &Status, width: Option<usize>, rows_max: usize) -> String {
    let mut text = head(status);
    let entities =
        status.networks.iter().flat_map(|network| [&network.entity].into_iter().chain(&network.instances));
    let unknown = status.unknown_owners.iter().map(unknown_owner);
    // Two rows each: what is cut is cut between two of them.
    let shown = (rows_max / 2).max(1);
    let rows: Vec<[String; 9]> = entities.clone().map(rows).chain(unknown).take(shown).flatten().collect();
    text += &format!("\n{}", table(COLUMNS, &rows, width));
    let more = (entities.count() + status.unknown_owners.len()).saturating_sub(shown);
    if more > 0 {
        _ = writeln!(text, "... and {more} more: name a network to see it, or give --all");
    }
    text + &reasons(status, width) + &fq_drops(status)
}

fn head(status: &Status) -> String {
    let mut text = String::new();
    if status.bypass {
        text += "*** BYPASS: everything passes unmetered; `limiter-agent bypass off` ends it ***\n";
    }
    let instances: usize = status.networks.iter().map(|network| network.instances.len()).sum();
    _ = writeln!(
        text,
        "agent {}, Linux {}, hooks {}, networks {}, instances {instances}",
        if status.agent_running { "running" } else { "NOT RUNNING" },
        status.kernel,
        status.hooks,
        status.networks.len(),
    );
    if let Some(control) = &status.control {
        text += &from_control(control);
    }
    if let Some(metering) = &status.metering {
        text += &self::metering(metering);
    }
    for problem in &status.problems {
        _ = writeln!(text, "! {problem}");
    }
    let mode = |mode: &ModeStatus| format!("{} ({})", shaping(mode.mode), mode.why);
    for zone in &status.zones {
        _ = writeln!(text, "zone {}: up {}, down {}", zone.zone, mode(&zone.up), mode(&zone.down));
    }
    let good = status.interfaces.iter().filter(|interface| interface.not_in_force.is_none());
    _ = writeln!(text, "interfaces in force: {}", good.count());
    for interface in &status.interfaces {
        if let Some(why) = &interface.not_in_force {
            _ = writeln!(text, "! {} is NOT in force: {why}", interface.interface);
        }
    }
    text += &egress(status);
    let observed = status.interfaces.iter().filter(|interface| interface.observe);
    let observed: Vec<&str> = observed.map(|interface| interface.interface.as_str()).collect();
    if !observed.is_empty() {
        _ = writeln!(text, "! observed only, nothing is refused: {}", names(&observed));
    }
    text
}

fn egress(status: &Status) -> String {
    let networks = status.networks.iter().filter_map(|network| Some((network, network.egress.as_ref()?)));
    let mut good = Vec::new();
    let mut text = String::new();
    for (network, EgressStatus { kind, address, not_in_force }) in networks {
        let name = &network.entity.name;
        match not_in_force {
            None => good.push(format!("{name} {address} ({kind})")),
            Some(why) => _ = writeln!(text, "! {name} does NOT leave through {address} ({kind}): {why}"),
        }
    }
    if !good.is_empty() {
        let good: Vec<&str> = good.iter().map(String::as_str).collect();
        _ = writeln!(text, "egress addresses in force: {}", names(&good));
    }
    text
}

fn from_control(control: &ControlStatus) -> String {
    let mut text = format!("state from {}", control.url);
    match control.revision {
        Some(revision) => _ = write!(text, ", revision {revision} in force"),
        None => text += ", none of it in force",
    }
    if let Some(received) = control.received_revision.filter(|received| Some(*received) != control.revision) {
        _ = write!(text, ", revision {received} received");
    }
    match control.contact_age_ms {
        Some(age_ms) => _ = writeln!(text, ", last contact {} s ago", age_ms / 1000),
        None => text += ", no contact yet\n",
    }
    if let Some(problem) = &control.problem {
        _ = writeln!(text, "! no contact: {problem}");
    }
    if let Some(problem) = &control.ack_problem {
        _ = writeln!(text, "! it does not know what is in force: {problem}");
    }
    text
}

fn metering(metering: &MeteringStatus) -> String {
    let mut text = match metering.recorded_age_ms {
        Some(age_ms) => format!("metering: recorded {} s ago", age_ms / 1000),
        None => "metering: nothing recorded yet".to_owned(),
    };
    match (metering.waiting_batches, metering.oldest) {
        (0, _) | (_, None) if metering.recorded_age_ms.is_none() => text += "\n",
        (0, _) | (_, None) => text += ", all sent\n",
        (batches, Some(oldest)) => {
            let bytes = show::bytes(metering.waiting_bytes);
            let batches =
                if batches == 1 { "1 batch waits".into() } else { format!("{batches} batches wait") };
            _ = writeln!(text, ", {batches} ({bytes}), the oldest of {oldest:.0}");
        }
    }
    if let Some(problem) = &metering.problem {
        _ = writeln!(text, "! what is measured is not recorded: {problem}");
    }
    if let Some(problem) = &metering.send_problem {
        _ = writeln!(text, "! what was measured is not sent: {problem}");
    }
    text
}

fn names(names: &[&str]) -> String {
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    if names.len() > NAMES_MAX { format!("{shown} and {} more", names.len() - NAMES_MAX) } else { shown }
}

fn rows(entity: &EntityStatus) -> [[String; 9]; 2] {
    let up = row(&entity.name, "up", &entity.limit_from, entity.up.as_ref());
    [up, row("", "down", "", entity.down.as_ref())]
}

fn unknown_owner(owner: &UnknownOwner) -> [[String; 9]; 2] {
    let name = format!("unknown {} (slot {})", owner.kind, owner.slot);
    [row(&name, "up", "", Some(&owner.up)), row("", "down", "", Some(&owner.down))]
}

fn row(name: &str, way: &str, from: &str, status: Option<&DirectionStatus>) -> [String; 9] {
    let Some(status) = status else {
        let note = if way == "up" { "NOT METERED" } else { "" };
        return [name, way, "", from, "", "", "", "", note].map(str::to_owned);
    };
    [
        name.to_owned(),
        way.to_owned(),
        if status.offline { "offline".into() } else { show::limit(status.limit_bps) },
        from.to_owned(),
        status.mode.filter(|_| status.limit_bps.is_some()).map(shaping).unwrap_or_default().to_owned(),
        show::measured(status.rate_bps),
        show::bytes(status.passed_bytes),
        show::bytes(status.refused_bytes),
        note(status),
    ]
}

fn note(status: &DirectionStatus) -> String {
    let mut notes = Vec::new();
    if status.drifted {
        notes.push(format!("DRIFT, asked {}", show::limit(status.asked_bps)));
    }
    if status.observe {
        notes.push("observed only".into());
    }
    match status.limited_by {
        Some(LimitedBy::Own) => notes.push("at its limit".into()),
        Some(LimitedBy::Network) => notes.push("network at its limit".into()),
        None => {}
    }
    if status.mode == Some(Shaping::Shape) && status.backlog_ns >= BACKLOG_MIN_NS {
        notes.push(format!("queue {} ms", status.backlog_ns / 1_000_000));
    }
    notes.join(", ")
}

fn shaping(mode: Shaping) -> &'static str {
    match mode {
        Shaping::Shape => "shape",
        Shaping::Police => "police",
    }
}

fn reasons(status: &Status, width: Option<usize>) -> String {
    let columns = [
        Column::Text("what happened"),
        Column::Text("way"),
        Column::Number("packets"),
        Column::Number("bytes"),
    ];
    let row = |reason: &super::model::ReasonStatus| {
        let verdict = if reason.passes { "passed" } else { "DROPPED" };
        let what = format!("{verdict}: {}", reason.reason);
        [what, reason.direction.to_owned(), reason.packets.to_string(), show::bytes(reason.bytes)]
    };
    let rows: Vec<[String; 4]> = status.reasons.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { format!("\n{}", table(columns, &rows, width)) }
}

fn fq_drops(status: &Status) -> String {
    let interfaces = status.interfaces.iter().map(|interface| (&interface.interface, interface.fq));
    let uplinks = status.uplinks.iter().map(|uplink| (&uplink.interface, uplink.fq));
    let mut text = String::new();
    for (interface, fq) in interfaces.chain(uplinks) {
        if let Some(fq) = fq.filter(|fq| fq.dropped_packets > 0) {
            let dropped = fq.dropped_packets;
            _ = writeln!(text, "*** fq on {interface} dropped {dropped} packets after they were counted ***");
        }
    }
    text
}
