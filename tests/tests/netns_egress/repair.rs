//! What others break is mended, and what is theirs is left alone.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use limiter_tests::agent::Agent;
use limiter_tests::mirror::Mirror;
use limiter_tests::topology::Topology;

use super::{GOLD, SHARED, exclusive, seems, shared, state, to};

/// Without the handles, which the kernel counts on.
fn rules(topology: &Topology, table: &str) -> String {
    topology.node.run(&format!("nft list table inet {table}"))
}

#[test]
fn whatever_is_taken_away_comes_back() {
    let topology = Topology::new(&[1, 1]);
    let node = &topology.node;
    let _mirror = Mirror::start(&topology.host, to(false));
    node.run("nft add table inet other");
    node.run("nft add chain inet other limiter");
    let other = rules(&topology, "other");
    let agent = Agent::start(node, &state(&[&exclusive(GOLD), &shared(SHARED)]));
    let (table, addresses) = (rules(&topology, "limiter"), node.ip("-o -4 addr show uplink"));
    let is_whole = || {
        node.ip("-o -4 addr show uplink").lines().count() == addresses.lines().count()
            && node.run("nft list tables").contains("inet limiter")
            && rules(&topology, "limiter") == table
    };
    for damage in [
        format!("ip addr del {GOLD}/32 dev uplink"),
        "nft delete table inet limiter".to_owned(),
        "nft flush chain inet limiter outbound".to_owned(),
        "nft flush chain inet limiter inbound".to_owned(),
        "nft insert rule inet limiter outbound accept".to_owned(),
        "nft flush map inet limiter egress".to_owned(),
        format!("nft delete element inet limiter addresses {{ {GOLD} }}"),
        "nft add element inet limiter egress { 0xf0000000 : 192.0.2.1 }".to_owned(),
        "nft flush set inet limiter prefixes".to_owned(),
    ] {
        node.run(&damage);
        let start = Instant::now();
        while !is_whole() {
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{damage}: {}\n{}",
                rules(&topology, "limiter"),
                agent.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{damage}: {:?}", start.elapsed());
        assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(GOLD)), "{damage}");
        assert_eq!(seems(&topology, 1, 0), Some(IpAddr::V4(SHARED)), "{damage}");
    }
    assert_eq!(rules(&topology, "other"), other, "what is not ours is as before");
    node.run("nft flush ruleset");
    thread::sleep(Duration::from_secs(1));
    assert!(is_whole(), "{}", agent.log());
    let (_, plan) = agent.ask(&["plan"]);
    assert!(plan.contains("Nothing to do"), "{plan}");
}
