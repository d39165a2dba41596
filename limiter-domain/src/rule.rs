//! Internet speed limits of single instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use limiter_state::Rate;

use crate::guard::{Verb, admit};
use crate::{
    AccountId, Change, Code, EventKind, Happening, Instance, Network, Plan, PlanId, Refusal, Revision,
    RuleId, Settings, text,
};

/// A limit for each instance bound to it, on its own and for each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Identity.
    pub id: RuleId,
    /// Its owner, the same as its plan's.
    pub account: AccountId,
    /// The plan it belongs to.
    pub plan: PlanId,
    /// Its name, unique in the plan.
    pub name: Arc<str>,
    /// Instance to Internet.
    pub up: Rate,
    /// Internet to instance.
    pub down: Rate,
    /// Revision of the last change that nodes must know.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

/// What a rule is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRule {
    /// Its name; space at the ends is cut.
    pub name: String,
    /// Instance to Internet, bits per second.
    pub up_bps: Option<u64>,
    /// Internet to instance, bits per second.
    pub down_bps: Option<u64>,
}

/// What a rule becomes; [`None`]: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleChange {
    /// Its name; space at the ends is cut.
    pub name: Option<String>,
    /// Instance to Internet, bits per second.
    pub up_bps: Option<u64>,
    /// Internet to instance, bits per second.
    pub down_bps: Option<u64>,
}

/// What a new rule depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Another rule of the plan has the name.
    pub name_taken: bool,
    /// Rules that the plan has.
    pub rules_of_plan: usize,
}

/// Makes a rule of `plan`. Nothing is bound to it.
///
/// Refused with `InvalidRuleName`, `InvalidRuleLimit`, the codes of [`admit`], `RuleNameDuplicate` and
/// `QuotaExceeded.Rule`.
pub fn create(
    id: RuleId,
    plan: &Plan,
    new: &NewRule,
    facts: Facts,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Rule>, Refusal> {
    let rule = Rule {
        id,
        account: plan.account.clone(),
        plan: plan.id.clone(),
        name: name(&new.name)?,
        up: limit(new.up_bps, "up_bps", settings)?,
        down: limit(new.down_bps, "down_bps", settings)?,
        revision,
        created_at: now,
        version: 0,
    };
    admit(plan, Verb::AddRule, false)?;
    free(facts.name_taken, &rule.name)?;
    let most = settings.rules_per_plan;
    if facts.rules_of_plan >= most {
        let message = format!(
            "plan {} has {} rules and may have {most}; delete one first",
            plan.id, facts.rules_of_plan
        );
        return Err(Refusal::new(Code::QuotaExceededRule, message));
    }
    let detail = format!("{}, up {}, down {}", rule.name, rule.up, rule.down);
    let events = vec![Happening::new(now, EventKind::RuleCreated, detail)];
    Ok(Change { value: rule, reaches_nodes: false, events })
}

/// Changes a rule of `plan` for all that is bound to it. `name_taken`: another rule of the plan has it.
///
/// Refused with `InvalidRuleName`, `InvalidRuleLimit`, the codes of [`admit`] and `RuleNameDuplicate`.
pub fn update(
    rule: &Rule,
    plan: &Plan,
    change: &RuleChange,
    name_taken: bool,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Rule>, Refusal> {
    let mut next = rule.clone();
    if let Some(text) = &change.name {
        next.name = name(text)?;
    }
    if change.up_bps.is_some() {
        next.up = limit(change.up_bps, "up_bps", settings)?;
    }
    if change.down_bps.is_some() {
        next.down = limit(change.down_bps, "down_bps", settings)?;
    }
    of_plan(rule, plan)?;
    admit(plan, Verb::AddRule, false)?;
    free(name_taken && next.name != rule.name, &next.name)?;
    if next == *rule {
        return Ok(Change { value: next, reaches_nodes: false, events: Vec::new() });
    }
    next.revision = revision;
    let detail = differences(rule, &next);
    let events = vec![Happening::new(now, EventKind::RuleUpdated, detail)];
    Ok(Change { value: next, reaches_nodes: true, events })
}

/// What deleting a rule of `plan` writes. Its bindings go with it, and the network's default rule where it
/// is the one. Refused with the codes of [`admit`].
pub fn delete(rule: &Rule, plan: &Plan, now: Timestamp) -> Result<Vec<Happening>, Refusal> {
    of_plan(rule, plan)?;
    admit(plan, Verb::RemoveRule, false)?;
    Ok(vec![Happening::new(now, EventKind::RuleDeleted, rule.name.to_string())])
}

/// Binds `instances` to a rule of `plan`, which already has `bound` of them: all, or none. Those that
/// change come back.
///
/// Refused with `InstanceNotFound`, the codes of [`admit`], `InstanceNotInNetwork`,
/// `InstanceAlreadyInRule` and `QuotaExceeded.RuleBinding`.
pub fn bind(
    rule: &Rule,
    plan: &Plan,
    instances: &[Instance],
    bound: usize,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Vec<Change<Instance>>, Refusal> {
    of_plan(rule, plan)?;
    owned(instances, plan)?;
    admit(plan, Verb::AddRule, false)?;
    for (index, instance) in instances.iter().enumerate() {
        if Some(&instance.network) != plan.network.as_ref() {
            let message = format!(
                "instance {} is in network {}, which plan {} does not hold; bind instances of its network",
                instance.id, instance.network, plan.id
            );
            return Err(Refusal::new(Code::InstanceNotInNetwork, message).at(format!("instances[{index}]")));
        }
    }
    unbound(rule, instances)?;
    let fresh: BTreeMap<_, _> =
        instances.iter().filter(|it| it.rule.is_none()).map(|it| (&it.id, it)).collect();
    let most = settings.instances_per_rule;
    if bound + fresh.len() > most {
        let message = format!(
            "rule {} has {bound} instances and may have {most}; {} more are too many, so make another rule",
            rule.id,
            fresh.len()
        );
        return Err(Refusal::new(Code::QuotaExceededRuleBinding, message).at("instances"));
    }
    let change = |instance: &Instance| {
        let events = vec![Happening::new(now, EventKind::BindingAdded, rule.name.to_string())];
        let value = Instance { rule: Some(rule.id.clone()), revision, ..instance.clone() };
        Change { value, reaches_nodes: true, events }
    };
    Ok(fresh.into_values().map(change).collect())
}

/// Unbinds `instances` from a rule of `plan`. Those that were bound to it come back.
///
/// Refused with `InstanceNotFound` and the codes of [`admit`].
pub fn unbind(
    rule: &Rule,
    plan: &Plan,
    instances: &[Instance],
    now: Timestamp,
    revision: Revision,
) -> Result<Vec<Change<Instance>>, Refusal> {
    of_plan(rule, plan)?;
    owned(instances, plan)?;
    admit(plan, Verb::RemoveRule, false)?;
    let bound: BTreeMap<_, _> = instances
        .iter()
        .filter(|instance| instance.rule.as_ref() == Some(&rule.id))
        .map(|instance| (&instance.id, instance))
        .collect();
    let change = |instance: &Instance| {
        let events = vec![Happening::new(now, EventKind::BindingRemoved, rule.name.to_string())];
        Change { value: Instance { rule: None, revision, ..instance.clone() }, reaches_nodes: true, events }
    };
    Ok(bound.into_values().map(change).collect())
}

/// Makes `rule` the one of the instances of `network` that have none, or none of them. `plan` is the one
/// that holds the network.
///
/// Refused with `NetworkNotReady`, `PlanNotAssociated`, the codes of [`admit`] and `RuleNotFound`.
pub fn set_default(
    network: &Network,
    plan: Option<&Plan>,
    rule: Option<&Rule>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Network>, Refusal> {
    crate::network::ready(network)?;
    let id = rule.map(|rule| rule.id.clone());
    let mut next = network.clone();
    if id == network.default_rule {
        return Ok(Change { value: next, reaches_nodes: false, events: Vec::new() });
    }
    let Some(plan) = plan.filter(|plan| plan.network.as_ref() == Some(&network.id)) else {
        let message =
            format!("no plan holds network {}, so it has no rules; associate one first", network.id);
        return Err(Refusal::new(Code::PlanNotAssociated, message).at("default_rule"));
    };
    if let Some(rule) = rule {
        of_plan(rule, plan).map_err(|refusal| refusal.at("default_rule"))?;
    }
    admit(plan, if rule.is_some() { Verb::AddRule } else { Verb::RemoveRule }, false)?;
    next.default_rule = id;
    next.revision = revision;
    let detail = format!("default rule {}", rule.map_or("none", |rule| &*rule.name));
    let events = vec![Happening::new(now, EventKind::NetworkUpdated, detail)];
    Ok(Change { value: next, reaches_nodes: true, events })
}

fn name(text: &str) -> Result<Arc<str>, Refusal> {
    let trimmed = text.trim();
    if text::good(trimmed, text::NAME_MAX_CHARS) {
        return Ok(trimmed.into());
    }
    let message = format!(
        "{:?} is no rule name; write 1 to {} characters, and no control characters",
        text::shortened(text),
        text::NAME_MAX_CHARS
    );
    Err(Refusal::new(Code::InvalidRuleName, message).at("name"))
}

fn limit(bps: Option<u64>, field: &str, settings: &Settings) -> Result<Rate, Refusal> {
    let (low, high) = settings.rule_limit;
    let refuse = |what: String| {
        let message = format!("{what}; write both directions, each {low} to {high}");
        Err(Refusal::new(Code::InvalidRuleLimit, message).at(field))
    };
    let Some(bps) = bps else { return refuse(format!("`{field}` is absent")) };
    match Rate::new(bps) {
        Ok(rate) if (low..=high).contains(&rate) => Ok(rate),
        _ => refuse(format!("a limit of {bps} bit/s is out of range")),
    }
}

fn free(taken: bool, name: &str) -> Result<(), Refusal> {
    if !taken {
        return Ok(());
    }
    let message = format!("the plan has a rule {name:?} already; choose another name");
    Err(Refusal::new(Code::RuleNameDuplicate, message).at("name"))
}

fn of_plan(rule: &Rule, plan: &Plan) -> Result<(), Refusal> {
    if rule.plan == plan.id {
        return Ok(());
    }
    Err(Refusal::missing(Code::RuleNotFound, "rule of this plan", &rule.id))
}

fn owned(instances: &[Instance], plan: &Plan) -> Result<(), Refusal> {
    match instances.iter().position(|instance| instance.account != plan.account) {
        Some(index) => Err(Refusal::missing(Code::InstanceNotFound, "instance", &instances[index].id)
            .at(format!("instances[{index}]"))),
        None => Ok(()),
    }
}

/// All that are bound elsewhere are named, so that the caller can unbind them at once.
fn unbound(rule: &Rule, instances: &[Instance]) -> Result<(), Refusal> {
    let elsewhere = |instance: &Instance| instance.rule.as_ref().is_some_and(|other| *other != rule.id);
    let Some(first) = instances.iter().position(elsewhere) else { return Ok(()) };
    let others: Vec<&str> =
        instances.iter().filter(|instance| elsewhere(instance)).map(|it| it.id.as_str()).collect();
    let message =
        format!("bound to another rule already: {}; unbind them first", text::few(others.into_iter()));
    Err(Refusal::new(Code::InstanceAlreadyInRule, message).at(format!("instances[{first}]")))
}

fn differences(before: &Rule, after: &Rule) -> String {
    let mut changed = Vec::new();
    if before.name != after.name {
        changed.push(format!("name {} -> {}", before.name, after.name));
    }
    if before.up != after.up {
        changed.push(format!("up {} -> {}", before.up, after.up));
    }
    if before.down != after.down {
        changed.push(format!("down {} -> {}", before.down, after.down));
    }
    changed.join(", ")
}
