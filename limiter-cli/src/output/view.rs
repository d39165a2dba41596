//! Each view of the interface as a row of a table and as a list of details.

use jiff::tz::TimeZone;
use limiter_api::setup::SetupChange;
use limiter_api::views::{
    Account, Event, Instance, Network, Node, NodeInterface, Outcome, Plan, Rule, Token, User,
};
use serde::Serialize;

use super::text::{self, count, list, moment, rate, some, some_moment, some_rate, words, yes};

/// Something that is listed and shown.
pub(crate) trait View: Serialize {
    /// Heads of the columns.
    const HEAD: &[&str];

    /// What `--quiet` prints.
    fn id(&self) -> &str;

    /// The row of a list.
    fn cells(&self, zone: &TimeZone) -> Vec<String>;

    /// Everything a person may want to know.
    fn details(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        Self::HEAD.iter().copied().zip(self.cells(zone)).collect()
    }
}

impl View for Network {
    const HEAD: &[&str] = &["name", "kind", "mode", "rate", "egress", "instances", "plan", "prefixes", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, _: &TimeZone) -> Vec<String> {
        let mode = if self.status == "active" { &self.mode } else { &self.status };
        vec![
            self.name.clone(),
            self.kind.clone(),
            words(mode),
            some_rate(self.rate_bps),
            self.egress.clone(),
            self.instances.to_string(),
            some(self.plan.as_deref()),
            list(&self.prefixes),
            self.id.clone(),
        ]
    }

    fn details(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        let nodes = self.nodes.as_ref().map_or_else(|| "all of its region and zone".to_owned(), |n| list(n));
        let mut details = vec![
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("external id", some(self.external_id.as_deref())),
            ("account", self.account.clone()),
            ("region, zone", format!("{}, {}", self.region, self.zone)),
            ("kind", self.kind.clone()),
            ("status", self.status.clone()),
            ("mode", format!("{}, {}", words(&self.mode), some_rate(self.rate_bps))),
            ("basic rate", some_rate(self.basic_bps)),
            ("plan", some(self.plan.as_deref())),
            ("prefixes", list(&self.prefixes)),
            ("instances", self.instances.to_string()),
            ("nodes", nodes),
            ("egress", self.egress.clone()),
        ];
        details.extend(self.address.clone().map(|address| ("address", address)));
        details.extend(self.egress_node.clone().map(|node| ("egress node", node)));
        details.extend(self.egress_leaving.clone().map(|node| ("leaving", node)));
        details.extend([
            ("internet", self.internet.clone()),
            ("unknown sources", self.unknown_sources.clone()),
            ("observe only", yes(self.observe)),
            ("default rule", some(self.default_rule.as_deref())),
            ("created", moment(self.created_at, zone)),
            ("version", self.version.to_string()),
        ]);
        details
    }
}

impl View for Instance {
    const HEAD: &[&str] = &["name", "addresses", "internet", "rule", "network", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, _: &TimeZone) -> Vec<String> {
        vec![
            self.name.clone(),
            list(&self.addresses),
            self.internet.clone(),
            some(self.rule.as_deref()),
            self.network.clone(),
            self.id.clone(),
        ]
    }

    fn details(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("external id", some(self.external_id.as_deref())),
            ("account", self.account.clone()),
            ("network", self.network.clone()),
            ("addresses", list(&self.addresses)),
            ("internet", self.internet.clone()),
            ("rule", some(self.rule.as_deref())),
            ("created", moment(self.created_at, zone)),
            ("version", self.version.to_string()),
        ]
    }
}

impl View for Plan {
    const HEAD: &[&str] = &["network", "peak", "status", "pay", "expires", "rules", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            some(self.network_name.as_deref().or(self.network.as_deref())),
            peak(self),
            self.label.clone(),
            words(&self.pay),
            some_moment(self.expires_at, zone),
            self.rules.to_string(),
            self.id.clone(),
        ]
    }

    fn details(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        let renewal = match (&self.duration, self.auto_renew) {
            (Some(duration), true) => format!("by itself, for {duration}"),
            (_, true) => "by itself".to_owned(),
            (Some(duration), false) => format!("not by itself; {duration}"),
            (None, false) => text::NOTHING.to_owned(),
        };
        vec![
            ("id", self.id.clone()),
            ("external id", some(self.external_id.as_deref())),
            ("account", self.account.clone()),
            ("region", self.region.clone()),
            ("status", self.label.clone()),
            ("under way", self.operation.as_deref().map_or_else(|| some(None), words)),
            ("reason", some(self.reason.as_deref())),
            ("peak", peak(self)),
            ("network", some(self.network_name.as_deref().or(self.network.as_deref()))),
            ("addresses", list(&self.addresses)),
            ("pay", format!("{}, by {}", words(&self.pay), self.charge)),
            ("renewal", renewal),
            ("rules", self.rules.to_string()),
            ("ordered", moment(self.created_at, zone)),
            ("began", some_moment(self.provisioned_at, zone)),
            ("expires", some_moment(self.expires_at, zone)),
            ("released", some_moment(self.release_at, zone)),
        ]
    }
}

/// The peak in force, and the one on its way.
fn peak(plan: &Plan) -> String {
    if plan.applied_peak_bps == plan.peak_bps || plan.applied_peak_bps == 0 {
        rate(plan.peak_bps)
    } else {
        format!("{} -> {}", rate(plan.applied_peak_bps), rate(plan.peak_bps))
    }
}

impl View for Rule {
    const HEAD: &[&str] = &["name", "up", "down", "instances", "plan", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, _: &TimeZone) -> Vec<String> {
        vec![
            self.name.clone(),
            rate(self.up_bps),
            rate(self.down_bps),
            self.instances.to_string(),
            self.plan.clone(),
            self.id.clone(),
        ]
    }
}

impl View for Node {
    const HEAD: &[&str] =
        &["name", "region", "state", "last seen", "interfaces", "shared address", "agent", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        let patterns: Vec<_> = self.interfaces.iter().map(|interface| interface.pattern.clone()).collect();
        vec![
            self.name.clone(),
            self.region.clone(),
            state(self),
            some_moment(self.seen_at, zone),
            list(&patterns),
            some(self.shared_address.as_deref()),
            some(self.agent_version.as_deref()),
            self.id.clone(),
        ]
    }

    fn details(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        let uplinks =
            if self.uplinks.is_empty() { "of the default routes".to_owned() } else { list(&self.uplinks) };
        let mut details = vec![
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("region", self.region.clone()),
            ("state", state(self)),
            ("in force", format!("revision {}, needs {}", self.acked_revision, self.wanted_revision)),
            ("problem", some(self.problem.as_deref())),
            ("acknowledged", some_moment(self.acked_at, zone)),
            ("last seen", some_moment(self.seen_at, zone)),
            ("agent", some(self.agent_version.as_deref())),
            ("uplinks", uplinks),
            ("shared address", some(self.shared_address.as_deref())),
            ("egress addresses", self.egress_addresses.clone()),
            ("addresses of plans", self.addresses.to_string()),
            ("created", moment(self.created_at, zone)),
            ("version", self.version.to_string()),
        ];
        details.extend(self.interfaces.iter().map(|interface| ("interface", interface_line(interface))));
        details
    }
}

fn interface_line(interface: &NodeInterface) -> String {
    let observe = if interface.observe { ", observe only" } else { "" };
    format!(
        "{}: zone {}, {}, foreign sources {}{observe}",
        interface.pattern, interface.zone, interface.mode, interface.foreign_sources
    )
}

fn state(node: &Node) -> String {
    let follows = match (&node.problem, node.seen_at) {
        _ if node.fenced => "FENCED",
        (Some(_), _) => "refused",
        (None, None) => "new",
        _ if node.acked_revision < node.wanted_revision => "behind",
        _ => "in force",
    };
    let bypass = if node.bypass { "BYPASS, " } else { "" };
    let drained = if node.drained { ", drained" } else { "" };
    format!("{bypass}{follows}{drained}")
}

impl View for Event {
    const HEAD: &[&str] = &["time", "kind", "subject", "detail", "actor", "revision"];

    fn id(&self) -> &str {
        &self.request_id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            moment(self.at, zone),
            self.kind.clone(),
            self.subject.clone(),
            self.detail.clone(),
            self.actor.clone(),
            self.revision.to_string(),
        ]
    }
}

impl View for Account {
    const HEAD: &[&str] = &["name", "enabled", "created", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![self.name.clone(), yes(self.enabled), moment(self.created_at, zone), self.id.clone()]
    }
}

impl View for User {
    const HEAD: &[&str] = &["name", "role", "account", "enabled", "created", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            self.name.clone(),
            self.role.clone(),
            some(self.account.as_deref()),
            yes(self.enabled),
            moment(self.created_at, zone),
            self.id.clone(),
        ]
    }
}

impl View for Token {
    const HEAD: &[&str] = &["name", "role", "account", "node", "created", "expires", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            self.name.clone(),
            self.role.clone(),
            some(self.account_name.as_deref().or(self.account.as_deref())),
            some(self.node_name.as_deref().or(self.node.as_deref())),
            moment(self.created_at, zone),
            self.expires_at.map_or_else(|| "never".to_owned(), |at| moment(at, zone)),
            self.id.clone(),
        ]
    }
}

impl View for Outcome {
    const HEAD: &[&str] = &["id", "outcome"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, _: &TimeZone) -> Vec<String> {
        let outcome = self.refused.as_ref();
        let outcome =
            outcome.map_or_else(|| "done".to_owned(), |why| format!("{} ({})", why.detail, why.code));
        vec![self.id.clone(), outcome]
    }
}

impl View for SetupChange {
    const HEAD: &[&str] = &["", "kind", "name", "change"];

    fn id(&self) -> &str {
        &self.name
    }

    fn cells(&self, _: &TimeZone) -> Vec<String> {
        let sign = match self.action.as_str() {
            "create" => "+",
            "delete" => "-",
            _ => "~",
        };
        vec![sign.to_owned(), self.kind.clone(), self.name.clone(), self.detail.clone()]
    }
}

/// `2 to create, 1 to change, 3 to delete`.
pub(crate) fn summary(changes: &[SetupChange]) -> String {
    let number = |action: &str| changes.iter().filter(|change| change.action == action).count();
    let (create, delete) = (number("create"), number("delete"));
    let update = changes.len() - create - delete;
    let parts = [(create, "create"), (update, "change"), (delete, "delete")];
    let said: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} to {what}"))
        .collect();
    if said.is_empty() { count(0, "change") } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_row_has_its_heads() {
        let zone = TimeZone::UTC;
        assert_eq!(fixture::network().cells(&zone).len(), Network::HEAD.len());
        assert_eq!(fixture::plan().cells(&zone).len(), Plan::HEAD.len());
        assert_eq!(fixture::rule().cells(&zone).len(), Rule::HEAD.len());
        assert_eq!(fixture::instance().cells(&zone).len(), Instance::HEAD.len());
        assert_eq!(fixture::node().cells(&zone).len(), Node::HEAD.len());
    }

    #[test]
    fn a_token_shows_names_where_they_are_known() {
        let token = Token {
            id: "tok-1".into(),
            name: "agent".into(),
            role: "agent".into(),
            account: Some("acc-1".into()),
            account_name: None,
            node: Some("node-1".into()),
            node_name: Some("edge-1".into()),
            created_at: "2026-03-31T12:00:00Z".parse().expect("a moment"),
            expires_at: None,
        };
        let cells = token.cells(&TimeZone::UTC);
        assert_eq!((&*cells[2], &*cells[3]), ("acc-1", "edge-1"));
    }

    #[test]
    fn a_peak_on_its_way_shows_both() {
        let mut plan = fixture::plan();
        assert_eq!(peak(&plan), "20 Mbps");
        plan.peak_bps = 50_000_000;
        assert_eq!(peak(&plan), "20 Mbps -> 50 Mbps");
        plan.applied_peak_bps = 0;
        assert_eq!(peak(&plan), "50 Mbps");
    }

    #[test]
    fn a_node_that_limits_nothing_is_loud() {
        let mut node = fixture::node();
        assert_eq!(state(&node), "in force");
        node.wanted_revision = 8;
        assert_eq!(state(&node), "behind");
        node.bypass = true;
        node.fenced = true;
        node.drained = true;
        assert_eq!(state(&node), "BYPASS, FENCED, drained");
    }

    #[test]
    fn a_network_shows_the_nodes_of_its_address_where_there_are_any() {
        let zone = TimeZone::UTC;
        let shown = |network: &Network| -> Vec<_> {
            let about =
                |(name, _): &(&str, _)| ["egress", "address", "egress node", "leaving"].contains(name);
            network.details(&zone).into_iter().filter(about).collect()
        };
        assert_eq!(shown(&fixture::network()), [("egress", "none".to_owned())]);
        let moves = Network {
            egress: "exclusive".into(),
            address: Some("198.51.100.7".into()),
            egress_node: Some("n2".into()),
            egress_leaving: Some("n1".into()),
            ..fixture::network()
        };
        let expected =
            [("egress", "exclusive"), ("address", "198.51.100.7"), ("egress node", "n2"), ("leaving", "n1")];
        assert_eq!(shown(&moves), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn changes_are_counted() {
        let change = |action: &str| SetupChange {
            action: action.into(),
            kind: "rule".into(),
            name: "office/web".into(),
            detail: String::new(),
        };
        assert_eq!(summary(&[]), "no change");
        let changes = [change("create"), change("create"), change("update"), change("delete")];
        assert_eq!(summary(&changes), "2 to create, 1 to change, 1 to delete");
    }
}
