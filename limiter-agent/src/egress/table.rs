//! The table `inet limiter` of nftables: what is in it, as data and as the JSON of `nft`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use limiter_common::mark;
use serde_json::{Value, json};

use crate::netlink::{Elements, Key};
use crate::reconcile::entity;

/// Its name; its family is `inet`.
pub const NAME: &str = "limiter";

/// Place of the translation among the chains after routing: before the one where others translate, since the first
/// to decide wins.
pub const TRANSLATION_PRIORITY: i32 = 90;

/// What the rules look up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Addresses by their number in the mark of a packet: packets leave through them.
    pub egress: BTreeMap<u32, Ipv4Addr>,
    /// The same addresses: what comes to them and is no answer is dropped.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// What rarely changes.
    pub around: Around,
}

/// What is dropped on its way to networks with an egress address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// IPv6 prefixes of these networks, disjoint.
    pub prefixes: BTreeSet<Ipv6Net>,
    /// IPv6 prefixes that are not the Internet and reach them, disjoint.
    pub local: BTreeSet<Ipv6Net>,
    /// Devices towards the Internet.
    pub uplinks: BTreeSet<String>,
}

/// Elements to be taken away and added in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Numbers with their addresses to be added.
    pub added: BTreeMap<u32, Ipv4Addr>,
    /// Addresses to be guarded.
    pub guarded: BTreeSet<Ipv4Addr>,
    /// Numbers to be taken away, with their addresses.
    pub removed: BTreeMap<u32, Ipv4Addr>,
    /// Addresses to be guarded no more.
    pub unguarded: BTreeSet<Ipv4Addr>,
    /// What is dropped on its way to networks from now on; none: as it is.
    pub around: Option<Around>,
}

/// The table as it is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// There is none.
    #[default]
    Absent,
    /// There is one that we did not make.
    Foreign,
    /// Ours, but somebody changed its rules; as far as its content can be read.
    Changed(Content),
    /// Ours, with its rules as we made them.
    Ours(Content),
}

impl Content {
    /// The content after a change.
    pub fn apply(&mut self, change: &Change) {
        self.egress.retain(|number, _| !change.removed.contains_key(number));
        self.egress.extend(&change.added);
        self.addresses.retain(|address| !change.unguarded.contains(address));
        self.addresses.extend(&change.guarded);
        if let Some(around) = &change.around {
            self.around = around.clone();
        }
    }
}

impl Change {
    /// Elements that it adds or takes away, without what is around.
    pub fn elements(&self) -> usize {
        self.added.len() + self.guarded.len() + self.removed.len() + self.unguarded.len()
    }

    /// True where it does nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Identity of the rules in a listing, with the handles that the kernel gave them, and of the rules that this agent
/// makes: whoever changes or replaces one changes it, and so does another version of the agent.
pub(super) fn fingerprint(listed: &[Value]) -> u64 {
    let is_rule = |object: &&Value| object.get("chain").is_some() || object.get("rule").is_some();
    let all: Vec<Value> = listed.iter().filter(is_rule).cloned().chain(rules()).collect();
    entity::hash("nftables", &Value::from(all).to_string())
}

/// The table in a listing, where its rules are those that `fingerprint` is of.
pub(super) fn read(listed: &[Value], fingerprint: u64) -> Table {
    match content(listed) {
        Some(content) if self::fingerprint(listed) == fingerprint => Table::Ours(content),
        content => Table::Changed(content.unwrap_or_default()),
    }
}

fn content(listed: &[Value]) -> Option<Content> {
    let elements = |kind: &str, name: &str| -> Option<Vec<Value>> {
        let set = listed.iter().filter_map(|object| object.get(kind)).find(|set| set["name"] == name)?;
        Some(set.get("elem").and_then(Value::as_array).cloned().unwrap_or_default())
    };
    let egress = elements("map", "egress")?;
    let egress = egress.iter().map(|pair| {
        let number = u32::try_from(pair.get(0)?.as_u64()?).ok()?;
        Some((number >> mark::SHIFT, pair.get(1)?.as_str()?.parse().ok()?))
    });
    let addresses = elements("set", "addresses")?;
    let addresses = addresses.iter().map(|address| address.as_str()?.parse().ok());
    let prefixes = |name| elements("set", name)?.iter().map(prefix).collect::<Option<_>>();
    let uplinks = elements("set", "uplinks")?;
    let uplinks = uplinks.iter().map(|name| Some(name.as_str()?.to_owned()));
    Some(Content {
        egress: egress.collect::<Option<_>>()?,
        addresses: addresses.collect::<Option<_>>()?,
        around: Around {
            prefixes: prefixes("prefixes")?,
            local: prefixes("local")?,
            uplinks: uplinks.collect::<Option<_>>()?,
        },
    })
}

fn prefix(element: &Value) -> Option<Ipv6Net> {
    if let Some(address) = element.as_str() {
        return Ipv6Net::new(address.parse::<Ipv6Addr>().ok()?, 128).ok();
    }
    let prefix = element.get("prefix")?;
    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    Ipv6Net::new(prefix.get("addr")?.as_str()?.parse().ok()?, length).ok()
}

/// Commands that make the table anew with `content`, whatever it was, in one transaction.
pub(super) fn made_of(content: &Content) -> Value {
    let table = json!({ "table": { "family": "inet", "name": NAME } });
    let set = |name: &str, kind: &str, flags: &[&str]| json!({ "add": { "set": { "family": "inet", "table": NAME, "name": name, "type": kind, "flags": flags } } });
    let map = json!({ "add": { "map": {
        "family": "inet", "table": NAME, "name": "egress", "type": "mark", "map": "ipv4_addr",
    } } });
    let mut commands = vec![
        json!({ "add": table }),
        json!({ "delete": table }),
        json!({ "add": table }),
        map,
        set("addresses", "ipv4_addr", &[]),
        set("prefixes", "ipv6_addr", &["interval"]),
        set("local", "ipv6_addr", &["interval"]),
        set("uplinks", "ifname", &[]),
    ];
    commands.extend(rules());
    let all = Change {
        added: content.egress.clone(),
        guarded: content.addresses.clone(),
        around: Some(content.around.clone()),
        ..Change::default()
    };
    commands.extend(elements(&all));
    json!({ "nftables": commands })
}

/// Commands that carry out a change, in one transaction.
pub(super) fn changed_by(change: &Change) -> Value {
    json!({ "nftables": elements(change) })
}

/// The elements of a change that leaves what is around as it is.
pub(super) fn elements_of(change: &Change) -> Vec<Elements<'static>> {
    let pairs = |map: &BTreeMap<u32, Ipv4Addr>| {
        map.iter().map(|(number, address)| (Key::Mark(number << mark::SHIFT), Some(*address))).collect()
    };
    let keys = |set: &BTreeSet<Ipv4Addr>| set.iter().map(|address| (Key::Address(*address), None)).collect();
    let elements = |set, are_removed, elements| Elements { set, are_removed, elements };
    vec![
        elements("egress", true, pairs(&change.removed)),
        elements("addresses", true, keys(&change.unguarded)),
        elements("egress", false, pairs(&change.added)),
        elements("addresses", false, keys(&change.guarded)),
    ]
}

/// The command that deletes the table.
pub(super) fn removed() -> Value {
    json!({ "nftables": [{ "delete": { "table": { "family": "inet", "name": NAME } } }] })
}

fn elements(change: &Change) -> Vec<Value> {
    let mut commands = Vec::new();
    let mut element = |verb: &str, name: &str, elements: Vec<Value>| {
        if !elements.is_empty() {
            let element = json!({ "family": "inet", "table": NAME, "name": name, "elem": elements });
            commands.push(json!({ verb: { "element": element } }));
        }
    };
    let pairs = |map: &BTreeMap<u32, Ipv4Addr>| {
        map.iter().map(|(number, address)| json!([number << mark::SHIFT, address.to_string()])).collect()
    };
    let texts = |set: &BTreeSet<Ipv4Addr>| set.iter().map(|address| json!(address.to_string())).collect();
    element("delete", "egress", pairs(&change.removed));
    element("delete", "addresses", texts(&change.unguarded));
    element("add", "egress", pairs(&change.added));
    element("add", "addresses", texts(&change.guarded));
    if let Some(around) = &change.around {
        let prefixes = |set: &BTreeSet<Ipv6Net>| -> Vec<Value> {
            let prefix = |net: &Ipv6Net| json!({ "prefix": { "addr": net.addr().to_string(), "len": net.prefix_len() } });
            set.iter().map(prefix).collect()
        };
        let sets = [
            ("prefixes", prefixes(&around.prefixes)),
            ("local", prefixes(&around.local)),
            ("uplinks", around.uplinks.iter().map(|name| json!(name)).collect()),
        ];
        for (name, elements) in sets {
            commands.push(json!({ "flush": { "set": { "family": "inet", "table": NAME, "name": name } } }));
            if !elements.is_empty() {
                let element = json!({ "family": "inet", "table": NAME, "name": name, "elem": elements });
                commands.push(json!({ "add": { "element": element } }));
            }
        }
    }
    commands
}

/// Chains and rules, which look everything up in the sets. The state of a connection comes first: it lets most
/// packets off.
fn rules() -> Vec<Value> {
    let chain = |name: &str, kind: &str, hook: &str, priority: i32| {
        json!({ "add": { "chain": {
            "family": "inet", "table": NAME, "name": name, "type": kind, "hook": hook, "prio": priority,
            "policy": "accept",
        } } })
    };
    let rule = |chain: &str, why: &str, expressions: &[Value]| {
        json!({ "add": { "rule": {
            "family": "inet", "table": NAME, "chain": chain, "comment": why, "expr": expressions,
        } } })
    };
    let matching =
        |op: &str, left: &Value, right: Value| json!({ "match": { "op": op, "left": left, "right": right } });
    let meta = |key: &str| json!({ "meta": { "key": key } });
    let payload =
        |protocol: &str, field: &str| json!({ "payload": { "protocol": protocol, "field": field } });
    let state = |states: &[&str]| matching("in", &json!({ "ct": { "key": "state" } }), json!(states));
    let number = json!({ "&": [meta("mark"), mark::MASK] });
    let is_v4 = matching("==", &meta("nfproto"), json!("ipv4"));
    let is_marked = matching("!=", &number, json!(0));
    // The mark of a packet that the node itself sends is not ours.
    let is_forwarded =
        matching("!=", &json!({ "fib": { "result": "type", "flags": ["saddr"] } }), json!("local"));
    let drop = json!({ "drop": null });
    let translate =
        json!({ "snat": { "family": "ip", "addr": { "map": { "key": number, "data": "@egress" } } } });
    vec![
        // After connection tracking, before anything of the node.
        chain("inbound", "filter", "prerouting", -150),
        rule(
            "inbound",
            "nothing unsolicited reaches an egress address",
            &[
                state(&["invalid", "new", "untracked"]),
                matching("==", &payload("ip", "daddr"), json!("@addresses")),
                drop.clone(),
            ],
        ),
        chain("forward", "filter", "forward", 0),
        rule(
            "forward",
            "no packet leaves untranslated because no connection holds it",
            &[state(&["invalid", "untracked"]), is_v4.clone(), is_marked.clone(), drop.clone()],
        ),
        rule(
            "forward",
            "nothing unsolicited reaches a network with an egress address over IPv6",
            &[
                state(&["invalid", "new"]),
                matching("==", &payload("ip6", "daddr"), json!("@prefixes")),
                matching("==", &meta("iifname"), json!("@uplinks")),
                matching("!=", &payload("ip6", "saddr"), json!("@local")),
                drop.clone(),
            ],
        ),
        chain("outbound", "nat", "postrouting", TRANSLATION_PRIORITY),
        rule(
            "outbound",
            "a network leaves through its address",
            &[is_v4.clone(), is_marked.clone(), is_forwarded.clone(), translate],
        ),
        rule("outbound", "and through no other", &[is_v4, is_marked, is_forwarded, drop]),
    ]
}
