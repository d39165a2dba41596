//! The rows of a batch, as they are added to what is stored.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use limiter_api::usage::{BUCKET_S, InstanceUsage, Measured, NetworkUsage, UsageBatch};
use limiter_domain::usage::{Flow, HOUR_S, Passed, UsageHour, hour_of};
use limiter_domain::{Charge, InstanceId, Network, NetworkId, Node, NodeId, Plan, PlanId};

use super::kept::{INSTANCES_KEPT, NETWORKS_KEPT};
use crate::app::AppError;
use crate::store::{InstanceHour, NetworkHour, Tx, Write};

/// The rows of a batch that the node may report, by hour.
pub(super) struct Rows {
    networks: BTreeMap<(Timestamp, NetworkId, Option<PlanId>), NetworkHour>,
    instances: BTreeMap<(Timestamp, InstanceId), InstanceHour>,
    refused: Refused,
}

/// Rows that the node may not report.
#[derive(Default)]
pub(super) struct Refused {
    /// How many.
    pub(super) rows: u64,
    /// What the first of them was of.
    pub(super) first: Option<String>,
}

impl Rows {
    /// Those of `batch`.
    pub(super) async fn of(
        tx: &Tx,
        node: &Node,
        batch: UsageBatch,
        now: Timestamp,
    ) -> Result<Self, AppError> {
        let known = Known::of(tx, node, &batch).await?;
        let mut rows =
            Self { networks: BTreeMap::new(), instances: BTreeMap::new(), refused: Refused::default() };
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
        self.refused.rows += 1;
        let shown = || what.chars().take(SHOWN_MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c });
        self.refused.first.get_or_insert_with(|| shown().collect());
    }

    /// Adds what the node stored of these hours before, and stores the sums; gives what is not among them.
    pub(super) async fn store(mut self, tx: &Write, node: &NodeId) -> Result<Refused, AppError> {
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
        tx.put_network_hours(&self.networks.into_values().collect::<Vec<_>>()).await?;
        tx.put_instance_hours(&self.instances.into_values().collect::<Vec<_>>()).await?;
        Ok(self.refused)
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
