//! Networks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use limiter_api::params::{NetworkChange, NetworkQuery, NewNetwork};
use limiter_api::views;
use limiter_domain::{Network, NetworkEgress, NetworkId, NetworkKind, Node, NodeId, network, rule};
use limiter_state::{Access, UnknownSources};

use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Caller, DEFAULT_REGION, DEFAULT_ZONE, Reach, address, read, view};
use crate::store::{InstanceFilter, NetworkFilter, Tx};

/// Whether basic bandwidth comes with a network, as written.
const KINDS: [bool; 2] = [true, false];

impl App {
    /// Lists networks.
    pub async fn networks(
        &self,
        caller: &Caller,
        query: &NetworkQuery,
    ) -> Result<views::Page<views::Network>, AppError> {
        let reach = caller.reads()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let filter = NetworkFilter {
            account: read::listed(&tx, &reach, query.account.as_deref()).await?,
            region: query.region.as_deref().map(Into::into),
            zone: query.zone.as_deref().map(Into::into),
            name_contains: query.name.clone(),
            without_plan: query.without_plan.unwrap_or(false),
            ..NetworkFilter::default()
        };
        let page = tx.networks(&filter, &paging).await?;
        let ids: Vec<_> = page.items.iter().map(|network| network.id.clone()).collect();
        let plans = tx.plans_of_networks(&ids).await?;
        let plans: HashMap<_, _> =
            plans.iter().filter_map(|plan| Some((plan.network.as_ref()?, plan))).collect();
        let instances = tx.count_instances_of(&ids).await?;
        Ok(read::page(page, |network| {
            let count = instances.get(network.id.as_str()).copied().unwrap_or_default();
            view::network(&network, plans.get(&network.id).copied(), count)
        }))
    }

    /// Shows a network.
    pub async fn network(&self, caller: &Caller, id: &str) -> Result<views::Network, AppError> {
        let reach = caller.reads()?;
        let tx = self.store.read().await?;
        shown(&tx, &read::network(&tx, &reach, id).await?).await
    }

    /// Creates a network.
    pub async fn create_network(&self, call: &Call, input: NewNetwork) -> Result<views::Network, AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let network = self.add_network(&mut change, &reach, input).await?;
        let view = shown(&change.tx, &network).await?;
        change.finish(view).await
    }

    /// Creates a network as part of a change.
    pub(super) async fn add_network(
        &self,
        change: &mut Change,
        reach: &Reach,
        input: NewNetwork,
    ) -> Result<Network, AppError> {
        let kind = read::word("kind", input.kind.as_deref().unwrap_or("shared"), &KINDS, kind_code)?;
        let account = read::whose(&change.tx, reach, input.account.as_deref()).await?;
        let nodes = match &input.nodes {
            None => None,
            named => named_nodes(&change.tx, reach, named.as_deref()).await?,
        };
        let mut new = network::NewNetwork {
            name: input.name,
            external_id: input.external_id,
            region: input.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            zone: input.zone.unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
            kind: self.kind(reach, kind, input.basic_bps)?,
            prefixes: input.prefixes,
            nodes,
            egress: NetworkEgress::None,
            internet: access(input.internet.as_deref())?.unwrap_or_default(),
            unknown_sources: unknown_sources(input.unknown_sources.as_deref())?.unwrap_or_default(),
            observe: input.observe.unwrap_or(false),
        };
        new.egress = match egress(reach, input.egress.as_deref())? {
            Some(egress) => egress,
            None => default_egress(&change.tx, &new.region).await?,
        };
        let tx = &change.tx;
        let nodes = nodes_for(tx, &new.region, new.nodes.as_deref()).await?;
        let facts = network::Facts {
            claims: &read::claims(tx.prefixes_of_zone(&new.region, Some(&new.zone)).await?),
            nodes: &nodes,
            elsewhere: &elsewhere(tx, &nodes, (&new.region, &new.zone), new.egress).await?,
            egress_address: address::inside(tx, &new.prefixes, &nodes).await?,
            instances: &[],
            name_taken: tx.network_by_name(&account, &new.name).await?.is_some(),
            external_id_taken: match new.external_id.as_deref() {
                Some(id) => tx.network_by_external_id(&account, id).await?.is_some(),
                None => false,
            },
        };
        let id = NetworkId::of_random(rand::random());
        let made = network::create(id, account, &new, facts, change.now, change.revision())?;
        put(change, made).await
    }

    /// Changes a network.
    pub async fn change_network(
        &self,
        call: &Call,
        id: &str,
        input: NetworkChange,
    ) -> Result<views::Network, AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let before = read::network(&change.tx, &reach, id).await?;
        call.check_version(before.version)?;
        let network = self.alter_network(&mut change, &reach, &before, input).await?;
        if network.nodes != before.nodes {
            let nodes = change.nodes_of_region(&network.region).await?;
            for node in network::taken_from(&before, &network, &nodes, change.revision()) {
                change.put_node(&node).await?;
            }
            // What waited for a node that is no longer one of its own is over.
            self.settle(&mut change, &network.region).await?;
            self.place_network(&mut change, &network).await?;
        }
        let view = shown(&change.tx, &network).await?;
        change.finish(view).await
    }

    /// Changes a network as part of a change.
    pub(super) async fn alter_network(
        &self,
        change: &mut Change,
        reach: &Reach,
        before: &Network,
        input: NetworkChange,
    ) -> Result<Network, AppError> {
        let nodes = match &input.nodes {
            None => None,
            Some(named) => Some(named_nodes(&change.tx, reach, named.as_deref()).await?),
        };
        let kind = match input.basic_bps {
            None => None,
            Some(_) if before.kind == NetworkKind::Vpc => {
                let message = "a vpc network has no basic bandwidth; leave it out";
                return Err(refuse_field(limiter_domain::Code::InvalidParameter, "basic_bps", message));
            }
            bps => Some(self.kind(reach, true, bps)?),
        };
        let wanted = network::NetworkChange {
            name: input.name.filter(|name| **name != *before.name),
            external_id: None,
            kind,
            prefixes: input.prefixes,
            nodes,
            egress: egress(reach, input.egress.as_deref())?,
            internet: access(input.internet.as_deref())?,
            unknown_sources: unknown_sources(input.unknown_sources.as_deref())?,
            observe: input.observe,
        };
        let tx = &change.tx;
        let (claims, instances) = match &wanted.prefixes {
            None => (limiter_domain::claims::Claims::default(), Vec::new()),
            Some(_) => (
                read::claims(tx.prefixes_of_zone(&before.region, Some(&before.zone)).await?),
                tx.all_instances(&instances_of(&before.id)).await?,
            ),
        };
        // Where none of these changes, what was accepted still is.
        let moves = wanted.prefixes.is_some() || wanted.nodes.is_some() || wanted.egress.is_some();
        let (nodes, elsewhere) = if moves {
            let egress = wanted.egress.unwrap_or(before.egress);
            let named = wanted.nodes.as_ref().and_then(Option::as_deref);
            let nodes = nodes_for(tx, &before.region, named).await?;
            let elsewhere = elsewhere(tx, &nodes, (&before.region, &before.zone), egress).await?;
            (nodes, elsewhere)
        } else {
            (Vec::new(), Vec::new())
        };
        let facts = network::Facts {
            claims: &claims,
            nodes: &nodes,
            elsewhere: &elsewhere,
            egress_address: address::inside(tx, wanted.prefixes.as_deref().unwrap_or_default(), &nodes)
                .await?,
            instances: &instances,
            name_taken: match &wanted.name {
                Some(name) => tx.network_by_name(&before.account, name).await?.is_some(),
                None => false,
            },
            external_id_taken: false,
        };
        let (now, revision) = (change.now, change.revision());
        let made = network::update(before, &wanted, facts, now, revision)?;
        let mut network = put(change, made).await?;
        if let Some(wanted) = input.default_rule {
            let plan = change.tx.plan_of_network(&network.id).await?;
            let rule = match wanted.as_deref() {
                Some(id) => Some(read::rule(&change.tx, reach, id).await?),
                None => None,
            };
            let made = rule::set_default(&network, plan.as_ref(), rule.as_ref(), now, revision)?;
            network = put(change, made).await?;
        }
        Ok(network)
    }

    /// Deletes a network; it is gone when no node carries it any more.
    pub async fn remove_network(&self, call: &Call, id: &str) -> Result<(), AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let network = read::network(&change.tx, &reach, id).await?;
        call.check_version(network.version)?;
        let holder = change.tx.plan_of_network(&network.id).await?.map(|plan| plan.id);
        let instances = change.tx.count_instances(&instances_of(&network.id)).await? as usize;
        let (now, revision) = (change.now, change.revision());
        let made = network::delete(&network, holder.as_ref(), instances, now, revision)?;
        let network = put(&mut change, made).await?;
        let nodes = change.nodes_of_region(&network.region).await?;
        if network::is_gone(&network, &nodes) {
            change.tx.remove_network(&network.id).await?;
        }
        change.finish(()).await
    }

    fn kind(&self, reach: &Reach, shared: bool, basic_bps: Option<u64>) -> Result<NetworkKind, AppError> {
        if basic_bps.is_some() && *reach != Reach::All {
            return Err(AppError::Forbidden(
                "only an operator sets the basic bandwidth of a network".to_owned(),
            ));
        }
        match (shared, basic_bps) {
            (true, bps) => Ok(network::shared(bps, self.settings())?),
            (false, None) => Ok(NetworkKind::Vpc),
            (false, Some(_)) => {
                let message = "a vpc network has no basic bandwidth; leave it out, or make it shared";
                Err(refuse_field(limiter_domain::Code::InvalidParameter, "basic_bps", message))
            }
        }
    }
}

/// The instances of a network.
pub(super) fn instances_of(network: &NetworkId) -> InstanceFilter {
    InstanceFilter { network: Some(network.clone()), ..InstanceFilter::default() }
}

async fn put(change: &mut Change, made: limiter_domain::Change<Network>) -> Result<Network, AppError> {
    let mut network = made.value;
    if made.events.is_empty() {
        return Ok(network);
    }
    network.version += 1;
    change.tx.put_network(&network).await?;
    if made.reaches_nodes {
        change.rebuild(&network.id);
    }
    change.happened(Some(&network.account), network.id.as_str(), &made.events);
    Ok(network)
}

pub(super) async fn shown(tx: &Tx, network: &Network) -> Result<views::Network, AppError> {
    let plan = tx.plan_of_network(&network.id).await?;
    let instances = tx.count_instances(&instances_of(&network.id)).await?;
    Ok(view::network(network, plan.as_ref(), instances))
}

/// Nodes by id or name; which nodes there are is the operator's knowledge.
async fn named_nodes(
    tx: &Tx,
    reach: &Reach,
    named: Option<&[String]>,
) -> Result<Option<Vec<NodeId>>, AppError> {
    if *reach != Reach::All {
        return Err(AppError::Forbidden("only an operator names the nodes of a network".to_owned()));
    }
    let Some(named) = named else { return Ok(None) };
    read::few("nodes", named, limiter_api::LIST_MAX)?;
    let mut nodes = Vec::with_capacity(named.len());
    for text in named {
        nodes.push(read::node(tx, text).await?.id);
    }
    Ok(Some(nodes))
}

/// The nodes of a region and those that are named.
async fn nodes_for(tx: &Tx, region: &str, named: Option<&[NodeId]>) -> Result<Vec<Node>, AppError> {
    let mut nodes = tx.nodes_of_region(region).await?;
    let others = tx.nodes_by_id(named.unwrap_or_default()).await?;
    nodes.extend(others.into_iter().filter(|node| *node.region != *region));
    Ok(nodes)
}

/// Networks that one of this region and zone must not share addresses with: those of the zones that one of its
/// nodes serves as well, of which `egress` says whether all matter or those that are translated.
async fn elsewhere(
    tx: &Tx,
    nodes: &[Node],
    (region, zone): (&str, &str),
    egress: NetworkEgress,
) -> Result<Vec<Network>, AppError> {
    let zones = |node: &Node| node.interfaces.iter().map(|it| Arc::clone(&it.zone)).collect::<BTreeSet<_>>();
    let served = nodes.iter().filter(|node| *node.region == *region).map(zones);
    let met: BTreeSet<Arc<str>> = served.filter(|zones| zones.contains(zone)).flatten().collect();
    let mut networks = Vec::new();
    for other in met.into_iter().filter(|other| **other != *zone) {
        let filter = NetworkFilter {
            region: Some(region.into()),
            zone: Some(other),
            translated: egress == NetworkEgress::None,
            ..NetworkFilter::default()
        };
        networks.extend(tx.all_networks(&filter).await?);
    }
    Ok(networks)
}

/// What the packets of a new network leave through, where nobody says it.
async fn default_egress(tx: &Tx, region: &str) -> Result<NetworkEgress, AppError> {
    Ok(if tx.has_addresses(region).await? { NetworkEgress::Exclusive } else { NetworkEgress::None })
}

/// How the region is routed is the operator's knowledge.
fn egress(reach: &Reach, text: Option<&str>) -> Result<Option<NetworkEgress>, AppError> {
    if text.is_some() && *reach != Reach::All {
        return Err(AppError::Forbidden("only an operator sets the egress of a network".to_owned()));
    }
    text.map(|text| read::word("egress", text, &view::EGRESSES, view::egress_code)).transpose()
}

const fn kind_code(shared: bool) -> &'static str {
    if shared { "shared" } else { "vpc" }
}

pub(super) fn access(text: Option<&str>) -> Result<Option<Access>, AppError> {
    let all = [Access::Allow, Access::Deny];
    text.map(|text| read::word("internet", text, &all, view::access)).transpose()
}

pub(super) fn unknown_sources(text: Option<&str>) -> Result<Option<UnknownSources>, AppError> {
    let all = [UnknownSources::Drop, UnknownSources::Budget];
    text.map(|text| read::word("unknown_sources", text, &all, view::unknown_sources)).transpose()
}
