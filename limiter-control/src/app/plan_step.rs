//! What a step of a plan writes, and steps that nobody calls for: what is due, and what nodes acknowledge.

use std::sync::Arc;

use limiter_domain::{EventKind, Network, NetworkStatus, Plan, Step, schedule, settle};

use super::change::Change;
use super::{App, AppError, Caller};

/// Most plans that are worked in one round.
const ROUND_MAX: usize = 1000;

impl App {
    /// Writes a step: the plan, its rules where they are purged, events, and a new state for nodes.
    pub(super) async fn take(&self, change: &mut Change, step: Step) -> Result<Plan, AppError> {
        let network = match &step.plan.network {
            Some(id) => change.tx.network(id).await?,
            None => None,
        };
        let nodes = change.tx.nodes_of_region(&step.plan.region).await?;
        let (now, revision) = (change.now, change.revision());
        let step = settle(step, network.as_ref(), &nodes, self.settings(), now, revision);
        if step.events.is_empty() {
            return Ok(step.plan);
        }
        let plan = step.plan;
        if step.purge_rules {
            purge(change, &plan, network).await?;
        }
        change.tx.put_plan(&plan, schedule::next_due(&plan, self.settings())).await?;
        if step.reaches_nodes {
            change.tx.touch_region(&plan.region).await?;
        }
        for event in &step.events {
            change.event_at(event.at, event.kind, Some(&plan.account), plan.id.as_str(), &event.detail);
        }
        Ok(plan)
    }

    /// Works every plan that something is due for; gives their number.
    pub async fn work_due(&self) -> Result<usize, AppError> {
        let due = self.store.read().await?.plans_due(self.now(), ROUND_MAX).await?;
        for id in due.iter().map(|plan| &plan.id) {
            let mut change = self.begin_own(self.scheduler(), "schedule").await?;
            // Another control plane may have worked it since it was listed.
            let Some(plan) = change.tx.plan(id).await? else { continue };
            let (now, revision) = (change.now, change.revision());
            let Some(step) = schedule::catch_up(&plan, self.settings(), now, revision) else { continue };
            self.take(&mut change, step).await?;
            change.commit().await?;
        }
        Ok(due.len())
    }

    /// Completes what the nodes of `region` have all acknowledged.
    pub(super) async fn settle_region(&self, caller: Caller, region: &str) -> Result<(), AppError> {
        let waiting = self.store.read().await?.plans_waiting(region).await?;
        for id in waiting.iter().map(|plan| &plan.id) {
            let mut change = self.begin_own(caller.clone(), "acknowledge").await?;
            let Some(plan) = change.tx.plan(id).await? else { continue };
            let same = Step::same(plan.clone());
            if self.take(&mut change, same).await? != plan {
                change.commit().await?;
            }
        }
        Ok(())
    }

    fn scheduler(&self) -> Caller {
        Caller::system("scheduler", Arc::from(format!("due-{}", self.now().as_microsecond())))
    }
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
    change.tx.purge_rules(&plan.id).await?;
    Ok(())
}
