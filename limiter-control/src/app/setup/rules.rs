//! Rules of a plan, and what is bound to them: decided first, then written at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use limiter_api::setup::{SetupNetwork, SetupRule};
use limiter_domain::{Code, Instance, InstanceId, Network, Plan, Rule, RuleId, rule};

use super::super::AppError;
use super::super::error::refuse_field;
use super::members::Members;
use super::{Applying, difference, within};

/// Rules by name.
pub(super) type Rules = BTreeMap<String, Rule>;

impl Applying<'_> {
    /// The rules of a plan, as it is.
    pub(super) async fn rules_there(&self, plan: &Plan) -> Result<Rules, AppError> {
        let there = self.change.tx.rules_of_plan(&plan.id).await?;
        Ok(there.into_iter().map(|rule| (rule.name.to_string(), rule)).collect())
    }

    /// Makes and changes rules.
    pub(super) async fn put_rules(
        &mut self,
        wanted: &SetupNetwork,
        plan: &Plan,
        rules: &mut Rules,
    ) -> Result<(), AppError> {
        let surplus = if self.prune { surplus(wanted, rules).count() } else { 0 };
        let mut changed = Vec::new();
        for (index, setup) in wanted.rules.iter().enumerate() {
            let of_plan = rules.len() - surplus;
            let before = rules.get(setup.name.trim());
            let made = self.rule(plan, setup, before, of_plan);
            let made = made.map_err(|error| within(named_as_written(error), &format!("rules[{index}]")))?;
            if made.events.is_empty() {
                continue;
            }
            let rule = Rule { version: made.value.version + 1, ..made.value };
            let name = format!("{}/{}", wanted.name, rule.name);
            match before {
                None => self.note("create", "rule", name, format!("up {}, down {}", rule.up, rule.down)),
                Some(before) => self.note("update", "rule", name, difference::rates(before, &rule)),
            }
            if let Some(network) = plan.network.as_ref().filter(|_| made.reaches_nodes) {
                self.change.touch(network);
            }
            self.change.happened(Some(&rule.account), rule.id.as_str(), &made.events);
            changed.push(rule.clone());
            rules.insert(rule.name.to_string(), rule);
        }
        Ok(self.change.tx.put_rules(&changed).await?)
    }

    fn rule(
        &self,
        plan: &Plan,
        setup: &SetupRule,
        before: Option<&Rule>,
        rules_of_plan: usize,
    ) -> Result<limiter_domain::Change<Rule>, AppError> {
        let (up_bps, down_bps) = (Some(setup.up.bps()), Some(setup.down.bps()));
        let (settings, now, revision) = (self.app.settings(), self.change.now, self.change.revision());
        let made = match before {
            None => {
                let new = rule::NewRule { name: setup.name.clone(), up_bps, down_bps };
                let facts = rule::Facts { name_taken: false, rules_of_plan };
                rule::create(RuleId::of_random(rand::random()), plan, &new, facts, settings, now, revision)
            }
            Some(before) => {
                let wanted = rule::RuleChange { name: None, up_bps, down_bps };
                rule::update(before, plan, &wanted, false, settings, now, revision)
            }
        };
        Ok(made?)
    }

    /// Binds and unbinds instances: every rule lets go before one takes.
    pub(super) fn bind(
        &mut self,
        wanted: &SetupNetwork,
        plan: &Plan,
        rules: &Rules,
        members: &mut Members,
    ) -> Result<(), AppError> {
        let mut leaving: BTreeMap<RuleId, Vec<usize>> = BTreeMap::new();
        let mut joining: BTreeMap<RuleId, Vec<usize>> = BTreeMap::new();
        let by_id: HashMap<&RuleId, &Rule> = rules.values().map(|rule| (&rule.id, rule)).collect();
        for (index, setup) in wanted.instances.iter().enumerate() {
            let new = setup.rule.as_deref().and_then(|name| rules.get(name.trim()));
            let old = members.named[index].now.rule.clone();
            if old.as_ref() == new.map(|rule| &rule.id) {
                continue;
            }
            let old = old.and_then(|id| by_id.get(&id).copied());
            let name = |rule: Option<&Rule>| rule.map_or("none".to_owned(), |rule| rule.name.to_string());
            let detail = format!("{} -> {}", name(old), name(new));
            self.note("update", "binding", format!("{}/{}", wanted.name, setup.name), detail);
            if let Some(rule) = old {
                leaving.entry(rule.id.clone()).or_default().push(index);
            }
            if let Some(rule) = new {
                joining.entry(rule.id.clone()).or_default().push(index);
            }
        }
        let (settings, now, revision) = (self.app.settings(), self.change.now, self.change.revision());
        for (id, places) in &leaving {
            let made = rule::unbind(by_id[id], plan, &at(members, places), now, revision)?;
            self.turn_all(members, places, made);
        }
        let bound = members.bound();
        for (id, places) in &joining {
            let bound = bound.get(id).copied().unwrap_or_default();
            let made = rule::bind(by_id[id], plan, &at(members, places), bound, settings, now, revision);
            let made = made.map_err(|mut refusal| {
                let place = places.get(settings.instances_per_rule.saturating_sub(bound));
                let place = place.or(places.first()).copied().unwrap_or_default();
                refusal.field = Some(format!("instances[{place}].rule"));
                refusal
            })?;
            self.turn_all(members, places, made);
        }
        Ok(())
    }

    fn turn_all(
        &mut self,
        members: &mut Members,
        places: &[usize],
        made: Vec<limiter_domain::Change<Instance>>,
    ) {
        let place = |&place: &usize| (members.named[place].now.id.clone(), place);
        let places: HashMap<InstanceId, usize> = places.iter().map(place).collect();
        for made in made {
            if let Some(place) = places.get(&made.value.id) {
                self.turn(&mut members.named[*place], made);
            }
        }
    }

    /// Deletes the rules that are not named, when nothing is bound to them any more.
    pub(super) async fn remove_rules(
        &mut self,
        wanted: &SetupNetwork,
        plan: &Plan,
        network: &Network,
        rules: &Rules,
    ) -> Result<(), AppError> {
        let surplus: Vec<&Rule> = surplus(wanted, rules).filter(|_| self.prune).collect();
        if surplus.is_empty() {
            return Ok(());
        }
        for rule in &surplus {
            let events = rule::delete(rule, plan, self.change.now)?;
            self.change.happened(Some(&rule.account), rule.id.as_str(), &events);
            self.note("delete", "rule", format!("{}/{}", wanted.name, rule.name), String::new());
        }
        let ids: Vec<RuleId> = surplus.iter().map(|rule| rule.id.clone()).collect();
        if network.default_rule.as_ref().is_some_and(|id| ids.contains(id)) {
            let version = network.version + 1;
            let network = Network { default_rule: None, version, ..network.clone() };
            self.change.tx.put_network(&network).await?;
        }
        self.change.tx.remove_rules(&ids).await?;
        self.change.rebuild(&network.id);
        Ok(())
    }
}

/// Refuses an instance's rule that is neither there nor asked for.
pub(super) fn known(wanted: &SetupNetwork, there: Option<&Rules>) -> Result<(), AppError> {
    let asked: HashSet<&str> = wanted.rules.iter().map(|rule| rule.name.trim()).collect();
    if there.is_none() && !asked.is_empty() {
        let message = "rules belong to a plan, and the network has none; write one under `plan`";
        return Err(refuse_field(Code::PlanNotAssociated, "rules", message));
    }
    for (index, setup) in wanted.instances.iter().enumerate() {
        let Some(name) = setup.rule.as_deref().map(str::trim) else { continue };
        let place = format!("instances[{index}].rule");
        let Some(there) = there else {
            let message = format!(
                "rule {name:?} would belong to a plan, and the network has none; write one under `plan`"
            );
            return Err(refuse_field(Code::PlanNotAssociated, &place, message));
        };
        if !asked.contains(name) && !there.contains_key(name) {
            let message = format!("the network has no rule {name:?}; write it under `rules`");
            return Err(refuse_field(Code::RuleNotFound, &place, message));
        }
    }
    Ok(())
}

/// True where rules or bindings are not as they shall be.
pub(super) fn differ(wanted: &SetupNetwork, there: &Rules, members: &Members, prune: bool) -> bool {
    let rules = wanted.rules.iter().any(|setup| {
        there.get(setup.name.trim()).is_none_or(|rule| (rule.up, rule.down) != (setup.up, setup.down))
    });
    let bindings = wanted.instances.iter().zip(&members.named).any(|(setup, member)| {
        let is = member.now.rule.as_ref();
        match setup.rule.as_deref() {
            Some(name) => is.is_none() || is != there.get(name.trim()).map(|rule| &rule.id),
            None => is.is_some(),
        }
    });
    rules || bindings || (prune && surplus(wanted, there).next().is_some())
}

fn surplus<'a>(wanted: &SetupNetwork, rules: &'a Rules) -> impl Iterator<Item = &'a Rule> {
    let named: HashSet<String> = wanted.rules.iter().map(|rule| rule.name.trim().to_owned()).collect();
    rules.iter().filter(move |(name, _)| !named.contains(*name)).map(|(_, rule)| rule)
}

fn at(members: &Members, places: &[usize]) -> Vec<Instance> {
    places.iter().map(|place| members.named[*place].now.clone()).collect()
}

/// A setup says `up`, other calls `up_bps`.
fn named_as_written(error: AppError) -> AppError {
    match error {
        AppError::Refused(mut refusal) => {
            refusal.field = refusal.field.map(|field| field.trim_end_matches("_bps").to_owned());
            AppError::Refused(refusal)
        }
        other => other,
    }
}
