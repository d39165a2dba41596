//! Networks: groups of instances that share one Internet budget.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use limiter_state::address::{self, network_prefix};
use limiter_state::{Access, Rate, UnknownSources};

use crate::acknowledge::{carries, let_go};
use crate::claims::{self, Claims};
use crate::{
    AccountId, Change, Code, EventKind, Happening, Instance, NetworkId, Node, NodeId, PlanId, Refusal,
    Revision, RuleId, Settings, egress, text,
};

/// A group of instances that share one Internet budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Identity.
    pub id: NetworkId,
    /// Its owner.
    pub account: AccountId,
    /// Its name, unique in the account.
    pub name: Arc<str>,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<Arc<str>>,
    /// Its region; never changes.
    pub region: Arc<str>,
    /// Its zone; networks of different zones may use the same addresses.
    pub zone: Arc<str>,
    /// Whether basic bandwidth comes with it.
    pub kind: NetworkKind,
    /// The prefixes its instances have their addresses from; sorted, disjoint in the region and zone.
    pub prefixes: Vec<IpNet>,
    /// The nodes that carry it; [`None`]: every node of its region that serves its zone.
    pub nodes: Option<Vec<NodeId>>,
    /// What its packets leave through.
    pub egress: NetworkEgress,
    /// Whether its instances reach the Internet; decided before limits, untouched by plans.
    pub internet: Access,
    /// Sources inside its prefixes that are no known instance.
    pub unknown_sources: UnknownSources,
    /// Count what would be refused, refuse nothing.
    pub observe: bool,
    /// Rule of instances without one.
    pub default_rule: Option<RuleId>,
    /// Where it is in its life.
    pub status: NetworkStatus,
    /// Revision of the last change that nodes must know.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

/// Whether a network has Internet access without a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// It has the free basic bandwidth, for all its instances together and for each direction.
    Shared {
        /// The basic rate.
        basic: Rate,
    },
    /// It is offline without a plan.
    Vpc,
}

/// What the IPv4 packets of a network leave through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkEgress {
    /// Nothing of ours: they are routed as they are.
    None,
    /// The shared address of the node, also with a plan.
    Shared,
    /// The address of its plan while that serves it, at one node; else the shared one.
    Exclusive,
}

/// Where a network is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkStatus {
    /// In use.
    Active,
    /// Deleted by its owner; waits until no node carries it any more.
    Deleting,
}

/// What a network is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNetwork {
    /// Its name.
    pub name: String,
    /// The owner's own identity for it.
    pub external_id: Option<String>,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// Whether basic bandwidth comes with it; [`shared`] makes one.
    pub kind: NetworkKind,
    /// Its prefixes.
    pub prefixes: Vec<String>,
    /// The nodes that carry it, where not all do.
    pub nodes: Option<Vec<NodeId>>,
    /// What its packets leave through.
    pub egress: NetworkEgress,
    /// Whether its instances reach the Internet.
    pub internet: Access,
    /// Sources inside its prefixes that are no known instance.
    pub unknown_sources: UnknownSources,
    /// Count what would be refused, refuse nothing.
    pub observe: bool,
}

/// What a network becomes; [`None`]: as it was. Its default rule is [`crate::rule::set_default`]'s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkChange {
    /// Its name.
    pub name: Option<String>,
    /// The owner's own identity for it, or none.
    pub external_id: Option<Option<String>>,
    /// Whether basic bandwidth comes with it.
    pub kind: Option<NetworkKind>,
    /// Its prefixes.
    pub prefixes: Option<Vec<String>>,
    /// The nodes that carry it, or all.
    pub nodes: Option<Option<Vec<NodeId>>>,
    /// What its packets leave through.
    pub egress: Option<NetworkEgress>,
    /// Whether its instances reach the Internet.
    pub internet: Option<Access>,
    /// Sources inside its prefixes that are no known instance.
    pub unknown_sources: Option<UnknownSources>,
    /// Count what would be refused, refuse nothing.
    pub observe: Option<bool>,
}

/// What a network depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Prefixes of the networks of the region and zone, those that are being deleted too.
    pub claims: &'a Claims<NetworkId>,
    /// The nodes of the region, where the network's prefixes, nodes or egress change.
    pub nodes: &'a [Node],
    /// Networks of the zones that one of its nodes serves beside its own: all where this one is translated, else
    /// those that are.
    pub elsewhere: &'a [Network],
    /// An address that packets leave through, with the place of the prefix that has it inside.
    pub egress_address: Option<(usize, Ipv4Addr)>,
    /// At least the instances of the network, where its prefixes change.
    pub instances: &'a [Instance],
    /// Another network of the account has the name.
    pub name_taken: bool,
    /// Another network of the account has the external id.
    pub external_id_taken: bool,
}

/// A shared network of `basic_bps`, or of the deployment's own basic rate.
pub fn shared(basic_bps: Option<u64>, settings: &Settings) -> Result<NetworkKind, Refusal> {
    let Some(bps) = basic_bps else { return Ok(NetworkKind::Shared { basic: settings.basic }) };
    Rate::new(bps).map(|basic| NetworkKind::Shared { basic }).map_err(|error| {
        Refusal::new(Code::InvalidParameter, format!("{bps} bit/s is {error}")).at("basic_bps")
    })
}

/// Makes a network.
///
/// Refused with `InvalidParameter`, `MissingParameter`, `TooManyIds`, `NodeNotFound`, `RegionMismatch`,
/// `AddressConflict`, `NodeHasNoSharedAddress` and `NameDuplicate`.
pub fn create(
    id: NetworkId,
    account: AccountId,
    new: &NewNetwork,
    facts: Facts<'_>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Network>, Refusal> {
    let mut network = Network {
        id,
        account,
        name: text::name(&new.name, "name")?,
        external_id: text::external_id(new.external_id.as_deref())?,
        region: text::name(&new.region, "region")?,
        zone: text::name(&new.zone, "zone")?,
        kind: new.kind,
        prefixes: claims::read(&new.prefixes, "prefixes", network_prefix)?,
        nodes: None,
        egress: new.egress,
        internet: new.internet,
        unknown_sources: new.unknown_sources,
        observe: new.observe,
        default_rule: None,
        status: NetworkStatus::Active,
        revision,
        created_at: now,
        version: 0,
    };
    network.nodes = new.nodes.as_deref().map(|nodes| named(nodes, &network, facts.nodes)).transpose()?;
    disjoint(&network, &new.prefixes, facts.claims)?;
    egress::fits(&network, &facts)?;
    text::free(facts.name_taken, "name", Some(&new.name))?;
    text::free(facts.external_id_taken, "external_id", new.external_id.as_deref())?;
    let detail = format!("{}, {}", network.name, text::few(network.prefixes.iter()));
    let events = vec![Happening::new(now, EventKind::NetworkCreated, detail)];
    Ok(Change { value: network, reaches_nodes: true, events })
}

/// Changes a network; the nodes that carried it and those that carry it now must know.
///
/// Refused as [`create`], with `NetworkNotReady`, and with `AddressConflict` where an instance would lose
/// its address.
pub fn update(
    network: &Network,
    change: &NetworkChange,
    facts: Facts<'_>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Network>, Refusal> {
    let mut next = network.clone();
    if let Some(name) = &change.name {
        next.name = text::name(name, "name")?;
    }
    if let Some(id) = &change.external_id {
        next.external_id = text::external_id(id.as_deref())?;
    }
    if let Some(prefixes) = &change.prefixes {
        next.prefixes = claims::read(prefixes, "prefixes", network_prefix)?;
    }
    next.kind = change.kind.unwrap_or(network.kind);
    next.egress = change.egress.unwrap_or(network.egress);
    next.internet = change.internet.unwrap_or(network.internet);
    next.unknown_sources = change.unknown_sources.unwrap_or(network.unknown_sources);
    next.observe = change.observe.unwrap_or(network.observe);
    if let Some(nodes) = &change.nodes {
        next.nodes = nodes.as_deref().map(|nodes| named(nodes, network, facts.nodes)).transpose()?;
    }
    ready(network)?;
    if let Some(prefixes) = &change.prefixes {
        disjoint(&next, prefixes, facts.claims)?;
        keeps_instances(&next, facts.instances)?;
    }
    egress::fits(&next, &facts)?;
    text::free(facts.name_taken, "name", change.name.as_deref())?;
    let external_id = change.external_id.as_ref().and_then(Option::as_deref);
    text::free(facts.external_id_taken, "external_id", external_id)?;
    if next == *network {
        return Ok(Change { value: next, reaches_nodes: false, events: Vec::new() });
    }
    let unseen = Network { external_id: network.external_id.clone(), ..next.clone() } == *network;
    if !unseen {
        next.revision = revision;
    }
    let events = vec![Happening::new(now, EventKind::NetworkUpdated, differences(network, &next))];
    Ok(Change { value: next, reaches_nodes: !unseen, events })
}

/// Deletes a network. Its prefixes are free when [`is_gone`]. Again, it changes nothing.
///
/// Refused with `NetworkInUse` while `holder`, a plan, holds it or it has instances.
pub fn delete(
    network: &Network,
    holder: Option<&PlanId>,
    instances: usize,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Network>, Refusal> {
    let id = &network.id;
    let in_use = |message| Err(Refusal::new(Code::NetworkInUse, message));
    if let Some(plan) = holder {
        return in_use(format!(
            "plan {plan} holds network {id}; dissociate it and wait until nodes acknowledged that"
        ));
    }
    if instances > 0 {
        return in_use(format!("network {id} has {instances} instances; delete them first"));
    }
    let mut next = network.clone();
    if network.status == NetworkStatus::Deleting {
        return Ok(Change { value: next, reaches_nodes: false, events: Vec::new() });
    }
    next.status = NetworkStatus::Deleting;
    next.revision = revision;
    let events = vec![Happening::new(now, EventKind::NetworkDeleted, network.name.to_string())];
    Ok(Change { value: next, reaches_nodes: true, events })
}

/// The nodes that lose a network by its change, as they become: each is to acknowledge that it let go.
pub fn taken_from(before: &Network, after: &Network, nodes: &[Node], revision: Revision) -> Vec<Node> {
    let loses = |node: &&Node| carries(node, before) && !carries(node, after);
    nodes.iter().filter(loses).map(|node| Node { revision, ..node.clone() }).collect()
}

/// True for a deleted network that no node carries traffic of any more: it is to be forgotten.
pub fn is_gone(network: &Network, nodes: &[Node]) -> bool {
    network.status == NetworkStatus::Deleting && let_go(network, nodes, network.revision)
}

/// Refuses what needs a network that stays.
pub(crate) fn ready(network: &Network) -> Result<(), Refusal> {
    match network.status {
        NetworkStatus::Active => Ok(()),
        NetworkStatus::Deleting => Err(Refusal::new(
            Code::NetworkNotReady,
            format!("network {} is being deleted; choose another", network.id),
        )),
    }
}

fn named(ids: &[NodeId], network: &Network, nodes: &[Node]) -> Result<Vec<NodeId>, Refusal> {
    if ids.is_empty() {
        let message = "the list `nodes` is empty; name the nodes, or leave it out for all";
        return Err(Refusal::new(Code::InvalidParameter, message).at("nodes"));
    }
    claims::at_most(ids.len(), claims::LIST_MAX, "nodes")?;
    for (index, id) in ids.iter().enumerate() {
        let at = |refusal: Refusal| Err(refusal.at(format!("nodes[{index}]")));
        let Some(node) = nodes.iter().find(|node| node.id == *id) else {
            return at(Refusal::missing(Code::NodeNotFound, "node", id));
        };
        if node.region != network.region {
            let message = format!(
                "node {id} is in region {:?}, the network in {:?}; name nodes of its region",
                node.region, network.region
            );
            return at(Refusal::new(Code::RegionMismatch, message));
        }
        if !carries(node, &Network { nodes: None, ..network.clone() }) {
            let message = format!("node {id} has no interface in zone {:?}; add one first", network.zone);
            return at(Refusal::new(Code::InvalidParameter, message));
        }
    }
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn disjoint(network: &Network, texts: &[String], claims: &Claims<NetworkId>) -> Result<(), Refusal> {
    for prefix in &network.prefixes {
        if let Some((taken, _)) = claims.conflict(prefix, Some(&network.id)) {
            // Not by name: it may be another account's.
            let message = format!(
                "{prefix} overlaps {taken}, which is in use in zone {:?} of region {:?}; choose another prefix, or another zone",
                network.zone, network.region
            );
            let field = claims::field_of(prefix, texts, "prefixes", network_prefix);
            return Err(Refusal::new(Code::AddressConflict, message).at(field));
        }
    }
    Ok(())
}

fn keeps_instances(network: &Network, instances: &[Instance]) -> Result<(), Refusal> {
    let own = instances.iter().filter(|instance| instance.network == network.id);
    for instance in own {
        let outside = |net: &&IpNet| address::containing(&network.prefixes, net).is_none();
        if let Some(net) = instance.addresses.iter().find(outside) {
            let message = format!(
                "instance {} has {}, which would be outside; keep its prefix, or give it another address first",
                instance.id,
                address::show(*net)
            );
            return Err(Refusal::new(Code::AddressConflict, message).at("prefixes"));
        }
    }
    Ok(())
}

fn differences(before: &Network, after: &Network) -> String {
    let mut changed = Vec::new();
    if before.name != after.name {
        changed.push(format!("name {} -> {}", before.name, after.name));
    }
    let mut note = |differs: bool, what: &str| changed.extend(differs.then(|| what.to_owned()));
    note(before.external_id != after.external_id, "external id");
    note(before.kind != after.kind, "kind");
    note(before.prefixes != after.prefixes, "prefixes");
    note(before.nodes != after.nodes, "nodes");
    note(before.egress != after.egress, "egress");
    note(before.internet != after.internet, "internet access");
    note(before.unknown_sources != after.unknown_sources, "unknown sources");
    note(before.observe != after.observe, "observe mode");
    changed.join(", ")
}
