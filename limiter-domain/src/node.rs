//! Nodes: the machines that carry networks.

use std::sync::Arc;

use jiff::Timestamp;
use limiter_state::{Mode, Pattern, Policy};

use crate::acknowledge::{carries, has_asked, is_behind};
use crate::claims::at_most;
use crate::{Change, Code, EventKind, Happening, Network, NodeId, Refusal, Revision, text};

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
    /// Whether everything passes, unmetered.
    pub bypass: Option<bool>,
}

/// Longest list of interfaces or uplinks.
const LIST_MAX: usize = 1000;

/// Makes a node. `name_taken`: another node has the name.
///
/// Refused with `InvalidParameter`, `TooManyIds` and `NameDuplicate`.
pub fn create(
    id: NodeId,
    new: &NewNode,
    name_taken: bool,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Node>, Refusal> {
    let node = Node {
        id,
        name: text::name(&new.name, "name")?,
        region: text::name(&new.region, "region")?,
        uplinks: new.uplinks.clone(),
        interfaces: new.interfaces.clone(),
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
    text::free(name_taken, "name", Some(&new.name))?;
    let events = vec![Happening::new(now, EventKind::NodeCreated, format!("{}, {}", node.name, node.region))];
    Ok(Change { value: node, reaches_nodes: true, events })
}

/// Changes a node. Refused as [`create`].
pub fn update(
    node: &Node,
    change: &NodeChange,
    name_taken: bool,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Node>, Refusal> {
    let mut next = node.clone();
    if let Some(name) = &change.name {
        next.name = text::name(name, "name")?;
    }
    next.uplinks.clone_from(change.uplinks.as_ref().unwrap_or(&node.uplinks));
    next.interfaces.clone_from(change.interfaces.as_ref().unwrap_or(&node.interfaces));
    next.bypass = change.bypass.unwrap_or(node.bypass);
    faces(&next)?;
    text::free(name_taken, "name", change.name.as_deref())?;
    let mut changed = Vec::new();
    let mut note = |differs: bool, what: &str| changed.extend(differs.then(|| what.to_owned()));
    note(node.uplinks != next.uplinks, "uplinks");
    note(node.interfaces != next.interfaces, "interfaces");
    note(node.bypass != next.bypass, if next.bypass { "BYPASS on" } else { "bypass off" });
    let reaches_nodes = !changed.is_empty();
    if reaches_nodes {
        next.revision = revision;
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
pub fn set_fenced(node: &Node, fenced: bool, now: Timestamp, revision: Revision) -> Change<Node> {
    let mut next = node.clone();
    let events = if node.fenced == fenced {
        Vec::new()
    } else {
        next.fenced = fenced;
        next.revision = revision;
        let kind = if fenced { EventKind::NodeFenced } else { EventKind::NodeUnfenced };
        vec![Happening::new(now, kind, node.name.to_string())]
    };
    Change { value: next, reaches_nodes: !events.is_empty(), events }
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
