//! Whole setups: networks with their instances, plan and rules, as a file that is applied again and again.

use limiter_state::Rate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Networks of one account as they shall be. What is not named stays as it is, unless `prune` is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Networks, recognised by `external_id`, else by name.
    #[serde(default)]
    pub networks: Vec<SetupNetwork>,
}

/// A network as it shall be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupNetwork {
    /// Its name.
    pub name: String,
    /// The owner's own identity for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its region; absent: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its zone; absent: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `shared` or `vpc`; absent: `shared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The prefixes its instances have their addresses from.
    pub prefixes: Vec<String>,
    /// `allow` or `deny`; absent: `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<String>,
    /// `drop` or `budget`; absent: `drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_sources: Option<String>,
    /// `none`, `shared` or `exclusive`; only an operator changes it. Absent: as it is, and of a new network the
    /// default of its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<String>,
    /// The plan that it shall have; absent: whatever it has stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<SetupPlan>,
    /// Rules of that plan, recognised by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SetupRule>,
    /// Instances, recognised by `external_id`, else by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<SetupInstance>,
}

/// The plan of a network. A plan is bought only where the network has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupPlan {
    /// `subscription` or `pay_as_you_go`.
    pub pay: String,
    /// `bandwidth` or `traffic`; absent: `bandwidth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<String>,
    /// The peak for each direction.
    #[schema(value_type = String, example = "20Mbps")]
    pub peak: Rate,
    /// Duration of a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Whether it is renewed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_renew: Option<bool>,
}

/// A rule as it shall be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupRule {
    /// Its name.
    pub name: String,
    /// Instance to Internet.
    #[schema(value_type = String, example = "2Mbps")]
    pub up: Rate,
    /// Internet to instance.
    #[schema(value_type = String, example = "2Mbps")]
    pub down: Rate,
}

/// An instance as it shall be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupInstance {
    /// Its name.
    pub name: String,
    /// The owner's own identity for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Addresses and prefixes it owns.
    pub addresses: Vec<String>,
    /// `allow` or `deny`; absent: `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<String>,
    /// Name of the rule it is bound to; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// A setup to put in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Id or name of the account; operators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The setup.
    pub setup: Setup,
    /// True: say what would change, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// True: instances and rules of the named networks that are not named are removed.
    #[serde(default)]
    pub prune: bool,
}

/// What a setup changes, in the order in which it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The changes; empty: everything is as the setup says.
    pub changes: Vec<SetupChange>,
    /// The revision that holds them; absent where nothing was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Plans that are not in force: what was to change in their rules and bindings is left out, until the
    /// setup is applied again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetupChange {
    /// `create`, `update` or `delete`.
    pub action: String,
    /// `network`, `instance`, `plan`, `rule` or `binding`.
    pub kind: String,
    /// `NETWORK` or `NETWORK/NAME`.
    pub name: String,
    /// What changes: `up 2Mbps -> 3Mbps`.
    pub detail: String,
}
