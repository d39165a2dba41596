//! Instances.

use std::collections::HashMap;

use limiter_api::client::all_pages;
use limiter_api::params::{InstanceChange, InstanceQuery, MoveInstance, NewInstance, RuleQuery};
use limiter_api::setup::{Apply, Setup, SetupInstance, SetupNetwork, SetupRule};
use limiter_api::views::{Instance, Network, Rule};
use limiter_state::Rate;

use super::{Session, given, setup, something};
use crate::args::{IfVersion, Import, InstanceCommand};
use crate::confirm;
use crate::csv;
use crate::failure::Failure;
use crate::lookup::names;
use crate::setup_file;

pub(super) async fn run(session: &Session, command: InstanceCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        InstanceCommand::List { network, rule, unbound, name } => {
            let rule = match rule {
                Some(rule) => Some(session.find().rule(&rule).await?.id),
                None => None,
            };
            let network = session.find().network_id(network.as_deref()).await?;
            let account = session.account.clone();
            let bound = unbound.then_some(false);
            let query = InstanceQuery { account, network, rule, bound, name, ..InstanceQuery::default() };
            let mut instances = all_pages(query, async |query| client.instances(query).await).await?;
            if session.output.for_people() {
                name_all(session, &mut instances).await?;
            }
            session.output.list(
                &instances,
                "no instances; make one with `limiter instance create NAME --network NETWORK --address 10.10.0.2`",
            )
        }
        InstanceCommand::Show { instance } => session.output.one(&session.find().instance(&instance).await?),
        InstanceCommand::Create { name, network, addresses, internet, external_id } => {
            let network = session.find().network(&network).await?.id;
            let new = NewInstance { network, name, external_id, addresses, internet };
            session.output.one(&client.create_instance(&new).await?)
        }
        InstanceCommand::Update { instance, name, addresses, internet, version } => {
            something(name.is_some() || !addresses.is_empty() || internet.is_some())?;
            let instance = session.find().instance(&instance).await?;
            let change = InstanceChange { name, addresses: given(addresses), internet };
            session.output.one(&session.client_at(&version).update_instance(&instance.id, &change).await?)
        }
        InstanceCommand::Move { instance, to, addresses, version } => {
            let instance = session.find().instance(&instance).await?;
            let to = session.find().network(&to).await?;
            if instance.rule.is_some() {
                session.confirm.ask(&confirm::move_instance(&instance, &to))?;
            }
            let moved = MoveInstance { network: to.id, addresses: given(addresses) };
            session.output.one(&session.client_at(&version).move_instance(&instance.id, &moved).await?)
        }
        InstanceCommand::Delete { instances, version } => delete(session, &instances, &version).await,
        InstanceCommand::Import(import) => run_import(session, import).await,
    }
}

/// Writes names where a person would have to look up ids.
async fn name_all(session: &Session, instances: &mut [Instance]) -> Result<(), Failure> {
    let client = &session.client;
    let ids = instances.iter().map(|instance| instance.network.as_str());
    let networks = names(ids, async |id| Ok(client.network(id).await?.name)).await?;
    let ids = instances.iter().filter_map(|instance| instance.rule.as_deref());
    let rules = names(ids, async |id| Ok(client.rule(id).await?.name)).await?;
    for instance in instances {
        if let Some(name) = networks.get(&instance.network) {
            instance.network.clone_from(name);
        }
        if let Some(name) = instance.rule.as_ref().and_then(|id| rules.get(id)) {
            instance.rule = Some(name.clone());
        }
    }
    Ok(())
}

async fn delete(session: &Session, names: &[String], version: &IfVersion) -> Result<(), Failure> {
    if version.if_version.is_some() && names.len() > 1 {
        return Err(Failure::Usage("--if-version is of one instance; delete one at a time".to_owned()));
    }
    let client = session.client_at(version);
    let mut instances = Vec::new();
    for name in names {
        instances.push(session.find().instance(name).await?);
    }
    session.confirm.ask(&confirm::delete_instances(&instances))?;
    let mut gone = Vec::new();
    for instance in instances {
        let done = client.delete_instance(&instance.id).await;
        if done.is_err() && !gone.is_empty() {
            session.output.gone("instance", &gone)?;
        }
        done?;
        gone.push(instance.id);
    }
    session.output.gone("instance", &gone)
}

async fn run_import(session: &Session, import: Import) -> Result<(), Failure> {
    let text = setup_file::text(&import.file)?;
    let rows = csv::instances(&text)
        .map_err(|error| Failure::Usage(format!("{}: {error}", import.file.display())))?;
    let network = session.find().network(&import.network).await?;
    let query = InstanceQuery { network: Some(network.id.clone()), ..InstanceQuery::default() };
    let present = all_pages(query, async |query| session.client.instances(query).await).await?;
    let rules = match &network.plan {
        Some(plan) => {
            let query = RuleQuery { plan: Some(plan.clone()), ..RuleQuery::default() };
            all_pages(query, async |query| session.client.rules(query).await).await?
        }
        None => Vec::new(),
    };
    let account = session.account_for(&network.account).await?;
    let setup = imported(network, rows, &present, &rules)?;
    let apply = Apply { account, setup, dry_run: import.dry_run, prune: false };
    setup::put(session, apply, &import.wait).await
}

/// The network as it is, with the instances of the file; those that are there keep rule and access.
fn imported(
    network: Network,
    mut rows: Vec<SetupInstance>,
    present: &[Instance],
    rules: &[Rule],
) -> Result<Setup, Failure> {
    let by_name: HashMap<_, _> = present.iter().map(|one| (one.name.as_str(), one)).collect();
    let by_external: HashMap<_, _> =
        present.iter().filter_map(|one| Some((one.external_id.as_deref()?, one))).collect();
    let rules: HashMap<_, _> = rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
    let mut used = HashMap::new();
    for row in &mut rows {
        let external = row.external_id.as_deref().and_then(|id| by_external.get(id));
        let Some(one) = external.or_else(|| by_name.get(row.name.as_str())) else { continue };
        row.internet = Some(one.internet.clone());
        if let Some(rule) = one.rule.as_deref().and_then(|id| rules.get(id)) {
            row.rule = Some(rule.name.clone());
            used.insert(rule.name.clone(), *rule);
        }
    }
    let mut kept = Vec::new();
    for (name, rule) in used {
        let rate =
            |bps| Rate::new(bps).map_err(|error| Failure::NotDone(format!("rule {name}: {bps} is {error}")));
        kept.push(SetupRule { up: rate(rule.up_bps)?, down: rate(rule.down_bps)?, name: name.clone() });
    }
    kept.sort_by(|a, b| a.name.cmp(&b.name));
    let network = SetupNetwork {
        name: network.name,
        external_id: network.external_id,
        region: Some(network.region),
        zone: Some(network.zone),
        kind: Some(network.kind),
        prefixes: network.prefixes,
        internet: Some(network.internet),
        unknown_sources: Some(network.unknown_sources),
        egress: None,
        plan: None,
        rules: kept,
        instances: rows,
    };
    Ok(Setup { networks: vec![network] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn an_import_keeps_the_rules_of_those_that_are_there() {
        let rows = csv::instances("name,addresses\nweb-1,10.10.0.9\nweb-2,10.10.0.3\n").expect("rows");
        let present = [Instance { internet: "deny".into(), ..fixture::instance() }];
        let setup = imported(fixture::network(), rows, &present, &[fixture::rule()]).expect("a setup");
        let network = &setup.networks[0];
        assert_eq!(network.prefixes, ["10.10.0.0/24"]);
        assert_eq!(network.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["web"]);
        assert_eq!(network.instances[0].rule.as_deref(), Some("web"));
        assert_eq!(network.instances[0].internet.as_deref(), Some("deny"));
        assert_eq!(network.instances[0].addresses, ["10.10.0.9"]);
        assert_eq!(network.instances[1].rule, None);
    }
}
