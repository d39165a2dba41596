//! What nodes measured: each batch is stored once, in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use limiter_api::usage::{
    BATCH_ROWS_MAX, BUCKET_S, InstanceUsage, Measured, NetworkUsage, UsageBatch, UsageTaken,
};
use limiter_domain::usage::{Flow, Grain, HOUR_S, Passed, UsageHour, hour_of};
use limiter_domain::usage_source::{Placed, Sent, UsageSource, place};
use limiter_domain::{
    Charge, Code, EventKind, InstanceId, Network, NetworkId, Node, NodeId, Plan, PlanId, Refusal,
};

use sha2::{Digest as _, Sha256};

use super::error::refuse_field;
use super::{App, AppError, Caller, read};
use crate::store::{InstanceHour, NetworkHour, Tx, Write};

/// How far a node's clock may be ahead.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What is measured longer ago than this is not stored: hours are kept so long.
pub(super) const NETWORKS_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What is measured of an instance longer ago than this is not stored.
pub(super) const INSTANCES_KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Most bytes of a bucket, a hundred times what the fastest limit passes in it: sums of an hour stay far from the end
/// of a number.
const BYTES_MAX: u64 = 1 << 50;

/// Operators are told of a node's trouble so often at most.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Digits of a record's identity.
const RECORD_DIGITS: usize = 32;

/// When operators were told last of the trouble of each node.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<(NodeId, EventKind), Timestamp>>);

impl Told {
    fn is_due(&self, node: &NodeId, kind: EventKind, now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.get(&(node.clone(), kind)).copied();
        let is_due = last.is_none_or(|last| now.duration_since(last) >= TOLD_AGAIN);
        if is_due {
            told.insert((node.clone(), kind), now);
        }
        is_due
    }
}

impl App {
    /// Stores a batch of the caller's node. One that is stored already changes nothing.
    pub async fn take_usage(&self, caller: &Caller, batch: UsageBatch) -> Result<UsageTaken, AppError> {
        let node = caller.agent()?;
        let now = self.now();
        check(&batch, now)?;
        let digest = digest(&batch)?;
        let tx = self.store.write_unnumbered().await?;
        let known = tx.lock_usage_source(&node, &batch.record).await?;
        let sent = Sent { sequence: batch.sequence, oldest: batch.oldest, digest };
        let missing = match place(known.as_ref(), sent) {
            Ok(Placed::Again) => return Ok(UsageTaken { through: batch.sequence, refused_rows: 0 }),
            Ok(Placed::New { missing }) => missing,
            Err(refusal) => {
                drop(tx);
                if refusal.code == Code::UsageConflict {
                    self.tell(caller, &node, EventKind::UsageRefused, &refusal.message).await?;
                }
                return Err(refusal.into());
            }
        };
        let source = source(&node, &batch, digest, known.as_ref());
        let sequence = batch.sequence;
        let node = tx.node(&node).await?;
        let node = node.ok_or_else(|| read::missing(Code::NodeNotFound, "node", source.node.as_str()))?;
        let mut rows = Rows::of(&tx, &node, batch, now).await?;
        rows.store(&tx, &node.id).await?;
        tx.put_usage_source(&source).await?;
        tx.commit().await?;
        if missing > 0 {
            let detail = format!(
                "{missing} batches before {sequence} of record {} were given to another copy of this database, and are \
                 not in it",
                source.record
            );
            self.tell(caller, &node.id, EventKind::UsageMissing, &detail).await?;
        }
        if let Some(first) = &rows.first_refused {
            let detail = format!("{} rows of batch {sequence}, the first of {first}", rows.refused);
            self.tell(caller, &node.id, EventKind::UsageRefused, &detail).await?;
        }
        Ok(UsageTaken { through: sequence, refused_rows: rows.refused })
    }

    /// Up to where a record of the caller's node is stored.
    pub async fn usage_taken(&self, caller: &Caller, record: &str) -> Result<UsageTaken, AppError> {
        let node = caller.agent()?;
        let known = self.store.read().await?.usage_source(&node, record).await?;
        Ok(UsageTaken { through: known.map_or(0, |known| known.through), refused_rows: 0 })
    }

    /// Tells operators of a node's trouble, unless they were told not long ago.
    async fn tell(
        &self,
        caller: &Caller,
        node: &NodeId,
        kind: EventKind,
        detail: &str,
    ) -> Result<(), AppError> {
        if !self.told.is_due(node, kind, self.now()) {
            return Ok(());
        }
        let mut change = self.begin_own(caller.clone(), "usage").await?;
        change.event(kind, None, node.as_str(), detail);
        change.commit().await?;
        Ok(())
    }

    /// Makes old hours coarser, and forgets those that nobody looks at any more.
    pub(super) async fn forget_usage(&self) -> Result<(), AppError> {
        let now = self.now();
        let before = |age: SignedDuration| hour_of(now.saturating_sub(age).unwrap_or(Timestamp::MIN));
        loop {
            let tx = self.store.write().await?;
            let fine = tx.fine_network_hours(Grain::Hour, before(NETWORK_MINUTES), PART).await?;
            let coarse = |row: NetworkHour| NetworkHour { usage: row.usage.coarser(Grain::Hour), ..row };
            let coarse: Vec<NetworkHour> = fine.into_iter().map(coarse).collect();
            let fine = tx.fine_instance_hours(Grain::Quarter, before(INSTANCE_MINUTES), PART).await?;
            let quarters =
                |row: InstanceHour| InstanceHour { usage: row.usage.coarser(Grain::Quarter), ..row };
            let quarters: Vec<InstanceHour> = fine.into_iter().map(quarters).collect();
            if coarse.is_empty() && quarters.is_empty() {
                if tx.remove_usage(before(NETWORKS_KEPT), before(INSTANCES_KEPT)).await? > 0 {
                    tx.commit().await?;
                }
                return Ok(());
            }
            tx.put_network_hours(&coarse).await?;
            tx.put_instance_hours(&quarters).await?;
            tx.commit().await?;
        }
    }
}

/// How long minutes of networks are kept.
pub(super) const NETWORK_MINUTES: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How long minutes of instances are kept.
pub(super) const INSTANCE_MINUTES: SignedDuration = SignedDuration::from_hours(48);

/// Hours that are made coarser in one transaction.
const PART: u64 = 2_000;

/// SHA-256 of what a batch says, however it was written.
fn digest(batch: &UsageBatch) -> Result<[u8; 32], AppError> {
    let said = (&batch.record, batch.sequence, batch.complete_until, &batch.networks, &batch.instances);
    let written = serde_json::to_vec(&said).map_err(|error| AppError::Broken(error.to_string()))?;
    Ok(Sha256::digest(&written).into())
}

fn source(node: &NodeId, batch: &UsageBatch, digest: [u8; 32], known: Option<&UsageSource>) -> UsageSource {
    let complete_until =
        known.map_or(batch.complete_until, |known| known.complete_until.max(batch.complete_until));
    UsageSource {
        node: node.clone(),
        record: batch.record.clone(),
        through: batch.sequence,
        digest,
        complete_until,
    }
}

/// Refuses a batch that no agent sends.
fn check(batch: &UsageBatch, now: Timestamp) -> Result<(), AppError> {
    let invalid = |field: &str, message: String| Err(refuse_field(Code::InvalidParameter, field, message));
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if batch.record.len() != RECORD_DIGITS || !batch.record.chars().all(is_digit) {
        return invalid("record", format!("write {RECORD_DIGITS} hexadecimal digits"));
    }
    if batch.sequence == 0 || batch.sequence > i64::MAX.unsigned_abs() {
        return invalid("sequence", "numbers begin at 1".to_owned());
    }
    if batch.oldest == 0 || batch.oldest > batch.sequence {
        return invalid("oldest", format!("write 1 to {}, the number of this batch", batch.sequence));
    }
    let rows = batch.networks.len() + batch.instances.len();
    if rows > BATCH_ROWS_MAX {
        return invalid(
            "instances",
            format!("{rows} rows are more than {BATCH_ROWS_MAX}; send them in parts"),
        );
    }
    let latest = now.saturating_add(AHEAD_MAX).unwrap_or(Timestamp::MAX);
    if batch.complete_until > latest {
        return invalid("complete_until", ahead(batch.complete_until, now));
    }
    for (place, row) in batch.networks.iter().enumerate() {
        check_row(&format!("networks[{place}]"), row.start, [&row.up, &row.down], now, latest)?;
    }
    for (place, row) in batch.instances.iter().enumerate() {
        check_row(&format!("instances[{place}]"), row.start, [&row.up, &row.down], now, latest)?;
    }
    Ok(())
}

fn check_row(
    at: &str,
    start: Timestamp,
    flows: [&Measured; 2],
    now: Timestamp,
    latest: Timestamp,
) -> Result<(), AppError> {
    let refusal = |field: &str, message: String| {
        Err(Refusal::new(Code::InvalidParameter, message).at(format!("{at}.{field}")).into())
    };
    if start.subsec_nanosecond() != 0 || start.as_second().rem_euclid(BUCKET_S) != 0 {
        return refusal("start", format!("{start} is no start of a bucket of {BUCKET_S} s"));
    }
    if start > latest {
        return refusal("start", ahead(start, now));
    }
    for (name, flow) in ["up", "down"].into_iter().zip(flows) {
        if flow.bytes.max(flow.refused_bytes) > BYTES_MAX {
            return refusal(name, format!("more than {BYTES_MAX} bytes in {BUCKET_S} s"));
        }
        if flow.window_bytes_max > flow.bytes || flow.limited_s > BUCKET_S.unsigned_abs() {
            return refusal(name, "a part of it is more than all of it".to_owned());
        }
    }
    Ok(())
}

fn ahead(at: Timestamp, now: Timestamp) -> String {
    format!("{at} is in the future, here it is {now}; set the clock of the node, it is sent again")
}

/// The rows of a batch that the node may report, by hour.
struct Rows {
    networks: BTreeMap<(Timestamp, NetworkId, Option<PlanId>), NetworkHour>,
    instances: BTreeMap<(Timestamp, InstanceId), InstanceHour>,
    /// Those that it may not.
    refused: u64,
    /// What the first of those was of.
    first_refused: Option<String>,
}

impl Rows {
    async fn of(tx: &Tx, node: &Node, batch: UsageBatch, now: Timestamp) -> Result<Self, AppError> {
        let known = Known::of(tx, node, &batch).await?;
        let mut rows =
            Self { networks: BTreeMap::new(), instances: BTreeMap::new(), refused: 0, first_refused: None };
        for row in batch.networks {
            rows.add_network(&known, node, &row, now);
        }
        for row in batch.instances {
            rows.add_instance(&known, node, &row, now);
        }
        Ok(rows)
    }

    fn add_network(&mut self, known: &Known, node: &Node, row: &NetworkUsage, now: Timestamp) {
        let plan = row.plan.as_deref().map(|plan| known.plan(&row.network, plan));
        let (Some(network), Some(plan)) =
            (known.network(&row.network), plan.map_or(Some(None), |it| it.map(Some)))
        else {
            return self.refuse(&row.network);
        };
        if now.duration_since(row.start) > NETWORKS_KEPT {
            return self.refuse(&row.network);
        }
        let hour = hour_of(row.start);
        let key = (hour, network.clone(), plan.clone());
        let entry = self.networks.entry(key).or_insert_with(|| NetworkHour {
            hour,
            network,
            plan,
            node: node.id.clone(),
            usage: UsageHour::default(),
            late: false,
        });
        entry.late |= known.is_billed(entry.plan.as_ref(), hour);
        entry.usage.add(minute(row.start), passed(&row.up, &row.down, row.estimated));
    }

    fn add_instance(&mut self, known: &Known, node: &Node, row: &InstanceUsage, now: Timestamp) {
        let (Some(network), Ok(instance)) = (known.network(&row.network), row.instance.parse::<InstanceId>())
        else {
            return self.refuse(&row.instance);
        };
        if now.duration_since(row.start) > INSTANCES_KEPT {
            return self.refuse(&row.instance);
        }
        let hour = hour_of(row.start);
        let entry = self.instances.entry((hour, instance.clone())).or_insert_with(|| InstanceHour {
            hour,
            instance,
            network: network.clone(),
            node: node.id.clone(),
            usage: UsageHour::default(),
        });
        entry.network = network;
        entry.usage.add(minute(row.start), passed(&row.up, &row.down, row.estimated));
    }

    fn refuse(&mut self, what: &str) {
        self.refused += 1;
        let shown = || what.chars().take(SHOWN_MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c });
        self.first_refused.get_or_insert_with(|| shown().collect());
    }

    /// Adds what the node stored of these hours before, and stores the sums.
    async fn store(&mut self, tx: &Write, node: &NodeId) -> Result<(), AppError> {
        let mut keys: BTreeMap<Timestamp, Vec<NetworkId>> = BTreeMap::new();
        for (hour, network, _) in self.networks.keys() {
            keys.entry(*hour).or_default().push(network.clone());
        }
        keys.values_mut().for_each(Vec::dedup);
        for before in tx.network_hours_of(node, &keys).await? {
            let key = (before.hour, before.network.clone(), before.plan.clone());
            if let Some(row) = self.networks.get_mut(&key) {
                row.late |= before.late;
                row.usage = joined(before.usage, &row.usage);
            }
        }
        let mut keys: BTreeMap<Timestamp, Vec<InstanceId>> = BTreeMap::new();
        for (hour, instance) in self.instances.keys() {
            keys.entry(*hour).or_default().push(instance.clone());
        }
        for before in tx.instance_hours_of(node, &keys).await? {
            if let Some(row) = self.instances.get_mut(&(before.hour, before.instance)) {
                row.usage = joined(before.usage, &row.usage);
            }
        }
        tx.put_network_hours(&self.networks.values().cloned().collect::<Vec<_>>()).await?;
        Ok(tx.put_instance_hours(&self.instances.values().cloned().collect::<Vec<_>>()).await?)
    }
}

/// What of a refused row is shown.
const SHOWN_MAX_CHARS: usize = 64;

/// Minutes in the buckets of what was stored before.
fn joined(mut before: UsageHour, minutes: &UsageHour) -> UsageHour {
    for (minute, passed) in &minutes.buckets {
        before.add(*minute, *passed);
    }
    before
}

/// What a node may report on: the networks of its zones, deleted ones too, and the plans of their owners.
struct Known {
    networks: HashMap<NetworkId, Network>,
    plans: HashMap<PlanId, Plan>,
    /// The hours that are to be billed next.
    next: HashMap<PlanId, Timestamp>,
}

impl Known {
    async fn of(tx: &Tx, node: &Node, batch: &UsageBatch) -> Result<Self, AppError> {
        let named = batch.networks.iter().map(|row| row.network.as_str());
        let named = named.chain(batch.instances.iter().map(|row| row.network.as_str()));
        let ids: HashSet<NetworkId> = named.filter_map(|id| id.parse().ok()).collect();
        let ids: Vec<NetworkId> = ids.into_iter().collect();
        let zones: HashSet<&str> = node.interfaces.iter().map(|interface| &*interface.zone).collect();
        let networks = tx.networks_by_id(&ids).await?.into_iter();
        let networks = networks
            .filter(|network| network.region == node.region && zones.contains(&*network.zone))
            .map(|network| (network.id.clone(), network));
        let plans: HashSet<PlanId> =
            batch.networks.iter().filter_map(|row| row.plan.as_deref()?.parse().ok()).collect();
        let ids: Vec<PlanId> = plans.into_iter().collect();
        let next = tx.next_hours(&ids).await?.into_iter().map(|next| (next.plan, next.hour)).collect();
        let plans = tx.plans_by_id(&ids).await?.into_iter();
        Ok(Self {
            networks: networks.collect(),
            plans: plans.map(|plan| (plan.id.clone(), plan)).collect(),
            next,
        })
    }

    /// True where an hour of a plan is billed by its bytes, and was billed before.
    fn is_billed(&self, plan: Option<&PlanId>, hour: Timestamp) -> bool {
        let plan = plan.and_then(|id| self.plans.get(id)).filter(|plan| plan.charge == Charge::ByTraffic);
        plan.is_some_and(|plan| self.next.get(&plan.id).is_none_or(|next| *next > hour))
    }

    fn network(&self, id: &str) -> Option<NetworkId> {
        self.networks.get(&id.parse().ok()?).map(|network| network.id.clone())
    }

    fn plan(&self, network: &str, plan: &str) -> Option<PlanId> {
        let network = self.networks.get(&network.parse().ok()?)?;
        let plan = self.plans.get(&plan.parse().ok()?)?;
        (plan.account == network.account).then(|| plan.id.clone())
    }
}

fn minute(start: Timestamp) -> u8 {
    let second = start.as_second().rem_euclid(HOUR_S.into());
    // At most 59.
    u8::try_from(second / BUCKET_S).unwrap_or_default()
}

fn passed(up: &Measured, down: &Measured, estimated: bool) -> Passed {
    let flow = |measured: &Measured| Flow {
        bytes: measured.bytes,
        window_bytes_max: measured.window_bytes_max,
        refused_bytes: measured.refused_bytes,
        limited_s: measured.limited_s,
    };
    Passed { up: flow(up), down: flow(down), estimated }
}
