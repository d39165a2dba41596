//! Networks.

use limiter_api::client::all_pages;
use limiter_api::params::{MoveEgress, NetworkChange, NetworkQuery, NewNetwork};
use limiter_api::views::{Network, Node};

use super::{Session, given, something};
use crate::args::{IfVersion, NetworkCommand, Switch, WaitArgs};
use crate::confirm;
use crate::failure::Failure;
use crate::lookup::{names, node_name};
use crate::wait;

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
        NetworkCommand::Show { network } => show(session, session.find().network(&network).await?).await,
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
                egress: policy.egress,
                internet: policy.internet,
                unknown_sources: policy.unknown_sources,
                observe: policy.observe.map(|switch| switch == Switch::On),
            };
            show(session, client.create_network(&new).await?).await
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
            let is_policy = is_policy || policy.egress.is_some();
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
                egress: policy.egress,
                internet: policy.internet,
                unknown_sources: policy.unknown_sources,
                observe: policy.observe.map(|switch| switch == Switch::On),
                default_rule,
            };
            show(session, session.client_at(&version).update_network(&network.id, &change).await?).await
        }
        NetworkCommand::MoveEgress { network, node, wait, version } => {
            let network = session.find().network(&network).await?;
            move_egress(session, &network, client.node(&node).await?, &wait, &version).await
        }
        NetworkCommand::Delete { network, version } => {
            let network = session.find().network(&network).await?;
            session.confirm.ask(&confirm::delete_network(&network))?;
            session.client_at(&version).delete_network(&network.id).await?;
            session.output.gone("network", &[network.id])
        }
    }
}

/// Shows the nodes of a network by name to people.
async fn show(session: &Session, mut network: Network) -> Result<(), Failure> {
    if session.output.for_people() {
        let named = [&network.egress_node, &network.egress_leaving].into_iter().flatten();
        let ids = network.nodes.iter().flatten().chain(named).map(String::as_str);
        let names = names(ids, async |id| node_name(&session.client, id).await).await?;
        let nodes = network.nodes.iter_mut().flatten();
        for node in nodes.chain(&mut network.egress_node).chain(&mut network.egress_leaving) {
            if let Some(name) = names.get(node) {
                node.clone_from(name);
            }
        }
    }
    session.output.one(&network)
}

async fn move_egress(
    session: &Session,
    network: &Network,
    mut to: Node,
    wait: &WaitArgs,
    version: &IfVersion,
) -> Result<(), Failure> {
    let client = &session.client;
    let from = match network.egress_leaving.as_deref().or(network.egress_node.as_deref()) {
        Some(from) if from != to.id => Some(client.node(from).await?),
        _ => None,
    };
    if let Some(from) = &from {
        session.confirm.ask(&confirm::move_egress(network, from, &to))?;
    }
    let move_to = MoveEgress { node: to.id.clone() };
    let mut moved = session.client_at(version).move_egress(&network.id, &move_to).await?;
    let result = wait::moved(client, &mut moved, from.as_ref(), &mut to, wait).await;
    show(session, moved).await?;
    result
}
