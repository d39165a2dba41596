//! Whole setups: the same operations as one by one, all of them in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use limiter_api::params::{InstanceChange, NetworkChange, NewInstance, NewNetwork};
use limiter_api::setup::{
    Applied, Apply, Setup, SetupChange, SetupInstance, SetupNetwork, SetupPlan, SetupRule,
};
use limiter_domain::claims::Claims;
use limiter_domain::{
    AccountId, Business, Code, Instance, InstanceId, Network, NetworkKind, Plan, Rule, Status, order,
    renewal, resize, rule,
};
use limiter_state::address::show as show_address;
use limiter_state::{Access, Rate};

use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Caller, Reach, instance, network, read, rule as rules, view};
use crate::store::{NetworkFilter, Paging, Tx};

/// A setup while it is applied.
struct Applying<'a> {
    app: &'a App,
    change: &'a mut Change,
    reach: Reach,
    account: AccountId,
    prune: bool,
    applied: Applied,
}

impl App {
    /// Makes everything as a setup says; with `dry_run` only says what would change.
    pub async fn apply(&self, call: &Call, input: Apply) -> Result<Applied, AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let account = read::whose(&change.tx, &reach, input.account.as_deref()).await?;
        let mut applying = Applying {
            app: self,
            change: &mut change,
            reach: Reach::Account(account.clone()),
            account,
            prune: input.prune,
            applied: Applied::default(),
        };
        for (index, wanted) in input.setup.networks.iter().enumerate() {
            let place = format!("setup.networks[{index}]");
            applying.network(wanted).await.map_err(|error| within(error, &place))?;
        }
        let mut applied = applying.applied;
        if input.dry_run || applied.changes.is_empty() {
            return Ok(applied);
        }
        applied.revision = Some(change.revision());
        change.finish(applied).await
    }

    /// The setup of an account as it is.
    pub async fn export(&self, caller: &Caller, account: Option<&str>) -> Result<Setup, AppError> {
        let reach = caller.reads()?;
        let tx = self.store.read().await?;
        let account = read::whose(&tx, &reach, account).await?;
        let filter = NetworkFilter { account: Some(account), ..NetworkFilter::default() };
        let mut paging = Paging::default();
        let mut networks = Vec::new();
        loop {
            let page = tx.networks(&filter, &paging).await?;
            for network in &page.items {
                let plan = tx.plan_of_network(&network.id).await?;
                let rules = match &plan {
                    Some(plan) => tx.rules_of_plan(&plan.id).await?,
                    None => Vec::new(),
                };
                let instances = instances_by_name(&tx, network).await?;
                networks.push(exported(network, plan.as_ref(), &rules, &instances));
            }
            let Some(next) = page.next else { return Ok(Setup { networks }) };
            paging.after = Some(next);
        }
    }
}

impl Applying<'_> {
    async fn network(&mut self, wanted: &SetupNetwork) -> Result<(), AppError> {
        let network = self.network_itself(wanted).await?;
        let mut instances = self.instances(wanted, &network).await?;
        let Some(plan) = self.plan(wanted, &network).await? else {
            if wanted.rules.is_empty() {
                return Ok(());
            }
            let message = "rules belong to a plan, and the network has none; write one under `plan`";
            return Err(refuse_field(Code::PlanNotAssociated, "rules", message));
        };
        if plan.status != Status::InUse || plan.business != Business::Normal {
            if !wanted.rules.is_empty() {
                self.applied.waits_for.push(plan.id.to_string());
            }
            return Ok(());
        }
        let rules = self.rules(wanted, &plan).await?;
        self.bindings(wanted, &plan, &rules, &mut instances).await?;
        self.surplus_rules(wanted, &plan, &rules).await
    }

    async fn network_itself(&mut self, wanted: &SetupNetwork) -> Result<Network, AppError> {
        let tx = &self.change.tx;
        let found = match wanted.external_id.as_deref() {
            Some(id) => tx.network_by_external_id(&self.account, id).await?,
            None => tx.network_by_name(&self.account, &wanted.name).await?,
        };
        let Some(before) = found else {
            let new = NewNetwork {
                account: None,
                name: wanted.name.clone(),
                external_id: wanted.external_id.clone(),
                region: wanted.region.clone(),
                zone: wanted.zone.clone(),
                kind: wanted.kind.clone(),
                prefixes: wanted.prefixes.clone(),
                internet: wanted.internet.clone(),
                unknown_sources: wanted.unknown_sources.clone(),
                ..NewNetwork::default()
            };
            let network = self.app.add_network(self.change, &self.reach, new).await?;
            self.note("create", "network", wanted.name.clone(), wanted.prefixes.join(", "));
            return Ok(network);
        };
        fixed("region", wanted.region.as_deref(), &before.region)?;
        fixed("zone", wanted.zone.as_deref(), &before.zone)?;
        fixed("kind", wanted.kind.as_deref(), kind(&before))?;
        let prefixes: Vec<String> = before.prefixes.iter().map(ToString::to_string).collect();
        let wanted_access = network::access(wanted.internet.as_deref())?.unwrap_or_default();
        let wanted_unknown = network::unknown_sources(wanted.unknown_sources.as_deref())?.unwrap_or_default();
        let changed = NetworkChange {
            name: Some(wanted.name.clone()),
            prefixes: (!same_list(&prefixes, &wanted.prefixes)).then(|| wanted.prefixes.clone()),
            internet: Some(view::access(wanted_access).to_owned()),
            unknown_sources: Some(view::unknown_sources(wanted_unknown).to_owned()),
            ..NetworkChange::default()
        };
        let network = self.app.alter_network(self.change, &self.reach, &before, changed).await?;
        if network != before {
            let detail = network_difference(&before, &network);
            self.note("update", "network", wanted.name.clone(), detail);
        }
        Ok(network)
    }

    /// The plan that the network has or gets; none where it needs none.
    async fn plan(&mut self, wanted: &SetupNetwork, network: &Network) -> Result<Option<Plan>, AppError> {
        let found = self.change.tx.plan_of_network(&network.id).await?;
        let (now, revision) = (self.change.now, self.change.revision());
        let settings = self.app.settings();
        let Some(setup) = &wanted.plan else { return Ok(found) };
        let Some(plan) = found else {
            let plan = self.buy(setup, network).await?;
            let detail = format!("{} {}", setup.pay, setup.peak);
            self.note("create", "plan", wanted.name.clone(), detail);
            return Ok(Some(plan));
        };
        fixed("plan.pay", Some(&setup.pay), view::pay_code(plan.pay))?;
        fixed("plan.charge", setup.charge.as_deref(), view::charge_code(plan.charge))?;
        let mut plan = self.app.caught_up(self.change, plan).await?;
        if plan.peak != setup.peak {
            let before = plan.peak;
            let wanted_peak = resize::Resize { peak_bps: setup.peak.bps(), expected_amount: None };
            let step = resize::resize(&plan, wanted_peak, settings, now, revision)?;
            plan = self.app.take(self.change, step).await?;
            self.note("update", "plan", wanted.name.clone(), format!("peak {before} -> {}", plan.peak));
        }
        if let Some(on) = setup.auto_renew.filter(|on| *on != plan.auto_renew) {
            let step = renewal::set_auto_renew(&plan, on, now, revision)?;
            plan = self.app.take(self.change, step).await?;
            self.note("update", "plan", wanted.name.clone(), format!("auto_renew {on}"));
        }
        Ok(Some(plan))
    }

    async fn buy(&mut self, setup: &SetupPlan, network: &Network) -> Result<Plan, AppError> {
        let charge = setup.charge.as_deref().unwrap_or("bandwidth");
        let new = order::NewPlan {
            external_id: None,
            region: network.region.to_string(),
            pay: read::word("plan.pay", &setup.pay, &view::PAYS, view::pay_code)?,
            charge: read::word("plan.charge", charge, &view::CHARGES, view::charge_code)?,
            peak_bps: setup.peak.bps(),
            network: Some(network.id.clone()),
            duration: setup.duration.as_deref().map(order::duration).transpose()?,
            auto_renew: setup.auto_renew.unwrap_or(false),
            agreement_version: None,
            expected_amount: None,
        };
        self.app.order(self.change, &self.account, &new, Some(network)).await
    }

    async fn instances(
        &mut self,
        wanted: &SetupNetwork,
        network: &Network,
    ) -> Result<HashMap<String, Instance>, AppError> {
        let there = instances_by_name(&self.change.tx, network).await?;
        let addresses =
            |one: &Instance| one.addresses.iter().map(|net| (*net, one.id.clone())).collect::<Vec<_>>();
        let mut claims: Claims<InstanceId> = there.iter().flat_map(addresses).collect();
        let by_name: HashMap<&str, &Instance> = there.iter().map(|it| (&*it.name, it)).collect();
        let by_external: HashMap<&str, &Instance> =
            there.iter().filter_map(|it| Some((it.external_id.as_deref()?, it))).collect();
        let find = |wanted: &SetupInstance| match wanted.external_id.as_deref() {
            Some(id) => by_external.get(id).copied(),
            None => by_name.get(&*wanted.name).copied(),
        };
        let kept: HashSet<&InstanceId> = wanted.instances.iter().filter_map(find).map(|it| &it.id).collect();
        if self.prune {
            // First, so that their names and addresses are free.
            for surplus in there.iter().filter(|it| !kept.contains(&it.id)) {
                instance::remove(self.change, surplus).await?;
                surplus.addresses.iter().for_each(|net| claims.remove(net));
                self.note("delete", "instance", format!("{}/{}", network.name, surplus.name), String::new());
            }
        }
        let mut all = HashMap::with_capacity(wanted.instances.len());
        for (index, setup) in wanted.instances.iter().enumerate() {
            let place = format!("instances[{index}]");
            let one = self.instance(network, &claims, setup, find(setup)).await;
            let one = one.map_err(|error| within(error, &place))?;
            for net in &one.addresses {
                claims.insert(*net, one.id.clone());
            }
            all.insert(setup.name.clone(), one);
        }
        Ok(all)
    }

    async fn instance(
        &mut self,
        network: &Network,
        claims: &Claims<InstanceId>,
        setup: &SetupInstance,
        before: Option<&Instance>,
    ) -> Result<Instance, AppError> {
        let name = format!("{}/{}", network.name, setup.name);
        let Some(before) = before else {
            let new = NewInstance {
                network: network.id.to_string(),
                name: setup.name.clone(),
                external_id: setup.external_id.clone(),
                addresses: setup.addresses.clone(),
                internet: setup.internet.clone(),
            };
            let one = instance::add(self.change, network, claims, new).await?;
            self.note("create", "instance", name, setup.addresses.join(", "));
            return Ok(one);
        };
        let addresses: Vec<String> = before.addresses.iter().map(|net| show_address(*net)).collect();
        let wanted_access = network::access(setup.internet.as_deref())?.unwrap_or_default();
        let changed = InstanceChange {
            name: Some(setup.name.clone()),
            addresses: (!same_list(&addresses, &setup.addresses)).then(|| setup.addresses.clone()),
            internet: Some(view::access(wanted_access).to_owned()),
        };
        let one = instance::alter(self.change, network, claims, before, changed).await?;
        if one != *before {
            self.note("update", "instance", name, instance_difference(before, &one));
        }
        Ok(one)
    }

    async fn rules(
        &mut self,
        wanted: &SetupNetwork,
        plan: &Plan,
    ) -> Result<BTreeMap<String, Rule>, AppError> {
        let there = self.change.tx.rules_of_plan(&plan.id).await?;
        let mut rules: BTreeMap<String, Rule> =
            there.into_iter().map(|rule| (rule.name.to_string(), rule)).collect();
        for (index, setup) in wanted.rules.iter().enumerate() {
            let place = format!("rules[{index}]");
            let name = format!("{}/{}", wanted.name, setup.name);
            let before = rules.get(&setup.name).cloned();
            let made = self.rule(plan, setup, before.as_ref()).await;
            let made = made.map_err(|error| within(error, &place))?;
            match &before {
                None => self.note("create", "rule", name, format!("up {}, down {}", made.up, made.down)),
                Some(before) if *before != made => {
                    self.note("update", "rule", name, rate_difference(before, &made));
                }
                Some(_) => {}
            }
            rules.insert(setup.name.clone(), made);
        }
        Ok(rules)
    }

    async fn rule(
        &mut self,
        plan: &Plan,
        setup: &SetupRule,
        before: Option<&Rule>,
    ) -> Result<Rule, AppError> {
        let (up_bps, down_bps) = (Some(setup.up.bps()), Some(setup.down.bps()));
        match before {
            None => {
                let new = rule::NewRule { name: setup.name.clone(), up_bps, down_bps };
                self.app.add_rule(self.change, plan, &new).await
            }
            Some(before) => {
                let wanted = rule::RuleChange { name: None, up_bps, down_bps };
                self.app.alter_rule(self.change, plan, before, wanted).await
            }
        }
    }

    async fn bindings(
        &mut self,
        wanted: &SetupNetwork,
        plan: &Plan,
        rules: &BTreeMap<String, Rule>,
        instances: &mut HashMap<String, Instance>,
    ) -> Result<(), AppError> {
        for (index, setup) in wanted.instances.iter().enumerate() {
            let place = format!("instances[{index}].rule");
            let Some(one) = instances.get(&setup.name).cloned() else { continue };
            let new = match &setup.rule {
                None => None,
                Some(name) => Some(rules.get(name).ok_or_else(|| {
                    let message = format!("the network has no rule {name:?}; write it under `rules`");
                    refuse_field(Code::RuleNotFound, &place, message)
                })?),
            };
            if one.rule.as_ref() == new.map(|rule| &rule.id) {
                continue;
            }
            let old = rules.values().find(|rule| Some(&rule.id) == one.rule.as_ref());
            let mut one = one;
            if let Some(old) = old {
                self.app.unbind_instances(self.change, plan, old, std::slice::from_ref(&one)).await?;
                one.rule = None;
                one.version += 1;
            }
            if let Some(new) = new {
                let bound = self.app.bind_instances(self.change, plan, new, std::slice::from_ref(&one)).await;
                bound.map_err(|error| within(error, &place))?;
            }
            let name = |rule: Option<&Rule>| rule.map_or("none".to_owned(), |rule| rule.name.to_string());
            let detail = format!("{} -> {}", name(old), name(new));
            self.note("update", "binding", format!("{}/{}", wanted.name, setup.name), detail);
        }
        Ok(())
    }

    /// Rules that are not named go when nothing that is named is bound to them any more.
    async fn surplus_rules(
        &mut self,
        wanted: &SetupNetwork,
        plan: &Plan,
        rules: &BTreeMap<String, Rule>,
    ) -> Result<(), AppError> {
        let named: HashSet<&str> = wanted.rules.iter().map(|rule| &*rule.name).collect();
        let prune = self.prune;
        for (name, surplus) in rules.iter().filter(|(name, _)| prune && !named.contains(&***name)) {
            rules::delete(self.change, plan, surplus).await?;
            self.note("delete", "rule", format!("{}/{name}", wanted.name), String::new());
        }
        Ok(())
    }

    fn note(&mut self, action: &str, kind: &str, name: String, detail: String) {
        let change = SetupChange { action: action.to_owned(), kind: kind.to_owned(), name, detail };
        self.applied.changes.push(change);
    }
}

async fn instances_by_name(tx: &Tx, network: &Network) -> Result<Vec<Instance>, AppError> {
    let mut instances = tx.all_instances(&network::instances_of(&network.id)).await?;
    instances.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(instances)
}

/// The error with its field said from the top of the input.
fn within(error: AppError, place: &str) -> AppError {
    match error {
        AppError::Refused(mut refusal) => {
            refusal.field = Some(match refusal.field {
                Some(field) if field.starts_with("setup.") => field,
                Some(field) => format!("{place}.{field}"),
                None => place.to_owned(),
            });
            AppError::Refused(refusal)
        }
        other => other,
    }
}

/// What never changes may be written, but only as it is.
fn fixed(field: &str, wanted: Option<&str>, is: &str) -> Result<(), AppError> {
    match wanted {
        Some(wanted) if wanted != is => {
            let message = format!("it is {is:?} and never changes; write {is:?}, or make another one");
            Err(refuse_field(Code::InvalidParameter, field, message))
        }
        _ => Ok(()),
    }
}

fn same_list(one: &[String], other: &[String]) -> bool {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    sorted(one) == sorted(other)
}

fn kind(network: &Network) -> &'static str {
    match network.kind {
        NetworkKind::Shared { .. } => "shared",
        NetworkKind::Vpc => "vpc",
    }
}

fn network_difference(before: &Network, after: &Network) -> String {
    let list =
        |network: &Network| network.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    differences(&[
        ("name", before.name.to_string(), after.name.to_string()),
        ("prefixes", list(before), list(after)),
        ("internet", view::access(before.internet).to_owned(), view::access(after.internet).to_owned()),
        (
            "unknown_sources",
            view::unknown_sources(before.unknown_sources).to_owned(),
            view::unknown_sources(after.unknown_sources).to_owned(),
        ),
    ])
}

fn instance_difference(before: &Instance, after: &Instance) -> String {
    let list = |instance: &Instance| {
        instance.addresses.iter().map(|net| show_address(*net)).collect::<Vec<_>>().join(", ")
    };
    differences(&[
        ("name", before.name.to_string(), after.name.to_string()),
        ("addresses", list(before), list(after)),
        ("internet", view::access(before.internet).to_owned(), view::access(after.internet).to_owned()),
    ])
}

fn rate_difference(before: &Rule, after: &Rule) -> String {
    let rate = |rate: Rate| rate.to_string();
    differences(&[("up", rate(before.up), rate(after.up)), ("down", rate(before.down), rate(after.down))])
}

fn differences(fields: &[(&str, String, String)]) -> String {
    let changed = fields.iter().filter(|(_, before, after)| before != after);
    changed
        .map(|(field, before, after)| format!("{field} {before} -> {after}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn exported(network: &Network, plan: Option<&Plan>, rules: &[Rule], instances: &[Instance]) -> SetupNetwork {
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    let denied = |access: Access| (access == Access::Deny).then(|| view::access(access).to_owned());
    let names: HashMap<_, _> = rules.iter().map(|rule| (&rule.id, rule.name.to_string())).collect();
    let unknown = view::unknown_sources(network.unknown_sources);
    SetupNetwork {
        name: network.name.to_string(),
        external_id: text(&network.external_id),
        region: Some(network.region.to_string()),
        zone: Some(network.zone.to_string()),
        kind: Some(kind(network).to_owned()),
        prefixes: network.prefixes.iter().map(ToString::to_string).collect(),
        internet: denied(network.internet),
        unknown_sources: (unknown != "drop").then(|| unknown.to_owned()),
        plan: plan.map(|plan| SetupPlan {
            pay: view::pay_code(plan.pay).to_owned(),
            charge: Some(view::charge_code(plan.charge).to_owned()),
            peak: plan.peak,
            duration: plan.duration.map(|duration| duration.code().to_owned()),
            auto_renew: plan.duration.map(|_| plan.auto_renew),
        }),
        rules: rules
            .iter()
            .map(|rule| SetupRule { name: rule.name.to_string(), up: rule.up, down: rule.down })
            .collect(),
        instances: instances
            .iter()
            .map(|one| SetupInstance {
                name: one.name.to_string(),
                external_id: text(&one.external_id),
                addresses: one.addresses.iter().map(|net| show_address(*net)).collect(),
                internet: denied(one.internet),
                rule: one.rule.as_ref().and_then(|id| names.get(id).cloned()),
            })
            .collect(),
    }
}
