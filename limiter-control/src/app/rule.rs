//! Internet speed limits, and the instances bound to them.

use std::collections::HashMap;

use limiter_api::LIST_MAX;
use limiter_api::params::{Bindings, DeleteRules, NewRule, RuleChange, RuleQuery};
use limiter_api::views;
use limiter_domain::{Code, Instance, Plan, PlanId, Rule, RuleId, rule};

use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Caller, Reach, instance, read, view};
use crate::store::{RuleFilter, Tx};

impl App {
    /// Lists rules.
    pub async fn rules(
        &self,
        caller: &Caller,
        query: &RuleQuery,
    ) -> Result<views::Page<views::Rule>, AppError> {
        let reach = caller.reads()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let filter = RuleFilter {
            account: read::listed(&tx, &reach, query.account.as_deref()).await?,
            plan: match query.plan.as_deref() {
                Some(id) => Some(read::plan(&tx, &reach, id).await?.id),
                None => None,
            },
            name_contains: query.name.clone(),
        };
        let page = tx.rules(&filter, &paging).await?;
        let ids: Vec<_> = page.items.iter().map(|rule| rule.id.clone()).collect();
        let counts = tx.count_bound(&ids).await?;
        let items = page.items.iter().zip(counts).map(|(rule, count)| view::rule(rule, count)).collect();
        Ok(views::Page { items, next: page.next.map(|cursor| cursor.to_string()) })
    }

    /// Shows a rule.
    pub async fn rule(&self, caller: &Caller, id: &str) -> Result<views::Rule, AppError> {
        let reach = caller.reads()?;
        let tx = self.store.read().await?;
        shown(&tx, &read::rule(&tx, &reach, id).await?).await
    }

    /// Creates a rule and binds instances to it.
    pub async fn create_rule(&self, call: &Call, input: NewRule) -> Result<views::Rule, AppError> {
        let reach = call.caller.changes()?;
        limiter_domain::claims::at_most(input.instances.len(), LIST_MAX, "instances")?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let plan = self.current(&mut change, &reach, &input.plan).await?;
        let new = rule::NewRule { name: input.name, up_bps: input.up_bps, down_bps: input.down_bps };
        let rule = self.add_rule(&mut change, &plan, &new).await?;
        let instances = found(&change.tx, &reach, "instances", &input.instances).await?;
        self.bind_instances(&mut change, &plan, &rule, &instances).await?;
        let view = shown(&change.tx, &rule).await?;
        change.finish(view).await
    }

    /// Changes the name or the limits of a rule.
    pub async fn change_rule(
        &self,
        call: &Call,
        id: &str,
        input: RuleChange,
    ) -> Result<views::Rule, AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let before = read::rule(&change.tx, &reach, id).await?;
        call.check_version(before.version)?;
        let plan = self.current(&mut change, &reach, before.plan.as_str()).await?;
        let wanted = rule::RuleChange { name: input.name, up_bps: input.up_bps, down_bps: input.down_bps };
        let rule = self.alter_rule(&mut change, &plan, &before, wanted).await?;
        let view = shown(&change.tx, &rule).await?;
        change.finish(view).await
    }

    /// Binds and unbinds instances.
    pub async fn bind(&self, call: &Call, id: &str, input: Bindings) -> Result<views::Rule, AppError> {
        let reach = call.caller.changes()?;
        limiter_domain::claims::at_most(input.bind.len(), LIST_MAX, "bind")?;
        limiter_domain::claims::at_most(input.unbind.len(), LIST_MAX, "unbind")?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let rule = read::rule(&change.tx, &reach, id).await?;
        call.check_version(rule.version)?;
        let plan = self.current(&mut change, &reach, rule.plan.as_str()).await?;
        let unbind = found(&change.tx, &reach, "unbind", &input.unbind).await?;
        if !unbind.is_empty() {
            self.unbind_instances(&mut change, &plan, &rule, &unbind).await?;
        }
        let bind = found(&change.tx, &reach, "bind", &input.bind).await?;
        if !bind.is_empty() {
            self.bind_instances(&mut change, &plan, &rule, &bind).await?;
        }
        let view = shown(&change.tx, &rule).await?;
        change.finish(view).await
    }

    /// Deletes rules.
    pub async fn delete_rules(&self, call: &Call, input: DeleteRules) -> Result<(), AppError> {
        let reach = call.caller.changes()?;
        call.check_unversioned()?;
        read::few("rules", &input.rules, LIST_MAX)?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        for id in &input.rules {
            let rule = read::rule(&change.tx, &reach, id).await?;
            let plan = self.current(&mut change, &reach, rule.plan.as_str()).await?;
            delete(&mut change, &plan, &rule).await?;
        }
        change.finish(()).await
    }

    /// Creates a rule as part of a change.
    pub(super) async fn add_rule(
        &self,
        change: &mut Change,
        plan: &Plan,
        new: &rule::NewRule,
    ) -> Result<Rule, AppError> {
        let facts = rule::Facts {
            name_taken: change.tx.rule_by_name(&plan.id, new.name.trim()).await?.is_some(),
            rules_of_plan: change.tx.count_rules(&of(&plan.id)).await? as usize,
        };
        let id = RuleId::of_random(rand::random());
        let (now, revision) = (change.now, change.revision());
        let made = rule::create(id, plan, new, facts, self.settings(), now, revision)?;
        put(change, plan, made).await
    }

    /// Changes a rule as part of a change.
    pub(super) async fn alter_rule(
        &self,
        change: &mut Change,
        plan: &Plan,
        before: &Rule,
        mut wanted: rule::RuleChange,
    ) -> Result<Rule, AppError> {
        wanted.name = wanted.name.filter(|name| name.trim() != &*before.name);
        let taken = match &wanted.name {
            Some(name) => change.tx.rule_by_name(&plan.id, name.trim()).await?.is_some(),
            None => false,
        };
        let (now, revision) = (change.now, change.revision());
        let made = rule::update(before, plan, &wanted, taken, self.settings(), now, revision)?;
        if let Some(network) = plan.network.as_ref().filter(|_| made.value.name != before.name) {
            // Instances are told the names of their rules.
            change.rebuild(network);
        }
        put(change, plan, made).await
    }

    /// Binds instances as part of a change.
    pub(super) async fn bind_instances(
        &self,
        change: &mut Change,
        plan: &Plan,
        rule: &Rule,
        instances: &[Instance],
    ) -> Result<(), AppError> {
        if instances.is_empty() {
            return Ok(());
        }
        let bound = bound(&change.tx, &rule.id).await? as usize;
        let (now, revision) = (change.now, change.revision());
        let made = rule::bind(rule, plan, instances, bound, self.settings(), now, revision)?;
        rebind(change, made).await
    }

    /// Unbinds instances as part of a change.
    pub(super) async fn unbind_instances(
        &self,
        change: &mut Change,
        plan: &Plan,
        rule: &Rule,
        instances: &[Instance],
    ) -> Result<(), AppError> {
        let made = rule::unbind(rule, plan, instances, change.now, change.revision())?;
        rebind(change, made).await
    }
}

async fn put(change: &mut Change, plan: &Plan, made: limiter_domain::Change<Rule>) -> Result<Rule, AppError> {
    let mut rule = made.value;
    if made.events.is_empty() {
        return Ok(rule);
    }
    rule.version += 1;
    change.tx.put_rule(&rule).await?;
    if let Some(network) = plan.network.as_ref().filter(|_| made.reaches_nodes) {
        change.touch(network);
    }
    change.happened(Some(&rule.account), rule.id.as_str(), &made.events);
    Ok(rule)
}

async fn rebind(change: &mut Change, made: Vec<limiter_domain::Change<Instance>>) -> Result<(), AppError> {
    for made in made {
        instance::put(change, made).await?;
    }
    Ok(())
}

/// Deletes a rule as part of a change; its instances are held by the network alone.
pub(super) async fn delete(change: &mut Change, plan: &Plan, rule: &Rule) -> Result<(), AppError> {
    let events = rule::delete(rule, plan, change.now)?;
    if let Some(id) = &plan.network
        && let Some(mut network) = change.tx.network(id).await?
        && network.default_rule.as_ref() == Some(&rule.id)
    {
        network.default_rule = None;
        network.version += 1;
        change.tx.put_network(&network).await?;
        change.rebuild(id);
    }
    change.tx.unbind_rule(&rule.id).await?;
    change.tx.remove_rule(&rule.id).await?;
    if let Some(network) = &plan.network {
        change.touch(network);
    }
    change.happened(Some(&rule.account), rule.id.as_str(), &events);
    Ok(())
}

/// The rules of a plan.
pub(super) fn of(plan: &PlanId) -> RuleFilter {
    RuleFilter { plan: Some(plan.clone()), ..RuleFilter::default() }
}

async fn bound(tx: &Tx, rule: &RuleId) -> Result<u64, AppError> {
    Ok(tx.count_bound(std::slice::from_ref(rule)).await?.first().copied().unwrap_or_default())
}

async fn shown(tx: &Tx, rule: &Rule) -> Result<views::Rule, AppError> {
    Ok(view::rule(rule, bound(tx, &rule.id).await?))
}

/// The instances of a list.
async fn found(tx: &Tx, reach: &Reach, field: &str, ids: &[String]) -> Result<Vec<Instance>, AppError> {
    let known: Vec<_> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let known = tx.instances_by_id(&known).await?;
    let known: HashMap<_, _> =
        known.iter().filter(|one| reach.has(&one.account)).map(|one| (one.id.as_str(), one)).collect();
    let find = |(index, id): (usize, &String)| {
        known.get(&**id).map(|&one| one.clone()).ok_or_else(|| {
            refuse_field(Code::InstanceNotFound, &format!("{field}[{index}]"), read::absent("instance", id))
        })
    };
    ids.iter().enumerate().map(find).collect()
}
