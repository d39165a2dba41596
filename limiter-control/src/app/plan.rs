//! Premium bandwidth plans.

use std::collections::HashMap;

use limiter_api::params::{Associate, AutoRenew, NewPlan, PlanQuery, Resize};
use limiter_api::views;
use limiter_domain::price::Amount;
use limiter_domain::{
    AccountId, Network, NetworkId, Plan, PlanId, Status, Step, association, order, renewal, resize, term,
};

use super::change::{Begun, Call, Change};
use super::money::Funds;
use super::{App, AppError, Caller, Reach, read, view};
use crate::store::{PlanFilter, Tx};

impl App {
    /// Lists plans that were not released.
    pub async fn plans(
        &self,
        caller: &Caller,
        query: &PlanQuery,
    ) -> Result<views::Page<views::Plan>, AppError> {
        let reach = caller.reads()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let status = query.status.as_deref();
        let status = status.map(|text| read::word("status", text, &view::STATUSES, view::status_code));
        let pay = query.pay.as_deref().map(|text| read::word("pay", text, &view::PAYS, view::pay_code));
        let tx = self.store.read().await?;
        let filter = PlanFilter {
            account: read::listed(&tx, &reach, query.account.as_deref()).await?,
            region: query.region.as_deref().map(Into::into),
            statuses: match status.transpose()? {
                Some(status) => vec![status],
                None => view::STATUSES.to_vec(),
            },
            pay: pay.transpose()?,
            network: match query.network.as_deref() {
                Some(id) => Some(read::network(&tx, &reach, id).await?.id),
                None => None,
            },
        };
        let page = tx.plans(&filter, &paging).await?;
        let ids: Vec<_> = page.items.iter().map(|plan| plan.id.clone()).collect();
        let rules = tx.count_rules_of(&ids).await?;
        let held: Vec<_> = page.items.iter().filter_map(|plan| plan.network.clone()).collect();
        let networks = tx.networks_by_id(&held).await?;
        let names: HashMap<_, _> = networks.iter().map(|network| (&network.id, &*network.name)).collect();
        Ok(read::page(page, |plan| {
            let name = plan.network.as_ref().and_then(|id| names.get(id).copied());
            view::plan(&plan, name, rules.get(plan.id.as_str()).copied().unwrap_or_default())
        }))
    }

    /// Shows a plan.
    pub async fn plan(&self, caller: &Caller, id: &str) -> Result<views::Plan, AppError> {
        let reach = caller.reads()?;
        let tx = self.store.read().await?;
        shown(&tx, &read::plan(&tx, &reach, id).await?).await
    }

    /// Buys a plan.
    pub async fn create_plan(&self, call: &Call, input: NewPlan) -> Result<views::Plan, AppError> {
        let reach = call.caller.changes()?;
        let pay = read::word("pay", &input.pay, &view::PAYS, view::pay_code)?;
        let charge =
            input.charge.as_deref().unwrap_or(view::charge_code(limiter_domain::Charge::ByBandwidth));
        let charge = read::word("charge", charge, &view::CHARGES, view::charge_code)?;
        let duration = input.duration.as_deref().map(order::duration).transpose()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let account = read::whose(&change.tx, &reach, input.account.as_deref()).await?;
        let network = match input.network.as_deref() {
            Some(id) => Some(read::network(&change.tx, &Reach::Account(account.clone()), id).await?),
            None => None,
        };
        let region = input.region.or_else(|| network.as_ref().map(|network| network.region.to_string()));
        let new = order::NewPlan {
            external_id: input.external_id,
            region: region.unwrap_or_else(|| super::DEFAULT_REGION.to_owned()),
            pay,
            charge,
            peak_bps: input.peak_bps,
            network: network.as_ref().map(|network| network.id.clone()),
            duration,
            auto_renew: input.auto_renew.unwrap_or(false),
            agreement_version: input.agreement_version,
            expected_amount: input.expected_amount_micro.map(Amount::new),
        };
        let plan = self.order(&mut change, &account, &new, network.as_ref()).await?;
        let view = shown(&change.tx, &plan).await?;
        change.finish(view).await
    }

    /// Buys a plan as part of a change.
    pub(super) async fn order(
        &self,
        change: &mut Change,
        account: &AccountId,
        new: &order::NewPlan,
        network: Option<&Network>,
    ) -> Result<Plan, AppError> {
        let holder = holder(change, network).await?;
        let funds = Funds::of(&change.tx, account).await?;
        let facts = order::Facts {
            supply: supply(change, &new.region).await?,
            slot: slot(change, network, holder.as_ref()).await?,
            plans_in_region: change.tx.count_plans(&counted(account, &new.region)).await? as usize,
            external_id_taken: match new.external_id.as_deref() {
                Some(id) => change.tx.plan_by_external_id(account, id).await?.is_some(),
                None => false,
            },
            money: funds.money(),
        };
        let (now, revision) = (change.now, change.revision());
        let id = PlanId::of_random(rand::random());
        let step = order::create(id, account.clone(), new, &facts, self.settings(), now, revision)?;
        let plan = self.take(change, step).await?;
        if let Some(egress) = &plan.egress {
            change.tx.bind_address(egress.address, &plan.id).await?;
        }
        Ok(plan)
    }

    /// Associates a plan with a network.
    pub async fn associate(&self, call: &Call, id: &str, input: Associate) -> Result<views::Plan, AppError> {
        let reach = call.caller.changes()?;
        self.step(call, id, async |change: &mut Change, plan: &Plan| {
            let network = read::network(&change.tx, &reach, &input.network).await?;
            let holder = holder(change, Some(&network)).await?;
            let slot = slot(change, Some(&network), holder.as_ref()).await?;
            let slot = slot.ok_or_else(|| AppError::Broken("a network without a slot".to_owned()))?;
            Ok(association::associate(plan, &slot, change.now, change.revision())?)
        })
        .await
    }

    /// Dissociates a plan from its network.
    pub async fn dissociate(&self, call: &Call, id: &str) -> Result<views::Plan, AppError> {
        self.step(call, id, async |change: &mut Change, plan: &Plan| {
            Ok(association::dissociate(plan, change.now, change.revision())?)
        })
        .await
    }

    /// Changes the peak of a plan.
    pub async fn resize(&self, call: &Call, id: &str, input: Resize) -> Result<views::Plan, AppError> {
        let resize = resize::Resize {
            peak_bps: input.peak_bps,
            expected_amount: input.expected_amount_micro.map(Amount::new),
        };
        self.step(call, id, async |change: &mut Change, plan: &Plan| self.resized(change, plan, resize).await)
            .await
    }

    /// Another peak for a plan, as part of a change.
    pub(super) async fn resized(
        &self,
        change: &Change,
        plan: &Plan,
        to: resize::Resize,
    ) -> Result<Step, AppError> {
        let funds = Funds::of(&change.tx, &plan.account).await?;
        let today = term::billing_day(change.now, self.settings());
        let begin = term::hour_of_day(today, 0, self.settings());
        let history = change.tx.segments(&plan.id, begin).await?;
        let facts = resize::Facts { money: funds.money(), history: &history };
        Ok(resize::resize(plan, to, facts, self.settings(), change.now, change.revision())?)
    }

    /// Switches automatic renewal.
    pub async fn set_auto_renew(
        &self,
        call: &Call,
        id: &str,
        input: AutoRenew,
    ) -> Result<views::Plan, AppError> {
        self.step(call, id, async |change: &mut Change, plan: &Plan| {
            Ok(renewal::set_auto_renew(plan, input.enabled, change.now, change.revision())?)
        })
        .await
    }

    /// One step of one plan.
    async fn step<F>(&self, call: &Call, id: &str, decide: F) -> Result<views::Plan, AppError>
    where
        F: AsyncFnOnce(&mut Change, &Plan) -> Result<Step, AppError>,
    {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let plan = self.current(&mut change, &reach, id).await?;
        call.check_version(plan.version)?;
        let step = decide(&mut change, &plan).await?;
        let plan = self.take(&mut change, step).await?;
        let view = shown(&change.tx, &plan).await?;
        change.finish(view).await
    }
}

/// A plan as the API shows it.
async fn shown(tx: &Tx, plan: &Plan) -> Result<views::Plan, AppError> {
    let network = match &plan.network {
        Some(id) => tx.network(id).await?,
        None => None,
    };
    let rules = tx.count_rules(&super::rule::of(&plan.id)).await?;
    Ok(view::plan(plan, network.as_ref().map(|network| &*network.name), rules))
}

/// Plans that count for the quota of an account.
fn counted(account: &AccountId, region: &str) -> PlanFilter {
    PlanFilter {
        account: Some(account.clone()),
        region: Some(region.into()),
        statuses: Status::LIVE.to_vec(),
        ..PlanFilter::default()
    }
}

async fn holder(change: &Change, network: Option<&Network>) -> Result<Option<PlanId>, AppError> {
    let id: Option<&NetworkId> = network.map(|network| &network.id);
    match id {
        Some(id) => Ok(change.tx.plan_of_network(id).await?.map(|plan| plan.id)),
        None => Ok(None),
    }
}

async fn slot<'a>(
    change: &mut Change,
    network: Option<&'a Network>,
    holder: Option<&'a PlanId>,
) -> Result<Option<association::Slot<'a>>, AppError> {
    let Some(network) = network else { return Ok(None) };
    let node = super::egress::choose(change, network).await?;
    Ok(Some(association::Slot { network, holder, node }))
}

/// The address that the next plan of a region gets.
async fn supply(change: &Change, region: &str) -> Result<order::Supply, AppError> {
    let free = change.tx.free_addresses(region, change.now, 1).await?;
    if let Some(free) = free.first() {
        return Ok(order::Supply::Free(free.address));
    }
    let is_used_up = change.tx.has_addresses(region).await?;
    Ok(if is_used_up { order::Supply::Empty } else { order::Supply::None })
}
