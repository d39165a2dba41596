//! What stands in the way of egress addresses: a node that does not route, rules of others.

use std::fs;

use limiter_common::mark;
use serde_json::Value;

use super::Finding;
use crate::desired::{Desired, Egress};
use crate::egress::{EgressError, table, with_all_rules};
use crate::reconcile::interfaces::uplinks;
use crate::reconcile::observed::Observed;

/// Priority of our translation; what comes before it decides.
const OUR_PRIORITY: i64 = table::TRANSLATION_PRIORITY as i64;

/// Nothing where no network has an egress address, now or when its term is over.
pub(super) fn findings(state: &Desired, observed: &Observed) -> Vec<Finding> {
    let has_one = |egress: Egress| egress != Egress::None;
    let is_used = state.networks.iter().any(|network| {
        has_one(network.egress) || network.until.as_ref().is_some_and(|until| has_one(until.egress))
    });
    if !is_used {
        return Vec::new();
    }
    let mut findings = match with_all_rules(others) {
        Err(EgressError::NoProgram) => {
            vec![Finding::missing("nft", "egress addresses need this program", "apt install nftables")]
        }
        Err(error) => vec![Finding::warning("nftables", error.to_string(), "run it as root")],
        Ok(others) if others.is_empty() => vec![Finding::ok("nftables", "no rule of others is in the way")],
        Ok(others) => others,
    };
    let forwards = fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
    if forwards.is_ok_and(|value| value.trim() == "0") {
        findings.push(Finding::missing(
            "egress addresses",
            "the node does not route IPv4, so no network leaves through its address",
            "sysctl -w net.ipv4.ip_forward=1",
        ));
    }
    let uplinks: Vec<String> = uplinks(state, observed)
        .unwrap_or_default()
        .into_iter()
        .map(|ifindex| observed.device(ifindex))
        .collect();
    findings.extend(uplinks.iter().filter(|_| uplinks.len() > 1).filter(|device| is_strict(device)).map(
        |device| {
            Finding::warning(
                "egress addresses",
                format!("{device} refuses answers to packets that left through another uplink (rp_filter=1)"),
                format!("sysctl -w net.ipv4.conf.{device}.rp_filter=2"),
            )
        },
    ));
    findings
}

/// The larger of both values is in force.
fn is_strict(device: &str) -> bool {
    let read = |of: &str| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter")).unwrap_or_default();
        text.trim().parse::<u8>().unwrap_or(0)
    };
    read("all").max(read(device)) == 1
}

/// What rules of others do to packets that are forwarded, a finding for each table.
fn others(objects: &[Value]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let table_of = |object: &Value| {
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        (text("family"), text("table"))
    };
    for chain in objects.iter().filter_map(|object| object.get("chain")) {
        let (family, table) = table_of(chain);
        if (family.as_str(), table.as_str()) == ("inet", table::NAME) {
            continue;
        }
        let rules = || {
            let rules = objects.iter().filter_map(|object| object.get("rule"));
            rules.filter(|rule| table_of(rule) == table_of(chain))
        };
        let of_chain = || rules().filter(|rule| rule["chain"] == chain["name"]);
        let who = format!("table {family} {table}{}", owner(&table, rules()));
        let hook = chain["hook"].as_str().unwrap_or_default();
        if hook == "forward" && (chain["policy"] == "drop" || of_chain().any(refuses_all)) {
            findings.push(Finding::warning(
                "forwarding",
                format!("{who} drops what no rule of it lets through"),
                "let packets from and to the instances' interfaces through there",
            ));
        }
        let translates = || rules().any(|rule| ["masquerade", "snat"].iter().any(|verb| has(rule, verb)));
        if chain["type"] == "nat"
            && hook == "postrouting"
            && chain["prio"].as_i64().is_some_and(|priority| priority <= OUR_PRIORITY)
            && translates()
        {
            findings.push(Finding::warning(
                "translation",
                format!("{who} translates before the egress addresses do"),
                format!("give its postrouting chain a priority above {OUR_PRIORITY}"),
            ));
        }
        if of_chain().any(|rule| sets_our_bits(&rule["expr"])) {
            findings.push(Finding::warning(
                "marks",
                format!("{who} sets bits of the packet mark that stand for egress addresses"),
                format!("have it use bits outside {:#x}", mark::MASK),
            ));
        }
    }
    findings
}

/// Whose table it is, where that is known by its name or by what it jumps to.
fn owner<'a>(table: &str, rules: impl Iterator<Item = &'a Value>) -> &'static str {
    let mut of_docker = false;
    let mut of_kubernetes = false;
    for rule in rules {
        let text = rule.to_string();
        of_docker |= text.contains("DOCKER");
        of_kubernetes |= text.contains("KUBE-");
    }
    match table {
        "firewalld" => " (firewalld)",
        _ if of_kubernetes => " (Kubernetes)",
        _ if of_docker => " (Docker)",
        _ => "",
    }
}

/// True for a rule that drops or rejects without a condition.
fn refuses_all(rule: &Value) -> bool {
    let expressions = rule["expr"].as_array().map_or(&[][..], Vec::as_slice);
    let is_verdict =
        |expression: &Value| expression.get("drop").is_some() || expression.get("reject").is_some();
    let is_neutral = |expression: &Value| expression.get("counter").is_some() || is_verdict(expression);
    expressions.iter().any(is_verdict) && expressions.iter().all(is_neutral)
}

fn has(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(map) => map.contains_key(key) || map.values().any(|value| has(value, key)),
        Value::Array(list) => list.iter().any(|value| has(value, key)),
        _ => false,
    }
}

/// True where an expression sets bits of our field of the mark.
fn sets_our_bits(expressions: &Value) -> bool {
    let sets = |value: &Value| value.as_u64().is_some_and(|bits| bits & u64::from(mark::MASK) != 0);
    let of_value = |value: &Value| {
        let operands = ["|", "^"].iter().filter_map(|operator| value.get(operator)?.as_array()).flatten();
        sets(value) || operands.into_iter().any(sets)
    };
    let statements = expressions.as_array().map_or(&[][..], Vec::as_slice);
    let mut mangles = statements.iter().filter_map(|statement| statement.get("mangle"));
    mangles.any(|mangle| mangle["key"]["meta"]["key"] == "mark" && of_value(&mangle["value"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(family: &str, table: &str, kind: &str, hook: &str, priority: i64, policy: &str) -> Value {
        json!({ "chain": {
            "family": family, "table": table, "name": hook, "type": kind, "hook": hook, "prio": priority,
            "policy": policy,
        } })
    }

    fn rule(family: &str, table: &str, chain: &str, expressions: &Value) -> Value {
        json!({ "rule": { "family": family, "table": table, "chain": chain, "expr": expressions } })
    }

    #[test]
    fn what_others_do_is_told_with_their_name() {
        let set_mark =
            |value: Value| json!([{ "mangle": { "key": { "meta": { "key": "mark" } }, "value": value } }]);
        let mark_or = |bits: u32| json!({ "|": [{ "meta": { "key": "mark" } }, bits] });
        let found = others(&[
            chain("ip", "filter", "filter", "forward", 0, "drop"),
            rule("ip", "filter", "forward", &json!([{ "jump": { "target": "DOCKER-USER" } }])),
            chain("inet", "firewalld", "filter", "forward", 10, "accept"),
            rule("inet", "firewalld", "forward", &json!([{ "reject": null }])),
            chain("ip", "early", "nat", "postrouting", 80, "accept"),
            rule("ip", "early", "postrouting", &json!([{ "masquerade": null }])),
            chain("ip", "late", "nat", "postrouting", 100, "accept"),
            rule("ip", "late", "postrouting", &json!([{ "masquerade": null }])),
            chain("ip", "kube", "filter", "output", 0, "accept"),
            rule("ip", "kube", "output", &set_mark(mark_or(0x4000))),
            chain("ip", "tail", "filter", "prerouting", 0, "accept"),
            rule("ip", "tail", "prerouting", &set_mark(mark_or(0x4_0000))),
            chain("inet", "limiter", "nat", "postrouting", 90, "accept"),
            rule("inet", "limiter", "postrouting", &json!([{ "snat": {} }])),
        ]);
        let notes: Vec<&str> = found.iter().map(|finding| finding.note.as_str()).collect();
        let expected = [
            "table ip filter (Docker) drops what no rule of it lets through",
            "table inet firewalld (firewalld) drops what no rule of it lets through",
            "table ip early translates before the egress addresses do",
            "table ip tail sets bits of the packet mark that stand for egress addresses",
        ];
        assert_eq!(notes, expected);
    }
}
