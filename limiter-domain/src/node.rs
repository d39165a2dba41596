//! Nodes: the machines that carry networks.

use std::sync::Arc;

use jiff::Timestamp;
use limiter_state::{Mode, Policy};

use crate::{NodeId, Revision};

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
