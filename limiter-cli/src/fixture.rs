//! Objects for unit tests.

use jiff::Timestamp;
use limiter_api::views::{Address, AddressUse, Instance, Network, Node, NodeInterface, Plan, Rule};

fn at() -> Timestamp {
    "2026-03-31T12:00:00Z".parse().expect("a moment")
}

pub(crate) fn network() -> Network {
    Network {
        id: "net-1".into(),
        account: "acc-1".into(),
        name: "office".into(),
        external_id: None,
        region: "default".into(),
        zone: "default".into(),
        kind: "shared".into(),
        basic_bps: Some(5_000_000),
        prefixes: vec!["10.10.0.0/24".into()],
        nodes: None,
        egress: "none".into(),
        address: None,
        egress_node: None,
        egress_leaving: None,
        internet: "allow".into(),
        unknown_sources: "drop".into(),
        observe: false,
        default_rule: None,
        status: "active".into(),
        mode: "premium".into(),
        rate_bps: Some(20_000_000),
        plan: Some("plan-1".into()),
        instances: 3,
        created_at: at(),
        version: 1,
    }
}

pub(crate) fn plan() -> Plan {
    Plan {
        id: "plan-1".into(),
        account: "acc-1".into(),
        external_id: None,
        region: "default".into(),
        pay: "pay_as_you_go".into(),
        charge: "bandwidth".into(),
        peak_bps: 20_000_000,
        applied_peak_bps: 20_000_000,
        status: "in_use".into(),
        business: "normal".into(),
        label: "In Use".into(),
        operation: None,
        reason: None,
        network: Some("net-1".into()),
        network_name: Some("office".into()),
        addresses: vec![],
        created_at: at(),
        provisioned_at: Some(at()),
        expires_at: None,
        duration: None,
        auto_renew: false,
        release_at: None,
        rules: 2,
        version: 1,
    }
}

pub(crate) fn rule() -> Rule {
    Rule {
        id: "rule-1".into(),
        account: "acc-1".into(),
        plan: "plan-1".into(),
        name: "web".into(),
        up_bps: 2_000_000,
        down_bps: 2_000_000,
        instances: 2,
        created_at: at(),
        version: 1,
    }
}

pub(crate) fn instance() -> Instance {
    Instance {
        id: "ins-1".into(),
        account: "acc-1".into(),
        network: "net-1".into(),
        name: "web-1".into(),
        external_id: None,
        addresses: vec!["10.10.0.2".into()],
        internet: "allow".into(),
        rule: Some("rule-1".into()),
        created_at: at(),
        version: 1,
    }
}

pub(crate) fn node() -> Node {
    Node {
        id: "node-1".into(),
        name: "n1".into(),
        region: "default".into(),
        uplinks: vec![],
        interfaces: vec![NodeInterface {
            pattern: "veth-*".into(),
            zone: "default".into(),
            mode: "auto".into(),
            observe: false,
            foreign_sources: "drop".into(),
        }],
        fenced: false,
        bypass: false,
        shared_address: None,
        egress_addresses: "assign".into(),
        drained: false,
        addresses: 0,
        acked_revision: 7,
        wanted_revision: 7,
        acked_at: Some(at()),
        problem: None,
        seen_at: Some(at()),
        agent_version: Some("0.1.0".into()),
        created_at: at(),
        version: 1,
    }
}

pub(crate) fn address() -> Address {
    Address {
        address: "198.51.100.7".into(),
        region: "default".into(),
        state: "bound".into(),
        plan: Some("plan-1".into()),
        rests_until: None,
    }
}

pub(crate) fn address_use() -> AddressUse {
    AddressUse {
        id: "use-1".into(),
        address: "198.51.100.7".into(),
        plan: "plan-1".into(),
        account: "acc-1".into(),
        network: "net-1".into(),
        node: "node-1".into(),
        from: at(),
        until: None,
    }
}
