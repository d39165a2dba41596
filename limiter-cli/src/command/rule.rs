//! Rules.

use limiter_api::client::all_pages;
use limiter_api::params::{Bindings, DeleteRules, NewRule, RuleChange, RuleQuery};
use limiter_api::views::{Plan, Rule};
use limiter_state::Rate;

use super::{Session, something};
use crate::args::RuleCommand;
use crate::confirm;
use crate::failure::Failure;
use crate::lookup::names;

pub(super) async fn run(session: &Session, command: RuleCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        RuleCommand::List { plan, name } => {
            let plan = match plan {
                Some(plan) => Some(session.find().plan(&plan).await?.id),
                None => None,
            };
            let query = RuleQuery { plan, account: session.account.clone(), name, ..RuleQuery::default() };
            let mut rules = all_pages(query, async |query| client.rules(query).await).await?;
            if session.output.for_people() {
                name_plans(session, &mut rules).await?;
            }
            session.output.list(
                &rules,
                "no rules; make one with `limiter rule create NAME --plan PLAN --up 2Mbps --down 2Mbps`",
            )
        }
        RuleCommand::Show { rule } => session.output.one(&session.find().rule(&rule).await?),
        RuleCommand::Create { name, plan, up, down, instances } => {
            let plan = session.find().plan(&plan).await?;
            let instances = find_instances(session, &plan, &instances).await?;
            let (up_bps, down_bps) = (Some(up.bps()), Some(down.bps()));
            let new = NewRule { plan: plan.id, name, up_bps, down_bps, instances };
            session.output.one(&client.create_rule(&new).await?)
        }
        RuleCommand::Update { rule, name, up, down, version } => {
            something(name.is_some() || up.is_some() || down.is_some())?;
            let rule = session.find().rule(&rule).await?;
            let change = RuleChange { name, up_bps: up.map(Rate::bps), down_bps: down.map(Rate::bps) };
            session.output.one(&session.client_at(&version).update_rule(&rule.id, &change).await?)
        }
        RuleCommand::Bind { rule, instances, version } => {
            let (rule, bind) = rule_and_instances(session, &rule, &instances).await?;
            let bindings = Bindings { bind, unbind: Vec::new() };
            session.output.one(&session.client_at(&version).bind_rule(&rule, &bindings).await?)
        }
        RuleCommand::Unbind { rule, instances, version } => {
            let (rule, unbind) = rule_and_instances(session, &rule, &instances).await?;
            let bindings = Bindings { bind: Vec::new(), unbind };
            session.output.one(&session.client_at(&version).bind_rule(&rule, &bindings).await?)
        }
        RuleCommand::Delete { rules } => delete(session, &rules).await,
    }
}

/// Writes the network of a plan, by which people name it, in place of its id.
async fn name_plans(session: &Session, rules: &mut [Rule]) -> Result<(), Failure> {
    let client = &session.client;
    let name = async |id: &str| Ok(client.plan(id).await?.network_name.unwrap_or_else(|| id.to_owned()));
    let plans = names(rules.iter().map(|rule| rule.plan.as_str()), name).await?;
    for rule in rules {
        if let Some(name) = plans.get(&rule.plan) {
            rule.plan.clone_from(name);
        }
    }
    Ok(())
}

async fn delete(session: &Session, names: &[String]) -> Result<(), Failure> {
    let mut rules = Vec::new();
    for name in names {
        rules.push(session.find().rule(name).await?);
    }
    session.confirm.ask(&confirm::delete_rules(&rules))?;
    let ids: Vec<_> = rules.into_iter().map(|rule| rule.id).collect();
    session.client.delete_rules(&DeleteRules { rules: ids.clone() }).await?;
    session.output.gone("rule", &ids)
}

async fn rule_and_instances(
    session: &Session,
    rule: &str,
    instances: &[String],
) -> Result<(String, Vec<String>), Failure> {
    let rule = session.find().rule(rule).await?;
    let plan = session.client.plan(&rule.plan).await?;
    Ok((rule.id, find_instances(session, &plan, instances).await?))
}

/// Ids of instances that are named within the network of a plan.
async fn find_instances(session: &Session, plan: &Plan, names: &[String]) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    for name in names {
        let instance = match &plan.network {
            Some(network) => session.find().instance_of(network, name).await?,
            None => session.find().instance(name).await?,
        };
        ids.push(instance.id);
    }
    Ok(ids)
}
