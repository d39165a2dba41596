//! Whole setups: the same operations as one by one, all of them in one transaction.

mod check;
mod difference;
mod export;
mod members;
mod rules;

use std::collections::HashSet;

use limiter_api::params::{NetworkChange, NewNetwork};
use limiter_api::setup::{Applied, Apply, SetupChange, SetupNetwork, SetupPlan};
use limiter_domain::{
    AccountId, Business, Code, Instance, Network, NetworkId, NetworkKind, Plan, Status, order, renewal,
    resize,
};

use self::members::Members;
use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Reach, network, read, view};
use crate::store::Tx;

/// A setup while it is applied.
struct Applying<'a> {
    app: &'a App,
    change: &'a mut Change,
    /// What the caller may; all that a setup names is of `account`.
    reach: Reach,
    account: AccountId,
    prune: bool,
    applied: Applied,
    /// Networks that were looked at.
    seen: HashSet<NetworkId>,
}

impl App {
    /// Makes everything as a setup says; with `dry_run` only says what would change.
    pub async fn apply(&self, call: &Call, input: Apply) -> Result<Applied, AppError> {
        let reach = call.caller.changes()?;
        check::unlike(&input.setup)?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let account = read::whose(&change.tx, &reach, input.account.as_deref()).await?;
        let mut applying = Applying {
            app: self,
            change: &mut change,
            reach,
            account,
            prune: input.prune,
            applied: Applied::default(),
            seen: HashSet::new(),
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
}

impl Applying<'_> {
    async fn network(&mut self, wanted: &SetupNetwork) -> Result<(), AppError> {
        let (before, plan) = self.found(wanted).await?;
        let network = self.network_itself(wanted, before).await?;
        if !self.seen.insert(network.id.clone()) {
            let message = "it is the network of an entry before, by its external id; write it once";
            return Err(refuse_field(Code::InvalidParameter, "name", message));
        }
        let members = self.members(wanted, &network).await?;
        let plan = self.plan(wanted, &network, plan).await?;
        if let Some(plan) = &plan {
            self.ruled(wanted, &network, plan, members).await?;
        } else {
            rules::known(wanted, None)?;
            self.put_members(members).await?;
        }
        Ok(())
    }

    /// The network that a setup means and its plan, after all that was due.
    async fn found(&mut self, wanted: &SetupNetwork) -> Result<(Option<Network>, Option<Plan>), AppError> {
        let tx = &self.change.tx;
        let found = match wanted.external_id.as_deref() {
            Some(id) => tx.network_by_external_id(&self.account, id).await?,
            None => tx.network_by_name(&self.account, &wanted.name).await?,
        };
        let Some(network) = found else { return Ok((None, None)) };
        let Some(plan) = tx.plan_of_network(&network.id).await? else { return Ok((Some(network), None)) };
        let before = plan.version;
        let plan = self.app.caught_up(self.change, plan).await?;
        if plan.version == before {
            return Ok((Some(network), Some(plan)));
        }
        // What was due may have taken rules from the network, and the plan itself.
        let network = self.change.tx.network(&network.id).await?;
        let id = network.as_ref().map(|network| &network.id);
        let plan = Some(plan).filter(|plan| plan.network.as_ref() == id);
        Ok((network, plan))
    }

    /// Rules and what is bound to them, where the plan is in force; else they wait for it.
    async fn ruled(
        &mut self,
        wanted: &SetupNetwork,
        network: &Network,
        plan: &Plan,
        mut members: Members,
    ) -> Result<(), AppError> {
        let mut there = self.rules_there(plan).await?;
        rules::known(wanted, Some(&there))?;
        if plan.status != Status::InUse || plan.business != Business::Normal {
            if rules::differ(wanted, &there, &members, self.prune) {
                self.applied.waits_for.push(plan.id.to_string());
            }
            return self.put_members(members).await;
        }
        self.put_rules(wanted, plan, &mut there).await?;
        self.bind(wanted, plan, &there, &mut members)?;
        self.put_members(members).await?;
        self.remove_rules(wanted, plan, network, &there).await
    }

    async fn network_itself(
        &mut self,
        wanted: &SetupNetwork,
        found: Option<Network>,
    ) -> Result<Network, AppError> {
        let Some(before) = found else {
            let new = NewNetwork {
                account: Some(self.account.to_string()),
                name: wanted.name.clone(),
                external_id: wanted.external_id.clone(),
                region: wanted.region.clone(),
                zone: wanted.zone.clone(),
                kind: wanted.kind.clone(),
                prefixes: wanted.prefixes.clone(),
                internet: wanted.internet.clone(),
                unknown_sources: wanted.unknown_sources.clone(),
                egress: wanted.egress.clone(),
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
            egress: wanted.egress.clone().filter(|egress| egress != view::egress_code(before.egress)),
            ..NetworkChange::default()
        };
        let network = self.app.alter_network(self.change, &self.reach, &before, changed).await?;
        if network != before {
            let detail = difference::network(&before, &network);
            self.note("update", "network", wanted.name.clone(), detail);
        }
        Ok(network)
    }

    /// The plan that the network has or gets; none where it needs none.
    async fn plan(
        &mut self,
        wanted: &SetupNetwork,
        network: &Network,
        found: Option<Plan>,
    ) -> Result<Option<Plan>, AppError> {
        let (now, revision) = (self.change.now, self.change.revision());
        let Some(setup) = &wanted.plan else { return Ok(found) };
        let Some(mut plan) = found else {
            let plan = self.buy(setup, network).await?;
            let detail = format!("{} {}", setup.pay, setup.peak);
            self.note("create", "plan", wanted.name.clone(), detail);
            return Ok(Some(plan));
        };
        fixed("plan.pay", Some(&setup.pay), view::pay_code(plan.pay))?;
        fixed("plan.charge", setup.charge.as_deref(), view::charge_code(plan.charge))?;
        if plan.peak != setup.peak {
            let before = plan.peak;
            let wanted_peak = resize::Resize { peak_bps: setup.peak.bps(), expected_amount: None };
            let step = self.app.resized(self.change, &plan, wanted_peak).await?;
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
