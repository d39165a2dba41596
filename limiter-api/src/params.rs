//! What goes in. An absent field keeps its default at creation and its value in a change.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::views::NodeInterface;

/// Where a page begins and how long it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page: 1 to 100, absent: 100.
    pub limit: Option<usize>,
}

/// Whose things.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// Id or name of the account; operators only.
    pub account: Option<String>,
}

/// Signs a user in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// A new account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Its name: 1 to 64 characters, unique.
    pub name: String,
}

/// A change of an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// A new name.
    pub name: Option<String>,
    /// False: nobody of it may act any more.
    pub enabled: Option<bool>,
}

/// A new user.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// What is typed to sign in: 1 to 64 characters, unique.
    pub name: String,
    /// 12 to 256 characters.
    pub password: String,
    /// `operator`, `customer`, `viewer` or `accountant`.
    pub role: String,
    /// Id or name of the account of a customer or viewer.
    pub account: Option<String>,
}

/// A change of a user.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// A new password; ends every session of the user.
    pub password: Option<String>,
    /// False: may not sign in any more; ends every session of the user.
    pub enabled: Option<bool>,
}

/// A new token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for: 1 to 64 characters.
    pub name: String,
    /// `operator`, `customer`, `viewer`, `accountant` or `agent`; never more than the caller's own.
    pub role: String,
    /// Id or name of the account of a customer's or viewer's token.
    pub account: Option<String>,
    /// Id or name of the node of an agent's token.
    pub node: Option<String>,
    /// When it ends; absent: never.
    pub expires_at: Option<Timestamp>,
}

/// A new node.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNode {
    /// Its name: 1 to 64 characters, unique.
    pub name: String,
    /// Its region; absent: `default`.
    pub region: Option<String>,
    /// Devices towards the Internet; empty: those of the default routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uplinks: Vec<String>,
    /// Instance-facing interfaces; the first match counts.
    #[serde(default)]
    pub interfaces: Vec<NodeInterface>,
    /// The address that networks without one of their own leave through, where they are translated.
    pub shared_address: Option<String>,
    /// Who brings packets for egress addresses to it: `assign` (its agent, on the uplink) or `routed` (the
    /// operator); absent: `assign`.
    pub egress_addresses: Option<String>,
}

/// A change of a node.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeChange {
    /// A new name.
    pub name: Option<String>,
    /// All uplinks.
    pub uplinks: Option<Vec<String>>,
    /// All interfaces.
    pub interfaces: Option<Vec<NodeInterface>>,
    /// The address that networks without one of their own leave through; null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub shared_address: Option<Option<String>>,
    /// `assign` or `routed`.
    pub egress_addresses: Option<String>,
    /// True: it gives the addresses of plans to other nodes of their networks.
    pub drained: Option<bool>,
    /// True: everything passes, unmetered.
    pub bypass: Option<bool>,
    /// True: it passes nothing any more, so nothing waits for it.
    pub fenced: Option<bool>,
}

/// Which networks.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NetworkQuery {
    /// Of this account (id or name); operators only.
    pub account: Option<String>,
    /// In this region.
    pub region: Option<String>,
    /// In this zone.
    pub zone: Option<String>,
    /// Whose name contains this.
    pub name: Option<String>,
    /// True: only those that no plan holds.
    pub without_plan: Option<bool>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
}

/// A new network.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNetwork {
    /// Id or name of its account; operators only.
    pub account: Option<String>,
    /// Its name: 1 to 64 characters, unique in the account.
    pub name: String,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<String>,
    /// Its region; absent: `default`.
    pub region: Option<String>,
    /// Its zone; absent: `default`.
    pub zone: Option<String>,
    /// `shared` (basic bandwidth comes with it) or `vpc`; absent: `shared`.
    pub kind: Option<String>,
    /// The basic rate of a shared network; absent: the deployment's. Operators only.
    pub basic_bps: Option<u64>,
    /// The prefixes its instances have their addresses from.
    pub prefixes: Vec<String>,
    /// Ids or names of the nodes that carry it; absent: every node of its region that serves its zone.
    pub nodes: Option<Vec<String>>,
    /// What its IPv4 packets leave through: `none`, `shared` or `exclusive`; absent: `exclusive` where its
    /// region has addresses for plans, else `none`. Operators only.
    pub egress: Option<String>,
    /// `allow` or `deny`.
    pub internet: Option<String>,
    /// Sources that are no known instance: `drop` or `budget`.
    pub unknown_sources: Option<String>,
    /// Count what would be refused, refuse nothing.
    pub observe: Option<bool>,
}

/// A change of a network.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkChange {
    /// A new name.
    pub name: Option<String>,
    /// All its prefixes.
    pub prefixes: Option<Vec<String>>,
    /// The basic rate of a shared network. Operators only.
    pub basic_bps: Option<u64>,
    /// Ids or names of all nodes that carry it; null: every node of its region that serves its zone. Operators
    /// only.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub nodes: Option<Option<Vec<String>>>,
    /// `none`, `shared` or `exclusive`. Operators only.
    pub egress: Option<String>,
    /// `allow` or `deny`.
    pub internet: Option<String>,
    /// `drop` or `budget`.
    pub unknown_sources: Option<String>,
    /// Count what would be refused, refuse nothing.
    pub observe: Option<bool>,
    /// Rule of instances without one; null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub default_rule: Option<Option<String>>,
}

/// The node that is to use a network's own address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveEgress {
    /// Id or name of a node that carries the network.
    pub node: String,
}

/// Which addresses.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddressQuery {
    /// In this region.
    pub region: Option<String>,
    /// `free`, `bound` or `quarantined`.
    pub state: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
}

/// Which uses of an address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddressUseQuery {
    /// At this instant.
    pub at: Option<Timestamp>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
}

/// Addresses that plans of a region may get, or no longer.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRanges {
    /// The region; absent: `default`.
    pub region: Option<String>,
    /// Prefixes without their network and broadcast addresses (`198.51.100.0/28`), ranges with both ends
    /// (`198.51.100.8-198.51.100.20`), addresses.
    pub ranges: Vec<String>,
    /// True: say what would change, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which instances.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InstanceQuery {
    /// Of this account (id or name); operators only.
    pub account: Option<String>,
    /// Of this network.
    pub network: Option<String>,
    /// Bound to this rule.
    pub rule: Option<String>,
    /// True: only those bound to a rule; false: only those bound to none.
    pub bound: Option<bool>,
    /// Whose name contains this.
    pub name: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
}

/// A new instance.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInstance {
    /// Id of its network.
    pub network: String,
    /// Its name: 1 to 64 characters, unique in the network.
    pub name: String,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<String>,
    /// Addresses and prefixes it owns.
    pub addresses: Vec<String>,
    /// `allow` or `deny`.
    pub internet: Option<String>,
}

/// A change of an instance.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceChange {
    /// A new name.
    pub name: Option<String>,
    /// All addresses and prefixes it owns.
    pub addresses: Option<Vec<String>>,
    /// `allow` or `deny`.
    pub internet: Option<String>,
}

/// Moves an instance to another network of its account; it leaves its rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveInstance {
    /// The network it goes to.
    pub network: String,
    /// All addresses and prefixes it owns there; absent: those that it has.
    pub addresses: Option<Vec<String>>,
}

/// Which plans.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// Of this account (id or name); operators only.
    pub account: Option<String>,
    /// In this region.
    pub region: Option<String>,
    /// With this status.
    pub status: Option<String>,
    /// `subscription` or `pay_as_you_go`.
    pub pay: Option<String>,
    /// That holds this network.
    pub network: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
}

/// A new plan.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// Id or name of its account; operators only.
    pub account: Option<String>,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<String>,
    /// Its region; absent: the network's, else `default`.
    pub region: Option<String>,
    /// `subscription` or `pay_as_you_go`.
    pub pay: String,
    /// `bandwidth` or `traffic`; absent: `bandwidth`.
    pub charge: Option<String>,
    /// The peak for each direction.
    pub peak_bps: u64,
    /// The network to associate at once.
    pub network: Option<String>,
    /// Duration of a subscription: `1w`, `1m`, `2m`, `3m`, `6m`, `1y`, `2y`, `3y`.
    pub duration: Option<String>,
    /// Whether it is renewed by itself.
    pub auto_renew: Option<bool>,
    /// The amount the caller was shown, in millionths; another one refuses the order.
    pub expected_amount_micro: Option<i64>,
    /// The agreement that was accepted, where the deployment has one.
    pub agreement_version: Option<String>,
}

/// Associates a plan.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Associate {
    /// The network.
    pub network: String,
}

/// Changes the peak of a plan.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// The new peak for each direction.
    pub peak_bps: u64,
    /// The amount the caller was shown, in millionths.
    pub expected_amount_micro: Option<i64>,
}

/// Switches automatic renewal.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoRenew {
    /// Whether the plan is renewed by itself.
    pub enabled: bool,
}

/// Renews subscriptions; each id has its own outcome.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// 1 to 100 plans.
    pub plans: Vec<String>,
    /// The duration.
    pub duration: String,
    /// Also switches automatic renewal.
    pub auto_renew: Option<bool>,
    /// The amount the caller was shown for each, in millionths.
    pub expected_amount_micro: Option<i64>,
}

/// Ends plans; each id has its own outcome.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// 1 to 20 subscriptions, or 1 to 100 plans that are paid as they go.
    pub plans: Vec<String>,
    /// True: also while a network uses it, which then falls back to basic bandwidth or none.
    #[serde(default)]
    pub force: bool,
}

/// Which rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RuleQuery {
    /// Of this plan.
    pub plan: Option<String>,
    /// Of this account (id or name); operators only.
    pub account: Option<String>,
    /// Whose name contains this.
    pub name: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
}

/// A new rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// The plan it belongs to.
    pub plan: String,
    /// Its name: 1 to 64 characters, unique in the plan.
    pub name: String,
    /// Instance to Internet, for each instance.
    pub up_bps: Option<u64>,
    /// Internet to instance, for each instance.
    pub down_bps: Option<u64>,
    /// Instances to bind at once, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
}

/// A change of a rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleChange {
    /// A new name.
    pub name: Option<String>,
    /// Instance to Internet.
    pub up_bps: Option<u64>,
    /// Internet to instance.
    pub down_bps: Option<u64>,
}

/// Changes which instances a rule limits; all or nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bindings {
    /// At most 100 instances to bind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<String>,
    /// At most 100 instances to unbind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbind: Vec<String>,
}

/// Deletes rules; all or nothing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteRules {
    /// 1 to 100 rules.
    pub rules: Vec<String>,
}

/// Which events.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Of this account (id or name); operators only.
    pub account: Option<String>,
    /// Of this kind, or of all that begin so: `plan.in_use`, `plan.`
    pub kind: Option<String>,
    /// Of this network, instance, plan, rule or node.
    pub subject: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
}

/// Keeps `null` apart from an absent field.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
