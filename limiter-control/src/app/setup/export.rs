//! The setup of an account as it is.

use std::collections::HashMap;

use limiter_api::setup::{Setup, SetupInstance, SetupNetwork, SetupPlan, SetupRule};
use limiter_domain::{Instance, Network, NetworkStatus, Plan, Rule};
use limiter_state::Access;
use limiter_state::address::show as show_address;

use super::super::{App, AppError, Caller, Reach, read, view};
use super::{instances_by_name, kind};
use crate::store::{NetworkFilter, Paging};

impl App {
    /// The setup of an account as it is.
    pub async fn export(&self, caller: &Caller, account: Option<&str>) -> Result<Setup, AppError> {
        let reach = caller.reads()?;
        let tx = self.store.read().await?;
        let account = read::whose(&tx, &reach, account).await?;
        let filter = NetworkFilter {
            account: Some(account),
            status: Some(NetworkStatus::Active),
            ..NetworkFilter::default()
        };
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
                let mut one = exported(network, plan.as_ref(), &rules, &instances);
                // Whoever may not say it gets a setup that says nothing of it, to apply it anywhere.
                one.egress = (reach == Reach::All).then(|| view::egress_code(network.egress).to_owned());
                networks.push(one);
            }
            let Some(next) = page.next else { return Ok(Setup { networks }) };
            paging.after = Some(next);
        }
    }
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
        egress: None,
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
