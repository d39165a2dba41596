//! Every metric, declared once.

/// How a value moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Up only, but for a new beginning at zero.
    Counter,
    /// Up and down.
    Gauge,
}

impl Kind {
    /// As Prometheus writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, which ends in its unit and, for a counter, `_total`.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What tells its values apart.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const NETWORK: &[&str] = &["network", "direction"];
const INSTANCE: &[&str] = &["network", "instance", "direction"];

pub(super) const INFO: Metric =
    gauge("limiter_agent_info", &["version", "kernel", "hooks"], "Always 1; what runs on this node.");
pub(super) const BYPASS: Metric =
    gauge("limiter_bypass", &[], "1 while everything passes unmetered: an alarm.");
pub(super) const REFUSED: Metric = gauge(
    "limiter_state_refused",
    &[],
    "1 while the state file is refused, or the node could not be made as it says: an alarm.",
);
pub(super) const CONTACT: Metric = gauge(
    "limiter_control_contact_timestamp_seconds",
    &[],
    "When the control plane answered last, in Unix time; it lets a good link wait for up to a minute. Only with a control plane.",
);
pub(super) const LINK_BROKEN: Metric = gauge(
    "limiter_control_link_broken",
    &[],
    "1 while the control plane cannot be asked or told, and the last state stays: an alarm. Only with a control plane.",
);
pub(super) const METERING_RECORDED: Metric = gauge(
    "limiter_metering_recorded_timestamp_seconds",
    &[],
    "When the reading was taken that is recorded on the disk, in Unix time; every 10 s. Only with a control plane.",
);
pub(super) const METERING_BROKEN: Metric = gauge(
    "limiter_metering_broken",
    &["what"],
    "1 while what is measured cannot be recorded (`record`) or is not taken by the control plane (`send`): an alarm. Only with a control plane.",
);
pub(super) const METERING_WAITING: Metric = gauge(
    "limiter_metering_waiting_batches",
    &[],
    "Batches that wait to be sent. Only with a control plane.",
);
pub(super) const METERING_WAITING_BYTES: Metric = gauge(
    "limiter_metering_waiting_bytes",
    &[],
    "Size of the batches that wait to be sent. Only with a control plane.",
);
pub(super) const METERING_OLDEST: Metric = gauge(
    "limiter_metering_oldest_timestamp_seconds",
    &[],
    "Start of the oldest minute that waits to be sent, in Unix time; absent where none does.",
);
pub(super) const ROUNDS: Metric = counter(
    "limiter_reconcile_rounds_total",
    &["result"],
    "Times the node was compared with the state: `settled`, or `failed` with an error.",
);
pub(super) const ACTIONS: Metric = counter(
    "limiter_reconcile_actions_total",
    &["cause"],
    "Changes made because the `state` changed, or the `node` did: a device came, or somebody undid what was in force.",
);
pub(super) const SLOTS: Metric =
    gauge("limiter_slots", &[], "Networks and instances the maps have room for.");
pub(super) const SLOTS_USED: Metric =
    gauge("limiter_slots_used", &[], "Networks and instances that have a meter.");
pub(super) const UNKNOWN: Metric = gauge(
    "limiter_unknown_sources",
    &[],
    "Sources remembered that are no known instance; `instance list --unknown` shows them.",
);
pub(super) const INTERFACES: Metric = gauge(
    "limiter_interfaces",
    &["zone", "in_force"],
    "Instance-facing interfaces; with `in_force=\"false\"` limits do not hold on them: an alarm.",
);
pub(super) const SHAPING: Metric = gauge(
    "limiter_zone_shaping",
    &["zone", "direction"],
    "1 where packets above a rate wait, 0 where they are refused.",
);
pub(super) const FQ_QUEUED: Metric = gauge(
    "limiter_fq_queued_packets",
    &["side"],
    "Packets waiting in fq on devices of the `uplink` or `instance` side.",
);
pub(super) const FQ_DROPPED: Metric = counter(
    "limiter_fq_dropped_packets_total",
    &["side"],
    "Packets fq dropped after they were counted as passed: an alarm where it grows.",
);
pub(super) const PACKETS: Metric = counter(
    "limiter_packets_total",
    &["reason", "verdict", "direction"],
    "Packets by what happened to them, without those that meters count; a GSO packet counted once.",
);
pub(super) const FRAME_BYTES: Metric = counter(
    "limiter_frame_bytes_total",
    &["reason", "verdict", "direction"],
    "Frame bytes of the same packets.",
);
pub(super) const NETWORK_INSTANCES: Metric =
    gauge("limiter_network_instances", &["network"], "Instances of a network.");
pub(super) const NETWORK_LIMIT: Metric = gauge(
    "limiter_network_limit_bits_per_second",
    NETWORK,
    "Limit in force, read from the meter in the kernel; absent where there is none.",
);
pub(super) const NETWORK_PASSED_BYTES: Metric =
    counter("limiter_network_passed_bytes_total", NETWORK, "IP bytes of a network's instances that went on.");
pub(super) const NETWORK_PASSED_PACKETS: Metric = counter(
    "limiter_network_passed_packets_total",
    NETWORK,
    "Packets of a network's instances that went on.",
);
pub(super) const NETWORK_REFUSED_BYTES: Metric =
    counter("limiter_network_refused_bytes_total", NETWORK, "IP bytes that the network's own limit refused.");
pub(super) const NETWORK_REFUSED_PACKETS: Metric = counter(
    "limiter_network_refused_packets_total",
    NETWORK,
    "Packets that the network's own limit refused.",
);
pub(super) const INSTANCE_LIMIT: Metric = gauge(
    "limiter_instance_limit_bits_per_second",
    INSTANCE,
    "Limit in force; absent where there is none. Instances are shown with `/metrics?instances=NETWORK` only.",
);
pub(super) const INSTANCE_PASSED_BYTES: Metric =
    counter("limiter_instance_passed_bytes_total", INSTANCE, "IP bytes of an instance that went on.");
pub(super) const INSTANCE_PASSED_PACKETS: Metric =
    counter("limiter_instance_passed_packets_total", INSTANCE, "Packets of an instance that went on.");
pub(super) const INSTANCE_REFUSED_BYTES: Metric =
    counter("limiter_instance_refused_bytes_total", INSTANCE, "IP bytes that the instance's limit refused.");
pub(super) const INSTANCE_REFUSED_PACKETS: Metric =
    counter("limiter_instance_refused_packets_total", INSTANCE, "Packets that the instance's limit refused.");

/// All, in the order of the page.
pub const ALL: [Metric; 32] = [
    INFO,
    BYPASS,
    REFUSED,
    CONTACT,
    LINK_BROKEN,
    METERING_RECORDED,
    METERING_BROKEN,
    METERING_WAITING,
    METERING_WAITING_BYTES,
    METERING_OLDEST,
    ROUNDS,
    ACTIONS,
    SLOTS,
    SLOTS_USED,
    UNKNOWN,
    INTERFACES,
    SHAPING,
    FQ_QUEUED,
    FQ_DROPPED,
    PACKETS,
    FRAME_BYTES,
    NETWORK_INSTANCES,
    NETWORK_LIMIT,
    NETWORK_PASSED_BYTES,
    NETWORK_PASSED_PACKETS,
    NETWORK_REFUSED_BYTES,
    NETWORK_REFUSED_PACKETS,
    INSTANCE_LIMIT,
    INSTANCE_PASSED_BYTES,
    INSTANCE_PASSED_PACKETS,
    INSTANCE_REFUSED_BYTES,
    INSTANCE_REFUSED_PACKETS,
];

/// The page `docs/metrics.md`.
pub fn documentation() -> String {
    let mut text = HEAD.to_owned();
    for Metric { name, kind, labels, help } in ALL {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        text += &format!("| `{name}` | {} | {labels} | {help} |\n", kind.name());
    }
    text
}

const HEAD: &str = "\
# Metrics

The agent serves `http://127.0.0.1:9441/metrics` for Prometheus (`run --metrics ADDRESS:PORT`, a loopback address, or
`off`). Values are read from the kernel when they are asked for, at most once a second.

The page has a bounded number of series: some for the node, some for each zone, 11 for each network. Those of instances
are on `/metrics?instances=NETWORK`, for one network at a time.

Alarms worth having: `limiter_bypass > 0`, `limiter_state_refused > 0`, `limiter_control_link_broken > 0`,
`limiter_metering_broken > 0`, `time() - limiter_metering_oldest_timestamp_seconds > 3600`,
`limiter_interfaces{in_force=\"false\"} > 0`, `increase(limiter_fq_dropped_packets_total[5m]) > 0`,
`limiter_slots_used / limiter_slots > 0.9`, and the page being away: limits hold without the agent, but nothing is changed
or repaired.

`direction` is `up` (instance to Internet) or `down`. Bytes are IP bytes on the wire, each GSO segment with its headers.

| name | kind | labels | meaning |
|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_the_one_of_this_list() {
        let (is, shall) = (include_str!("../../../docs/metrics.md"), documentation());
        assert!(is == shall, "docs/metrics.md has to be:\n{shall}");
    }

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        for metric in ALL {
            let good = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(good(metric.name) && metric.name.starts_with("limiter_"), "{}", metric.name);
            assert!(metric.labels.iter().all(|label| good(label)), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.name);
            let same = ALL.iter().filter(|other| other.name == metric.name).count();
            assert_eq!(same, 1, "{}", metric.name);
        }
    }
}
