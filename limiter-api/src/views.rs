//! What comes out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, oldest first.
    pub items: Vec<T>,
    /// Value of `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The outcome for one of several ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The id.
    pub id: String,
    /// Why it was refused; absent: done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Why one of several ids was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// Which condition, as in [`Problem`](crate::Problem).
    pub code: String,
    /// What is wrong, with the value, and what to do.
    pub detail: String,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// As events name the caller.
    pub actor: String,
    /// What the caller may do: `operator`, `customer`, `viewer`, `accountant`, `agent`.
    pub role: String,
    /// The caller's account.
    pub account: Option<String>,
}

/// A session or a new token: the only time that its secret is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Identity.
    pub id: String,
    /// The secret, for `Authorization: Bearer`.
    pub secret: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// An owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// False: nobody of it may act.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Value for `If-Match`.
    pub version: u64,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Identity.
    pub id: String,
    /// What is typed to sign in.
    pub name: String,
    /// The account of a customer or viewer.
    pub account: Option<String>,
    /// What the user may do.
    pub role: String,
    /// False: may not sign in.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Value for `If-Match`.
    pub version: u64,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Identity.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: String,
    /// The account of a customer's or viewer's token.
    pub account: Option<String>,
    /// Name of that account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// The node of an agent's token.
    pub node: Option<String>,
    /// Name of that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; absent: never.
    pub expires_at: Option<Timestamp>,
}

/// A machine with an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Devices towards the Internet; empty: those of the default routes.
    pub uplinks: Vec<String>,
    /// Instance-facing interfaces; the first match counts.
    pub interfaces: Vec<NodeInterface>,
    /// An operator says that it passes nothing any more.
    pub fenced: bool,
    /// Everything passes, unmetered.
    pub bypass: bool,
    /// The address that networks without one of their own leave through, where they are translated.
    pub shared_address: Option<String>,
    /// Who brings packets for egress addresses to it: `assign` (its agent) or `routed` (the operator).
    pub egress_addresses: String,
    /// It gives the addresses of plans away, where another node may have them, and gets no new ones.
    pub drained: bool,
    /// Addresses of plans that it may use now, also those that it is to let go of.
    pub addresses: u64,
    /// The revision in force on it.
    pub acked_revision: u64,
    /// The last revision that concerns it: it has everything where `acked_revision` is no lower.
    pub wanted_revision: u64,
    /// When it acknowledged last.
    pub acked_at: Option<Timestamp>,
    /// Why it refused the state it was sent last.
    pub problem: Option<String>,
    /// When it asked last.
    pub seen_at: Option<Timestamp>,
    /// Version of its agent.
    pub agent_version: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Value for `If-Match`.
    pub version: u64,
}

/// Instance-facing interfaces of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeInterface {
    /// Interface name, with `*` for any characters and `?` for one.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Zone of the addresses behind it.
    #[serde(default = "default_zone")]
    pub zone: String,
    /// `auto`, `shape` or `police`.
    #[serde(default = "auto")]
    pub mode: String,
    /// Count what would be refused, refuse nothing.
    #[serde(default)]
    pub observe: bool,
    /// Packets from sources outside every network: `drop` or `pass`.
    #[serde(default = "drop_policy")]
    pub foreign_sources: String,
}

fn default_zone() -> String {
    "default".to_owned()
}

fn auto() -> String {
    "auto".to_owned()
}

fn drop_policy() -> String {
    "drop".to_owned()
}

/// A group of instances that share one Internet budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// Identity.
    pub id: String,
    /// Its owner.
    pub account: String,
    /// Its name.
    pub name: String,
    /// The owner's own identity for it.
    pub external_id: Option<String>,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// `shared` (basic bandwidth comes with it) or `vpc`.
    pub kind: String,
    /// The basic rate of a shared network.
    pub basic_bps: Option<u64>,
    /// The prefixes its instances have their addresses from.
    pub prefixes: Vec<String>,
    /// The nodes that carry it; absent: every node of its region that serves its zone.
    pub nodes: Option<Vec<String>>,
    /// What its IPv4 packets leave through: `none` (they are routed), `shared` (the node's address) or
    /// `exclusive` (the plan's while that serves it, else the node's).
    pub egress: String,
    /// The address of the plan that it leaves through while that serves it.
    pub address: Option<String>,
    /// The node that is to use the plan's address.
    pub egress_node: Option<String>,
    /// The node that may still use the plan's address: no other one gets it before it let go.
    pub egress_leaving: Option<String>,
    /// `allow` or `deny`.
    pub internet: String,
    /// Sources that are no known instance: `drop` or `budget`.
    pub unknown_sources: String,
    /// Count what would be refused, refuse nothing.
    pub observe: bool,
    /// Rule of instances without one.
    pub default_rule: Option<String>,
    /// `active` or `deleting`.
    pub status: String,
    /// What is due now: `basic`, `premium` or `offline`.
    pub mode: String,
    /// The rate for each direction that is due now.
    pub rate_bps: Option<u64>,
    /// The plan that holds it.
    pub plan: Option<String>,
    /// Number of its instances.
    pub instances: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Value for `If-Match`.
    pub version: u64,
}

/// An address for plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
    /// It.
    pub address: String,
    /// Its region.
    pub region: String,
    /// `free`, `bound` (a plan has it) or `quarantined` (a plan had it not long ago).
    pub state: String,
    /// The plan that has it.
    pub plan: Option<String>,
    /// No plan gets it before.
    pub rests_until: Option<Timestamp>,
}

/// From when to when an address was of one network at one node: nobody else's packets left through it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressUse {
    /// Identity.
    pub id: String,
    /// The address.
    pub address: String,
    /// The plan that had it.
    pub plan: String,
    /// Whose plan.
    pub account: String,
    /// The network that the plan served.
    pub network: String,
    /// The node.
    pub node: String,
    /// When the node was told.
    pub from: Timestamp,
    /// When it had let go, or was fenced; absent: it may use it now.
    pub until: Option<Timestamp>,
}

/// What an import or a removal of addresses does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressesChanged {
    /// The region.
    pub region: String,
    /// How many addresses.
    pub addresses: u64,
    /// How many plans got one, which had none.
    pub plans: u64,
}

/// One limited machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Identity.
    pub id: String,
    /// Its owner.
    pub account: String,
    /// Its network.
    pub network: String,
    /// Its name.
    pub name: String,
    /// The owner's own identity for it.
    pub external_id: Option<String>,
    /// Addresses and prefixes it owns.
    pub addresses: Vec<String>,
    /// `allow` or `deny`.
    pub internet: String,
    /// The rule it is bound to.
    pub rule: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Value for `If-Match`.
    pub version: u64,
}

/// A premium bandwidth plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Identity.
    pub id: String,
    /// Its owner.
    pub account: String,
    /// The owner's own identity for it.
    pub external_id: Option<String>,
    /// Its region.
    pub region: String,
    /// `subscription` or `pay_as_you_go`.
    pub pay: String,
    /// `bandwidth` or `traffic`.
    pub charge: String,
    /// The peak for each direction that was asked for last.
    pub peak_bps: u64,
    /// The peak in force on every node.
    pub applied_peak_bps: u64,
    /// `creating`, `in_use`, `not_associated`, `changing`, `releasing`, `failed`.
    pub status: String,
    /// `normal`, `expired` or `overdue`.
    pub business: String,
    /// What a person reads: `In Use`, `Expired`, …
    pub label: String,
    /// What nodes have yet to acknowledge: `provision`, `associate`, `dissociate`, `release`.
    pub operation: Option<String>,
    /// Why it failed or is blocked, as a code.
    pub reason: Option<String>,
    /// The network it holds.
    pub network: Option<String>,
    /// The name of that network.
    pub network_name: Option<String>,
    /// Its exclusive addresses.
    pub addresses: Vec<String>,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// When its term and billing began.
    pub provisioned_at: Option<Timestamp>,
    /// End of the term of a subscription.
    pub expires_at: Option<Timestamp>,
    /// Duration of a subscription: `1w`, `1m`, `2m`, `3m`, `6m`, `1y`, `2y`, `3y`.
    pub duration: Option<String>,
    /// Whether it is renewed by itself.
    pub auto_renew: bool,
    /// When it is released, while it is expired or overdue.
    pub release_at: Option<Timestamp>,
    /// Number of its rules.
    pub rules: u64,
    /// Value for `If-Match`.
    pub version: u64,
}

/// An Internet speed limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// Identity.
    pub id: String,
    /// Its owner.
    pub account: String,
    /// The plan it belongs to.
    pub plan: String,
    /// Its name.
    pub name: String,
    /// Instance to Internet, for each instance.
    pub up_bps: u64,
    /// Internet to instance, for each instance.
    pub down_bps: u64,
    /// Number of instances bound to it.
    pub instances: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Value for `If-Match`.
    pub version: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The transaction it is part of.
    pub revision: u64,
    /// When.
    pub at: Timestamp,
    /// The account it concerns.
    pub account: Option<String>,
    /// Who did it.
    pub actor: String,
    /// The request or run it was part of.
    pub request_id: String,
    /// What, for example `plan.in_use`.
    pub kind: String,
    /// Identity of what it happened to.
    pub subject: String,
    /// What changed.
    pub detail: String,
}

/// The whole at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// Version of the control plane.
    pub version: String,
    /// Identity of its database.
    pub incarnation: String,
    /// The last change.
    pub revision: u64,
    /// `sqlite` or `postgres`.
    pub engine: String,
    /// Number of networks the caller may see.
    pub networks: u64,
    /// Number of instances the caller may see.
    pub instances: u64,
    /// Plans the caller may see, by label.
    pub plans: std::collections::BTreeMap<String, u64>,
    /// Nodes, for operators.
    pub nodes: Vec<NodeLag>,
}

/// How far a node is behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeLag {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// `in_force`, `behind`, `refused`, `silent`, `new` or `fenced`.
    pub state: String,
    /// When it asked last.
    pub seen_at: Option<Timestamp>,
}
