//! Networks.

use limiter_api::client::all_pages;
use limiter_api::params::{NetworkChange, NetworkQuery, NewNetwork};

use super::{Session, given, something};
use crate::args::{NetworkCommand, Switch};
use crate::confirm;
use crate::failure::Failure;

pub(super) async fn run(session: &Session, command: NetworkCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        NetworkCommand::List { region, zone, name, without_plan } => {
            let without_plan = without_plan.then_some(true);
            let account = session.account.clone();
            let query = NetworkQuery { account, region, zone, name, without_plan, after: None, limit: None };
            let networks = all_pages(query, async |query| client.networks(query).await).await?;
            session.output.list(
                &networks,
                "no networks; make one with `limiter network create NAME --prefix 10.10.0.0/24`",
            )
        }
        NetworkCommand::Show { network } => session.output.one(&session.find().network(&network).await?),
        NetworkCommand::Create { name, prefixes, region, zone, kind, basic, nodes, external_id, policy } => {
            let new = NewNetwork {
                account: session.account.clone(),
                name,
                external_id,
                region,
                zone,
                kind,
                basic_bps: basic.map(limiter_state::Rate::bps),
                prefixes,
                nodes: given(nodes),
                internet: policy.internet,
                unknown_sources: policy.unknown_sources,
                observe: policy.observe.map(|switch| switch == Switch::On),
            };
            session.output.one(&client.create_network(&new).await?)
        }
        NetworkCommand::Update {
            network,
            name,
            prefixes,
            basic,
            nodes,
            all_nodes,
            default_rule,
            policy,
            version,
        } => {
            let is_policy =
                policy.internet.is_some() || policy.unknown_sources.is_some() || policy.observe.is_some();
            let is_place = !prefixes.is_empty() || basic.is_some() || default_rule.is_some();
            let nodes = given(nodes).map(Some).or(all_nodes.then_some(None));
            something(name.is_some() || is_place || is_policy || nodes.is_some())?;
            let network = session.find().network(&network).await?;
            let default_rule = match default_rule.as_deref() {
                None => None,
                Some("none") => Some(None),
                Some(rule) => Some(Some(session.find().rule(rule).await?.id)),
            };
            let change = NetworkChange {
                name,
                prefixes: given(prefixes),
                basic_bps: basic.map(limiter_state::Rate::bps),
                nodes,
                internet: policy.internet,
                unknown_sources: policy.unknown_sources,
                observe: policy.observe.map(|switch| switch == Switch::On),
                default_rule,
            };
            session.output.one(&session.client_at(&version).update_network(&network.id, &change).await?)
        }
        NetworkCommand::Delete { network, version } => {
            let network = session.find().network(&network).await?;
            session.confirm.ask(&confirm::delete_network(&network))?;
            session.client_at(&version).delete_network(&network.id).await?;
            session.output.gone("network", &[network.id])
        }
    }
}
