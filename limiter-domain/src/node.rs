//! Nodes: the machines that carry networks.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use limiter_state::address::egress_address;
use limiter_state::{EgressAddresses, Mode, Pattern, Policy};

use crate::acknowledge::{carries, has_asked, is_behind};
use crate::claims::at_most;
use crate::{Change, Code, EventKind, Happening, Network, NodeId, Refusal, Revision, egress, text};

/// A machine with an agent. It carries the networks of its region whose zone one of its interfaces has.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Identity.
    pub id: NodeId,
    /// Its name, unique in the deployment.
    pub name: Arc<str>,
    /// Its region.
    pub region: Arc<str>,
    /// Devices towards the Internet; empty: those of the default routes.
    pub uplinks: Vec<String>,
    /// Instance-facing interfaces; the first match counts.
    pub interfaces: Vec<NodeInterface>,
    /// The address that networks without one of their own leave through, where they are translated.
    pub shared_address: Option<Ipv4Addr>,
    /// Shared addresses that it may still use: those from before a change that it has not acknowledged.
    pub former_addresses: Vec<Ipv4Addr>,
    /// Who brings packets for egress addresses to it.
    pub egress_addresses: EgressAddresses,
    /// It gives the addresses of plans away, where another node may have them, and gets no new ones.
    pub drained: bool,
    /// An operator says that it passes nothing any more: nothing waits for it.
    pub fenced: bool,
    /// Everything passes on it, unmetered.
    pub bypass: bool,
    /// The revision it acknowledged last.
    pub acked_revision: Revision,
    /// When it acknowledged last.
    pub acked_at: Option<Timestamp>,
    /// Why it refused the state it was sent last.
    pub problem: Option<Arc<str>>,
    /// When it asked last.
    pub seen_at: Option<Timestamp>,
    /// Version of its agent.
    pub agent_version: Option<Arc<str>>,
    /// Revision of the last change of what is sent to it.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write of an operator.
    pub version: u64,
}

/// Instance-facing interfaces of a node, by name pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInterface {
    /// Interface name, with `*` for any characters and `?` for one.
    pub pattern: String,
    /// Zone of the addresses behind it.
    pub zone: Arc<str>,
    /// How limits are kept.
    pub mode: Mode,
    /// Count what would be refused, refuse nothing.
    pub observe: bool,
    /// Packets from sources outside every network of the zone.
    pub foreign_sources: Policy,
}

/// What a node is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNode {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Devices towards the Internet.
    pub uplinks: Vec<String>,
    /// Instance-facing interfaces.
    pub interfaces: Vec<NodeInterface>,
    /// The address that networks without one of their own leave through.
    pub shared_address: Option<String>,
    /// Who brings packets for egress addresses to it.
    pub egress_addresses: EgressAddresses,
}

/// What a node becomes; [`None`]: as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeChange {
    /// Its name.
    pub name: Option<String>,
    /// Devices towards the Internet.
    pub uplinks: Option<Vec<String>>,
    /// Instance-facing interfaces.
    pub interfaces: Option<Vec<NodeInterface>>,
    /// The address that networks without one of their own leave through, or none.
    pub shared_address: Option<Option<String>>,
    /// Who brings packets for egress addresses to it.
    pub egress_addresses: Option<EgressAddresses>,
    /// Whether it gives the addresses of plans away.
    pub drained: Option<bool>,
    /// Whether everything passes, unmetered.
    pub bypass: Option<bool>,
}

/// What a node depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Another node has the name.
    pub name_taken: bool,
    /// Where a shared address is given: at least the nodes that have it or had it.
    pub nodes: &'a [Node],
    /// The shared address is one for plans.
    pub is_pooled: bool,
    /// What networks of the region own and has the shared address in it.
    pub owned: Option<IpNet>,
    /// Where the node is to have no shared address any more: the networks of the region.
    pub networks: &'a [Network],
}

/// Longest list of interfaces or uplinks.
const LIST_MAX: usize = 1000;

/// Makes a node.
///
/// Refused with `InvalidParameter`, `TooManyIds`, `NameDuplicate` and `AddressConflict`.
pub fn create(
    id: NodeId,
    new: &NewNode,
    facts: Facts<'_>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Node>, Refusal> {
    let node = Node {
        id,
        name: text::name(&new.name, "name")?,
        region: text::name(&new.region, "region")?,
        uplinks: new.uplinks.clone(),
        interfaces: new.interfaces.clone(),
        shared_address: new.shared_address.as_deref().map(shared_address).transpose()?,
        former_addresses: Vec::new(),
        egress_addresses: new.egress_addresses,
        drained: false,
        fenced: false,
        bypass: false,
        acked_revision: 0,
        acked_at: None,
        problem: None,
        seen_at: None,
        agent_version: None,
        revision,
        created_at: now,
        version: 0,
    };
    faces(&node)?;
    text::free(facts.name_taken, "name", Some(&new.name))?;
    unused(&node, facts)?;
    let events = vec![Happening::new(now, EventKind::NodeCreated, format!("{}, {}", node.name, node.region))];
    Ok(Change { value: node, reaches_nodes: true, events })
}

/// Changes a node. Refused as [`create`], and with `NodeInUse` where a network needs its shared address.
pub fn update(
    node: &Node,
    change: &NodeChange,
    facts: Facts<'_>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Node>, Refusal> {
    let mut next = node.clone();
    if let Some(name) = &change.name {
        next.name = text::name(name, "name")?;
    }
    next.uplinks.clone_from(change.uplinks.as_ref().unwrap_or(&node.uplinks));
    next.interfaces.clone_from(change.interfaces.as_ref().unwrap_or(&node.interfaces));
    next.egress_addresses = change.egress_addresses.unwrap_or(node.egress_addresses);
    next.drained = change.drained.unwrap_or(node.drained);
    next.bypass = change.bypass.unwrap_or(node.bypass);
    if let Some(address) = &change.shared_address {
        next.shared_address = address.as_deref().map(shared_address).transpose()?;
    }
    faces(&next)?;
    text::free(facts.name_taken, "name", change.name.as_deref())?;
    if next.shared_address != node.shared_address {
        unused(&next, facts)?;
        unneeded(&next, facts.networks)?;
        next.former_addresses.retain(|_| is_behind(node));
        next.former_addresses.extend(node.shared_address);
    }
    let mut changed = Vec::new();
    let mut note = |differs: bool, what: &str| changed.extend(differs.then(|| what.to_owned()));
    note(node.uplinks != next.uplinks, "uplinks");
    note(node.interfaces != next.interfaces, "interfaces");
    note(node.shared_address != next.shared_address, "shared address");
    note(node.egress_addresses != next.egress_addresses, "egress addresses");
    note(node.bypass != next.bypass, if next.bypass { "BYPASS on" } else { "bypass off" });
    let reaches_nodes = !changed.is_empty();
    if reaches_nodes {
        next.revision = revision;
    }
    if node.drained != next.drained {
        changed.push(if next.drained { "drained" } else { "no longer drained" }.to_owned());
    }
    if node.name != next.name {
        changed.push(format!("name {} -> {}", node.name, next.name));
    }
    let happened = |detail| Happening::new(now, EventKind::NodeUpdated, detail);
    let events = if changed.is_empty() { Vec::new() } else { vec![happened(changed.join(", "))] };
    Ok(Change { value: next, reaches_nodes, events })
}

/// Notes that a node passes nothing any more, or that it does again. Whoever fences a node says that it is
/// off: plans and addresses move on without it.
///
/// Its fence goes only when it has acknowledged `wanted`, the last change that it must know, since what it
/// had before may be another node's: else `NodeNotReady`.
pub fn set_fenced(
    node: &Node,
    fenced: bool,
    wanted: Revision,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Node>, Refusal> {
    if node.fenced && !fenced && has_asked(node) && node.acked_revision < wanted {
        let message = format!(
            "node {} has not acknowledged that addresses and plans moved on; start its agent with its uplinks down, or delete the node and make another",
            node.name
        );
        return Err(Refusal::new(Code::NodeNotReady, message).at("fenced"));
    }
    let mut next = node.clone();
    let events = if node.fenced == fenced {
        Vec::new()
    } else {
        next.fenced = fenced;
        next.revision = revision;
        let kind = if fenced { EventKind::NodeFenced } else { EventKind::NodeUnfenced };
        vec![Happening::new(now, kind, node.name.to_string())]
    };
    Ok(Change { value: next, reaches_nodes: !events.is_empty(), events })
}

/// The addresses that `node` shares, and those that it may still use.
pub fn shared(node: &Node) -> impl Iterator<Item = Ipv4Addr> + '_ {
    let all = node.shared_address.into_iter().chain(node.former_addresses.iter().copied());
    all.filter(|address| may_share(node, *address))
}

/// True where `node` has `address` as its shared one, or may still use it.
pub fn may_share(node: &Node, address: Ipv4Addr) -> bool {
    let waits = !node.fenced && has_asked(node) && is_behind(node);
    node.shared_address == Some(address) || (waits && node.former_addresses.contains(&address))
}

fn shared_address(text: &str) -> Result<Ipv4Addr, Refusal> {
    egress_address(text).map_err(|error| {
        let message = format!("{:?} {error}", text::shortened(text));
        Refusal::new(Code::InvalidParameter, message).at("shared_address")
    })
}

/// Refuses to leave a network that `node` carries without an address.
fn unneeded(node: &Node, networks: &[Network]) -> Result<(), Refusal> {
    let needs = |network: &&Network| carries(node, network) && egress::shares(network);
    let network = networks.iter().find(needs).filter(|_| node.shared_address.is_none());
    let Some(network) = network else { return Ok(()) };
    let message = format!(
        "network {} leaves through the shared address of node {}; give the node another, or make the network's egress none",
        network.id, node.name
    );
    Err(Refusal::new(Code::NodeInUse, message).at("shared_address"))
}

/// Refuses a shared address that is another node's, or one for plans.
fn unused(node: &Node, facts: Facts<'_>) -> Result<(), Refusal> {
    let Some(address) = node.shared_address else { return Ok(()) };
    let taken = facts.nodes.iter().find(|other| other.id != node.id && may_share(other, address));
    let message = match taken {
        Some(other) if other.shared_address == Some(address) => {
            format!("{address} is the shared address of node {}; choose another", other.name)
        }
        Some(other) => format!(
            "node {} has not acknowledged that it let go of {address}; wait until it has, or fence it once it is off",
            other.name
        ),
        None if facts.is_pooled => {
            format!("{address} is one of the addresses for plans; choose another, or remove it there first")
        }
        None => match facts.owned {
            Some(net) => format!("{address} is inside {net}, which a network has; choose another"),
            None => return Ok(()),
        },
    };
    Err(Refusal::new(Code::AddressConflict, message).at("shared_address"))
}

/// What deleting a node writes. Refused with `NodeInUse` while one of `networks` names it, and, unless it
/// is fenced, while it carries one or has not acknowledged its last change.
pub fn delete(node: &Node, networks: &[Network], now: Timestamp) -> Result<Vec<Happening>, Refusal> {
    let names = |network: &&Network| network.nodes.as_ref().is_some_and(|nodes| nodes.contains(&node.id));
    let refuse = |message| Err(Refusal::new(Code::NodeInUse, message));
    if let Some(network) = networks.iter().find(names) {
        let network = &network.id;
        return refuse(format!(
            "network {network} names node {} among its nodes; name others for that network first",
            node.id
        ));
    }
    let carried = networks.iter().filter(|network| carries(node, network)).count();
    if carried > 0 && !node.fenced {
        return refuse(format!(
            "node {} carries {carried} networks; fence it once it is off, then delete it",
            node.id
        ));
    }
    if has_asked(node) && is_behind(node) && !node.fenced {
        return refuse(format!(
            "node {} has not acknowledged its last change; wait until it has, or fence it once it is off",
            node.id
        ));
    }
    Ok(vec![Happening::new(now, EventKind::NodeDeleted, node.name.to_string())])
}

/// Each device faces one side and is met by one entry: what the agent refuses is refused here already.
fn faces(node: &Node) -> Result<(), Refusal> {
    at_most(node.interfaces.len(), LIST_MAX, "interfaces")?;
    at_most(node.uplinks.len(), LIST_MAX, "uplinks")?;
    let invalid =
        |message: String, field: String| Err(Refusal::new(Code::InvalidParameter, message).at(field));
    let mut patterns: Vec<Pattern> = Vec::with_capacity(node.interfaces.len());
    for (index, interface) in node.interfaces.iter().enumerate() {
        let field = || format!("interfaces[{index}].pattern");
        let shown = text::shortened(&interface.pattern);
        let pattern = match interface.pattern.parse::<Pattern>() {
            Ok(pattern) => pattern,
            Err(error) => return invalid(format!("{shown:?} {error}"), field()),
        };
        if patterns.contains(&pattern) {
            return invalid(format!("{shown:?} is given twice; write it once"), field());
        }
        if let Some(wider) = patterns.iter().find(|wider| wider.covers(&pattern)) {
            let wider = wider.as_str();
            let message = format!(
                "{shown:?} is never reached, since {wider:?} before it matches the same names; put the narrower one first"
            );
            return invalid(message, field());
        }
        text::name(&interface.zone, "zone")
            .map_err(|refusal| refusal.at(format!("interfaces[{index}].zone")))?;
        patterns.push(pattern);
    }
    for (index, uplink) in node.uplinks.iter().enumerate() {
        let field = format!("uplinks[{index}]");
        let shown = text::shortened(uplink);
        if !uplink.parse::<Pattern>().is_ok_and(|pattern| !pattern.is_glob()) {
            return invalid(format!("{shown:?} is no interface name; write one such as eth0"), field);
        }
        if node.uplinks[..index].contains(uplink) {
            return invalid(format!("{shown:?} is given twice; write it once"), field);
        }
        if patterns.iter().any(|pattern| pattern.matches(uplink)) {
            let message = format!(
                "{shown:?} is matched by an interface entry too; a device faces either the Internet or instances"
            );
            return invalid(message, field);
        }
    }
    Ok(())
}
