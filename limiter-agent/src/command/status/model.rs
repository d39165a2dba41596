//! What `status` shows, as plain data. As JSON it is a stable form: `docs/status.md` lists the fields.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Serialize;

use crate::reconcile::bound::Shaping;
use crate::reconcile::mode::InForce;

/// What is in force on the node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// A process keeps the state in force; limits hold without it too.
    pub agent_running: bool,
    /// Everything passes, unmetered.
    pub bypass: bool,
    /// Release of the running kernel.
    pub kernel: String,
    /// Where programs are attached: `tcx` or `clsact`.
    pub hooks: &'static str,
    /// What an operator must know, a sentence each.
    pub problems: Vec<String>,
    /// Where the state comes from, where that is no state file.
    pub control: Option<ControlStatus>,
    /// How metering is, where what is measured goes to a control plane.
    pub metering: Option<MeteringStatus>,
    /// Time over which rates were measured, milliseconds.
    pub interval_ms: u64,
    /// What becomes of packets above a rate, by zone.
    pub zones: Vec<ZoneStatus>,
    /// Instance-facing interfaces.
    pub interfaces: Vec<InterfaceStatus>,
    /// Devices towards the Internet.
    pub uplinks: Vec<UplinkStatus>,
    /// Networks of the state last put in force, with their instances.
    pub networks: Vec<NetworkStatus>,
    /// Meters of owners that this state does not have.
    pub unknown_owners: Vec<UnknownOwner>,
    /// Packets by what happened to them; those that meters count are not among them.
    pub reasons: Vec<ReasonStatus>,
}

/// The control plane that the state comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ControlStatus {
    /// Its address.
    pub url: String,
    /// Identity of its database; none while no state of it is in force.
    pub incarnation: Option<String>,
    /// The revision in force.
    pub revision: Option<u64>,
    /// The revision received last: a later one is not in force yet, or refused.
    pub received_revision: Option<u64>,
    /// Since it answered last, milliseconds. It answers at least every 30 s; none where it never did.
    pub contact_age_ms: Option<u64>,
    /// Why there is no contact.
    pub problem: Option<String>,
    /// Why it does not know what is in force.
    pub ack_problem: Option<String>,
}

/// How metering is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeteringStatus {
    /// Identity of the record; none where there is none yet.
    pub record: Option<String>,
    /// Since the reading that is recorded, milliseconds; at most 10 s where all is well.
    pub recorded_age_ms: Option<u64>,
    /// Batches that wait to be sent.
    pub waiting_batches: u64,
    /// Their size, bytes.
    pub waiting_bytes: u64,
    /// Start of the oldest minute that waits.
    pub oldest: Option<Timestamp>,
    /// Why nothing is recorded.
    pub problem: Option<String>,
    /// Why nothing is sent.
    pub send_problem: Option<String>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ZoneStatus {
    /// Its name.
    pub zone: String,
    /// What is in force from instances, and why.
    pub up: ModeStatus,
    /// What is in force to instances, and why.
    pub down: ModeStatus,
}

/// Shape or police, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModeStatus {
    /// What becomes of packets above the rate.
    pub mode: Shaping,
    /// The reason.
    pub why: String,
}

impl From<&InForce> for ModeStatus {
    fn from(in_force: &InForce) -> Self {
        Self { mode: in_force.shaping, why: in_force.why.clone() }
    }
}

/// An instance-facing interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub interface: String,
    /// Zone of the addresses behind it.
    pub zone: String,
    /// The one instance behind it, where it is bound to one.
    pub bound_to: Option<String>,
    /// What would be refused is counted and passes.
    pub observe: bool,
    /// Why its limits do not hold; none where they do.
    pub not_in_force: Option<String>,
    /// Its scheduler `fq`, where it has one.
    pub fq: Option<FqStatus>,
}

/// A device towards the Internet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UplinkStatus {
    /// Its name.
    pub interface: String,
    /// Its scheduler `fq`, where it has one.
    pub fq: Option<FqStatus>,
}

/// Counters of `fq`, summed over the queues of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FqStatus {
    /// Packets that wait now.
    pub queued_packets: u64,
    /// Packets dropped after they were counted as passed: zero where all is well.
    pub dropped_packets: u64,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkStatus {
    /// Its zone.
    pub zone: String,
    /// What holds for all its instances together.
    #[serde(flatten)]
    pub entity: EntityStatus,
    /// The address its IPv4 packets leave through; none where they are routed as they are.
    pub egress: Option<EgressStatus>,
    /// Its instances.
    pub instances: Vec<EntityStatus>,
}

/// The address that a network leaves through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressStatus {
    /// `shared` or `exclusive`.
    pub kind: &'static str,
    /// The address.
    pub address: Ipv4Addr,
    /// Why packets do not leave through it; none where they do.
    pub not_in_force: Option<&'static str>,
}

/// A network or instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EntityStatus {
    /// `NETWORK` or `NETWORK/INSTANCE`.
    pub name: String,
    /// Where its limit comes from: `own`, `rule NAME`, `default rule NAME`, `plan NAME`,
    /// `plan NAME expired`, `term expired` or `none`.
    pub limit_from: String,
    /// From it to the Internet; none where it has no meter.
    pub up: Option<DirectionStatus>,
    /// From the Internet to it.
    pub down: Option<DirectionStatus>,
}

/// One direction of a network or instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DirectionStatus {
    /// The limit in force, read from the meter in the kernel; none is no limit.
    pub limit_bps: Option<u64>,
    /// The limit that the state asks for.
    pub asked_bps: Option<u64>,
    /// The meter is not as the state asks.
    pub drifted: bool,
    /// How far the meter may run ahead: the longest queue, or the burst.
    pub bound_ns: u64,
    /// What becomes of packets above the limit.
    pub mode: Option<Shaping>,
    /// It has no Internet: everything is refused.
    pub offline: bool,
    /// What would be refused is counted, and passes.
    pub observe: bool,
    /// What holds its traffic back now.
    pub limited_by: Option<LimitedBy>,
    /// How far the meter runs ahead now.
    pub backlog_ns: u64,
    /// IP bits a second that passed.
    pub rate_bps: u64,
    /// IP bits a second that this meter refused.
    pub refused_bps: u64,
    /// IP bytes that passed since it has this meter.
    pub passed_bytes: u64,
    /// Packets that passed.
    pub passed_packets: u64,
    /// IP bytes that this meter refused.
    pub refused_bytes: u64,
    /// Packets that this meter refused.
    pub refused_packets: u64,
}

/// What holds traffic back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitedBy {
    /// Its own limit.
    Own,
    /// The limit of its network.
    Network,
}

/// A meter whose owner is not in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownOwner {
    /// Its slot.
    pub slot: u32,
    /// `network` or `instance`.
    pub kind: &'static str,
    /// From it to the Internet.
    pub up: DirectionStatus,
    /// From the Internet to it.
    pub down: DirectionStatus,
}

/// What happened to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonStatus {
    /// Name of the reason; `docs/verdicts.md` lists them.
    pub reason: &'static str,
    /// `up` or `down`.
    pub direction: &'static str,
    /// They went on.
    pub passes: bool,
    /// Packets, a GSO packet counted once.
    pub packets: u64,
    /// Frame bytes.
    pub bytes: u64,
}
