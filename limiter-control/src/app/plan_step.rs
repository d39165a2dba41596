//! What a step of a plan writes, and steps that nobody calls for: what is due, and what nodes acknowledge.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use limiter_domain::acknowledge::{acknowledged, is_acknowledged, settle};
use limiter_domain::{
    Code, EventKind, Network, NetworkStatus, Plan, PlanId, Status, Step, network, schedule,
};

use tokio::sync::Mutex;

use super::change::Change;
use super::money::Funds;
use super::{App, AppError, Caller, Reach, read};
use crate::store::{NetworkFilter, Tx};

/// Most plans that are worked in one round.
const ROUND_MAX: u64 = 1000;
/// How long the answer to a call with a key, and what is known of an ended token, is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

impl App {
    /// Writes a step: the plan, its rules where they are purged, events, and a new state for nodes.
    pub(super) async fn take(&self, change: &mut Change, step: Step) -> Result<Plan, AppError> {
        let network = match &step.plan.network {
            Some(id) => change.tx.network(id).await?,
            None => None,
        };
        let nodes = change.nodes_of_region(&step.plan.region).await?;
        let (now, revision) = (change.now, change.revision());
        let step = settle(step, network.as_ref(), &nodes, self.settings(), now, revision);
        if step.events.is_empty() {
            return Ok(step.plan);
        }
        let mut plan = step.plan;
        plan.version += 1;
        if let Some(network) = network.as_ref().filter(|_| step.reaches_nodes || step.purge_rules) {
            change.rebuild(&network.id);
        }
        if step.purge_rules {
            purge(change, &plan, network).await?;
        }
        change.tx.put_plan(&plan, schedule::next_due(&plan, self.settings())).await?;
        super::egress::note_use(change, &plan, self.settings()).await?;
        self.pay(change, &plan, step.orders, step.turns).await?;
        change.happened(Some(&plan.account), plan.id.as_str(), &step.events);
        Ok(plan)
    }

    /// A plan with everything done that was due, so that nothing is decided by a state that is over.
    pub(super) async fn current(
        &self,
        change: &mut Change,
        reach: &Reach,
        id: &str,
    ) -> Result<Plan, AppError> {
        let plan = read::plan(&change.tx, reach, id).await?;
        let plan = self.caught_up(change, plan).await?;
        if plan.status == Status::Released {
            return Err(read::missing(Code::PlanNotFound, "plan", id));
        }
        Ok(plan)
    }

    /// As [`App::current`], for a plan that is at hand.
    pub(super) async fn caught_up(&self, change: &mut Change, plan: Plan) -> Result<Plan, AppError> {
        let (now, revision) = (change.now, change.revision());
        let funds = Funds::of(&change.tx, &plan.account).await?;
        match schedule::catch_up(&plan, &funds.money(), self.settings(), now, revision) {
            Some(step) => self.take(change, step).await,
            None => Ok(plan),
        }
    }

    /// Works every plan that something is due for. What cannot be done keeps nothing else from being done,
    /// unless the database is out of reach.
    pub async fn work_due(&self) -> Vec<Undone> {
        let mut undone = Vec::new();
        undone.extend(Undone::of("when nodes asked is not written", self.write_seen().await));
        let due = match self.plans_due().await {
            Ok(due) => due,
            Err(error) => {
                undone.extend(Undone::of("what is due cannot be listed", Err(error)));
                return undone;
            }
        };
        for id in due {
            let Some(one) = Undone::of(&format!("plan {id}: what is due is not done"), self.work(&id).await)
            else {
                continue;
            };
            let is_over = one.is_passing();
            undone.push(one);
            if is_over {
                return undone;
            }
        }
        undone.extend(self.work_money().await);
        undone
    }

    async fn plans_due(&self) -> Result<Vec<PlanId>, AppError> {
        Ok(self.store.read().await?.plans_due(self.now(), ROUND_MAX).await?)
    }

    async fn work(&self, id: &PlanId) -> Result<(), AppError> {
        let mut change = self.begin_own(self.scheduler(), "schedule").await?;
        // Another control plane may have worked it since it was listed.
        let Some(plan) = change.tx.plan(id).await? else { return Ok(()) };
        let (now, revision) = (change.now, change.revision());
        let funds = Funds::of(&change.tx, &plan.account).await?;
        let step = schedule::catch_up(&plan, &funds.money(), self.settings(), now, revision);
        let Some(step) = step else { return Ok(()) };
        self.take(&mut change, step).await?;
        change.commit().await?;
        Ok(())
    }

    /// Forgets answers that nobody repeats a call for any more, and sessions and tokens that ended long ago.
    pub async fn forget_ended(&self) -> Result<(), AppError> {
        let change = self.begin_own(self.scheduler(), "forget").await?;
        let until = change.now - KEPT;
        change.tx.expire_idempotency(until).await?;
        change.tx.remove_ended_tokens(until).await?;
        change.commit().await?;
        self.forget_usage().await
    }

    /// Completes what the nodes of `region` have all acknowledged. Acknowledgements that come while one is
    /// looked at are looked at together.
    pub(super) async fn settle_region(&self, caller: &Caller, region: &str) -> Result<(), AppError> {
        let turn = self.settling.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut looked = self.settling.looked.lock().await;
        if looked.get(region).is_some_and(|last| *last >= turn) {
            return Ok(());
        }
        let last = self.settling.asked.load(Ordering::SeqCst);
        if completed(&*self.store.read().await?, region).await?.is_some() {
            let mut change = self.begin_own(caller.clone(), "acknowledge").await?;
            self.settle(&mut change, region).await?;
            change.commit().await?;
        }
        looked.insert(region.to_owned(), last);
        Ok(())
    }

    /// Completes what the nodes of `region` have all acknowledged, as part of a change.
    pub(super) async fn settle(&self, change: &mut Change, region: &str) -> Result<(), AppError> {
        let Some((plans, networks)) = completed(&change.tx, region).await? else { return Ok(()) };
        let (now, revision) = (change.now, change.revision());
        for plan in &plans {
            if let Some(step) = acknowledged(plan, self.settings(), now, revision) {
                self.take(change, step).await?;
            }
        }
        for network in &networks {
            change.tx.remove_network(&network.id).await?;
        }
        Ok(())
    }

    /// Completes what was acknowledged when a control plane was killed, region by region.
    pub async fn settle_all(&self) -> Vec<Undone> {
        let mut undone = Vec::new();
        let regions = match self.regions_waiting().await {
            Ok(regions) => regions,
            Err(error) => {
                undone.extend(Undone::of("what waits for nodes cannot be listed", Err(error)));
                return undone;
            }
        };
        for region in regions {
            let settled = self.settle_region(&self.scheduler(), &region).await;
            undone.extend(Undone::of(
                &format!("region {region}: what nodes acknowledged is not done"),
                settled,
            ));
        }
        undone
    }

    async fn regions_waiting(&self) -> Result<Vec<String>, AppError> {
        Ok(self.store.read().await?.regions_waiting().await?)
    }

    pub(super) fn scheduler(&self) -> Caller {
        Caller::system("scheduler", Arc::from(format!("due-{}", self.now().as_microsecond())))
    }
}

/// Scheduled work that could not be done; it is tried again.
#[derive(Debug)]
pub struct Undone {
    /// Which work, the same text each time.
    pub what: String,
    /// Why.
    pub error: AppError,
}

impl Undone {
    pub(super) fn of(what: &str, result: Result<(), AppError>) -> Option<Self> {
        result.err().map(|error| Self { what: what.to_owned(), error })
    }

    /// True where the database is out of reach, which other work would find, too.
    fn is_passing(&self) -> bool {
        matches!(&self.error, AppError::Store(error) if error.is_passing())
    }
}

/// Which acknowledgements were looked at.
#[derive(Default)]
pub(super) struct Settling {
    asked: AtomicU64,
    looked: Mutex<HashMap<String, u64>>,
}

/// Plans that nothing waits for any more, and deleted networks that no node carries any more.
async fn completed(tx: &Tx, region: &str) -> Result<Option<(Vec<Plan>, Vec<Network>)>, AppError> {
    let filter = NetworkFilter {
        region: Some(region.into()),
        status: Some(NetworkStatus::Deleting),
        ..NetworkFilter::default()
    };
    let mut plans = tx.plans_waiting(region).await?;
    let mut networks = tx.all_networks(&filter).await?;
    if plans.is_empty() && networks.is_empty() {
        return Ok(None);
    }
    let nodes = tx.nodes_of_region(region).await?;
    let held: Vec<_> = plans.iter().filter_map(|plan| plan.network.clone()).collect();
    let held = tx.networks_by_id(&held).await?;
    let held: HashMap<_, _> = held.iter().map(|network| (&network.id, network)).collect();
    plans.retain(|plan| {
        is_acknowledged(plan, plan.network.as_ref().and_then(|id| held.get(id).copied()), &nodes)
    });
    networks.retain(|network| network::is_gone(network, &nodes));
    Ok((!plans.is_empty() || !networks.is_empty()).then_some((plans, networks)))
}

/// Removes every rule of a plan, every binding to one, and a default rule that is one of them.
async fn purge(change: &mut Change, plan: &Plan, network: Option<Network>) -> Result<(), AppError> {
    for rule in change.tx.rules_of_plan(&plan.id).await? {
        change.event(EventKind::RulePurged, Some(&plan.account), rule.id.as_str(), &rule.name);
    }
    if let Some(mut network) = network.filter(|network| network.status == NetworkStatus::Active)
        && network.default_rule.take().is_some()
    {
        network.version += 1;
        change.tx.put_network(&network).await?;
    }
    change.tx.unbind_plan(&plan.id).await?;
    change.tx.remove_rules_of_plan(&plan.id).await?;
    Ok(())
}
