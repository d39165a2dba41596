//! Nodes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use limiter_api::params::{NewNode, NodeChange, Paging};
use limiter_api::views;
use limiter_domain::{Network, Node, NodeId, NodeInterface, node};
use limiter_state::{EgressAddresses, Mode, Policy};

use super::change::{Begun, Call, Change};
use super::{App, AppError, Caller, DEFAULT_REGION, read, view};
use crate::store::{NetworkFilter, Tx};

impl App {
    /// Lists nodes.
    pub async fn nodes(&self, caller: &Caller, query: &Paging) -> Result<views::Page<views::Node>, AppError> {
        caller.operates()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let page = tx.nodes(&paging).await?;
        let held = tx.count_addresses_held().await?;
        let news = self.news(tx.revision()).await?;
        Ok(read::page(page, |node| {
            let addresses = held.get(node.id.as_str()).copied().unwrap_or_default();
            view::node(&node, news.of(&node), addresses)
        }))
    }

    /// Shows a node.
    pub async fn node(&self, caller: &Caller, id: &str) -> Result<views::Node, AppError> {
        caller.operates()?;
        let tx = self.store.read().await?;
        let node = read::node(&tx, id).await?;
        let addresses = held(&tx, &node).await?;
        let wanted = self.news(tx.revision()).await?.of(&node);
        Ok(view::node(&node, wanted, addresses))
    }

    /// Creates a node.
    pub async fn create_node(&self, call: &Call, input: NewNode) -> Result<views::Node, AppError> {
        call.caller.operates()?;
        let new = node::NewNode {
            name: input.name,
            region: input.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            uplinks: input.uplinks,
            interfaces: interfaces(&input.interfaces)?,
            shared_address: input.shared_address,
            egress_addresses: egress_addresses(input.egress_addresses.as_deref())?.unwrap_or_default(),
        };
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let address = new.shared_address.as_deref();
        let known = known(&change.tx, &new.region, Some(&new.name), address).await?;
        let id = NodeId::of_random(rand::random());
        let made = node::create(id, &new, known.facts(), change.now, change.revision())?;
        let node = put(&mut change, made).await?;
        self.place_node(&mut change, &node).await?;
        let view = view::node(&node, node.revision, held(&change.tx, &node).await?);
        change.finish(view).await
    }

    /// Changes a node, fences it, or lets everything pass on it.
    pub async fn change_node(
        &self,
        call: &Call,
        id: &str,
        input: NodeChange,
    ) -> Result<views::Node, AppError> {
        call.caller.operates()?;
        let wanted = node::NodeChange {
            name: input.name,
            uplinks: input.uplinks,
            interfaces: input.interfaces.as_deref().map(interfaces).transpose()?,
            shared_address: input.shared_address,
            egress_addresses: egress_addresses(input.egress_addresses.as_deref())?,
            drained: input.drained,
            bypass: input.bypass,
        };
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let before = read::node(&change.tx, id).await?;
        call.check_version(before.version)?;
        let name = wanted.name.as_deref().filter(|name| *name != &*before.name);
        let address = wanted.shared_address.as_ref().and_then(Option::as_deref);
        let mut known = known(&change.tx, &before.region, name, address).await?;
        if wanted.shared_address == Some(None) {
            known.networks = change.tx.all_networks(&in_region(&before.region)).await?;
        }
        let (now, revision) = (change.now, change.revision());
        let mut made = node::update(&before, &wanted, known.facts(), now, revision)?;
        if let Some(fenced) = input.fenced {
            let wanted = self.news(revision - 1).await?.of(&before);
            let next = node::set_fenced(&made.value, fenced, wanted, now, revision)?;
            made.events.extend(next.events);
            made.reaches_nodes |= next.reaches_nodes;
            made.value = next.value;
        }
        let node = put(&mut change, made).await?;
        // What only it held up is done where it carries less than before, or is fenced.
        self.settle(&mut change, &before.region).await?;
        self.place_node(&mut change, &node).await?;
        let addresses = held(&change.tx, &node).await?;
        let wanted = self.news(change.revision() - 1).await?.of(&node);
        let view = view::node(&node, wanted, addresses);
        change.finish(view).await
    }

    /// Deletes a node.
    pub async fn remove_node(&self, call: &Call, id: &str) -> Result<(), AppError> {
        call.caller.operates()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let node = read::node(&change.tx, id).await?;
        call.check_version(node.version)?;
        let networks = change.tx.all_networks(&in_region(&node.region)).await?;
        let events = node::delete(&node, &networks, change.now)?;
        change.remove_node(&node.id).await?;
        self.settle(&mut change, &node.region).await?;
        self.place_node(&mut change, &node).await?;
        change.happened(None, node.id.as_str(), &events);
        change.finish(()).await
    }
}

/// What a change of a node depends on.
#[derive(Default)]
struct Known {
    name_taken: bool,
    sharing: Vec<Node>,
    is_pooled: bool,
    owned: Option<IpNet>,
    networks: Vec<Network>,
}

impl Known {
    fn facts(&self) -> node::Facts<'_> {
        let Self { name_taken, sharing, is_pooled, owned, networks } = self;
        let (name_taken, is_pooled, owned) = (*name_taken, *is_pooled, *owned);
        node::Facts { name_taken, nodes: sharing, is_pooled, owned, networks }
    }
}

async fn known(tx: &Tx, region: &str, name: Option<&str>, address: Option<&str>) -> Result<Known, AppError> {
    let name_taken = match name {
        Some(name) => tx.node_by_name(name).await?.is_some(),
        None => false,
    };
    let mut known = Known { name_taken, ..Known::default() };
    if let Some(address) = address.and_then(|text| text.parse::<Ipv4Addr>().ok()) {
        let owned = super::address::owned(tx, region).await?;
        known.sharing = tx.nodes_sharing().await?;
        known.is_pooled = tx.address(address).await?.is_some();
        known.owned = owned.into_iter().find(|net| net.contains(&IpAddr::V4(address)));
    }
    Ok(known)
}

/// How many addresses of plans a node may use.
async fn held(tx: &Tx, node: &Node) -> Result<u64, AppError> {
    Ok(tx.count_addresses_held().await?.get(node.id.as_str()).copied().unwrap_or_default())
}

fn egress_addresses(text: Option<&str>) -> Result<Option<EgressAddresses>, AppError> {
    let all = [EgressAddresses::Assign, EgressAddresses::Routed];
    text.map(|text| read::word("egress_addresses", text, &all, view::egress_addresses)).transpose()
}

fn in_region(region: &Arc<str>) -> NetworkFilter {
    NetworkFilter { region: Some(Arc::clone(region)), ..NetworkFilter::default() }
}

async fn put(change: &mut Change, made: limiter_domain::Change<Node>) -> Result<Node, AppError> {
    let mut node = made.value;
    if !made.events.is_empty() {
        node.version += 1;
        change.put_node(&node).await?;
        change.happened(None, node.id.as_str(), &made.events);
    }
    Ok(node)
}

fn interfaces(written: &[views::NodeInterface]) -> Result<Vec<NodeInterface>, AppError> {
    let modes = [Mode::Auto, Mode::Shape, Mode::Police];
    let policies = [Policy::Drop, Policy::Pass];
    let mut read = Vec::with_capacity(written.len());
    for (index, interface) in written.iter().enumerate() {
        let field = |name: &str| format!("interfaces[{index}].{name}");
        read.push(NodeInterface {
            pattern: interface.pattern.clone(),
            zone: interface.zone.as_str().into(),
            mode: read::word(&field("mode"), &interface.mode, &modes, view::mode_code)?,
            observe: interface.observe,
            foreign_sources: read::word(
                &field("foreign_sources"),
                &interface.foreign_sources,
                &policies,
                view::policy_code,
            )?,
        });
    }
    Ok(read)
}
