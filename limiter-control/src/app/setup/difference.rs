//! What a setup changes, in words.

use limiter_domain::{Instance, Network, Rule};
use limiter_state::Rate;
use limiter_state::address::show as show_address;

use super::super::view;

pub(super) fn network(before: &Network, after: &Network) -> String {
    let list =
        |network: &Network| network.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    differences(&[
        ("name", before.name.to_string(), after.name.to_string()),
        ("prefixes", list(before), list(after)),
        ("internet", view::access(before.internet).to_owned(), view::access(after.internet).to_owned()),
        (
            "unknown_sources",
            view::unknown_sources(before.unknown_sources).to_owned(),
            view::unknown_sources(after.unknown_sources).to_owned(),
        ),
        ("egress", view::egress_code(before.egress).to_owned(), view::egress_code(after.egress).to_owned()),
    ])
}

pub(super) fn instance(before: &Instance, after: &Instance) -> String {
    let list = |instance: &Instance| {
        instance.addresses.iter().map(|net| show_address(*net)).collect::<Vec<_>>().join(", ")
    };
    differences(&[
        ("name", before.name.to_string(), after.name.to_string()),
        ("addresses", list(before), list(after)),
        ("internet", view::access(before.internet).to_owned(), view::access(after.internet).to_owned()),
    ])
}

pub(super) fn rates(before: &Rule, after: &Rule) -> String {
    let rate = |rate: Rate| rate.to_string();
    differences(&[("up", rate(before.up), rate(after.up)), ("down", rate(before.down), rate(after.down))])
}

fn differences(fields: &[(&str, String, String)]) -> String {
    let changed = fields.iter().filter(|(_, before, after)| before != after);
    changed
        .map(|(field, before, after)| format!("{field} {before} -> {after}"))
        .collect::<Vec<_>>()
        .join(", ")
}
