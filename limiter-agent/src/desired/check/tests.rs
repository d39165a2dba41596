//! One row for each refusal: the state and the whole message.

use crate::desired::parse;

/// `version: 1`, then `text`; the message says which line.
fn refusal(text: &str) -> String {
    match parse(format!("version: 1\n{text}\n").as_bytes()) {
        Ok(_) => format!("accepted: {text}"),
        Err(mut error) => {
            error.file = Some("s".into());
            error.to_string()
        }
    }
}

fn table(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(refusal(text), *expected, "{text}");
    }
}

#[test]
fn versions_and_names() {
    table(&[
        ("bypass: true\nversion: 2", "s:3:1: version: the field is given twice; write it once"),
        (
            "networks: [{name: '', prefixes: [10.0.0.0/8]}]",
            "s:2:19: networks[0].name: \"\" is no name; write 1 to 64 characters, no control characters, `/`, and no space at either end",
        ),
        (
            "networks: [{name: a/b, prefixes: [10.0.0.0/8]}]",
            "s:2:19: networks[0].name: \"a/b\" is no name; write 1 to 64 characters, no control characters, `/`, and no space at either end",
        ),
        (
            "zones: [{name: \"a\\u0007\"}]",
            "s:2:16: zones[0].name: \"a\\u{7}\" is no name; write 1 to 64 characters, no control characters, `/`, and no space at either end",
        ),
        (
            "zones: [{name: a}, {name: b}, {name: a}]",
            "s:2:38: zones[2].name: \"a\" is given twice; each must be the only one of its kind (line 2)",
        ),
        (
            "rules:\n- {name: a, up: 1Mbps}\n- {name: a, up: 2Mbps}",
            "s:4:10: rules[1].name: \"a\" is given twice; each must be the only one of its kind (line 3)",
        ),
        (
            "networks:\n- {name: a, prefixes: [10.0.0.0/8]}\n- {name: a, prefixes: [11.0.0.0/8]}",
            "s:4:10: networks[1].name: \"a\" is given twice; each must be the only one of its kind (line 3)",
        ),
        (
            "networks:\n- {name: a, prefixes: [10.0.0.0/8]}\n- {name: b, id: a, prefixes: [11.0.0.0/8]}",
            "s:4:3: networks[1]: \"a\" is the identity of another element too; give one of them another id (line 3)",
        ),
        ("rules: [{name: a}]", "s:2:9: rules[0]: the rule limits nothing; write up, down or both"),
    ]);
    let long = "x".repeat(65);
    assert!(refusal(&format!("zones: [{{name: {long}}}]")).contains("is no name"));
    assert!(refusal(&format!("zones: [{{name: {}}}]", &long[1..])).starts_with("accepted"));
    let error = parse(b"version: 2\n").expect_err("a version to come").to_string();
    assert_eq!(error, "version: \"2\" is no version this program knows; write 1");
}

#[test]
fn references() {
    table(&[
        (
            "networks: [{name: a, zone: lap, prefixes: [10.0.0.0/8]}]\nzones: [{name: lab}]",
            "s:2:28: networks[0].zone: \"lap\" is no zone here; add it to `zones`; did you mean \"lab\"?",
        ),
        (
            "networks: [{name: a, default_rule: x, prefixes: [10.0.0.0/8]}]",
            "s:2:36: networks[0].default_rule: \"x\" is no rule here; add it to `rules`",
        ),
        (
            "rules: [{name: small, up: 1Mbps}]\nnetworks: [{name: a, prefixes: [10.0.0.0/8], instances: [{name: i, rule: smal, addresses: [10.0.0.1]}]}]",
            "s:3:74: networks[0].instances[0].rule: \"smal\" is no rule here; add it to `rules`; did you mean \"small\"?",
        ),
        (
            "rules: [{name: small, up: 1Mbps}]\nnetworks: [{name: a, prefixes: [10.0.0.0/8], instances: [{name: i, up: 1Mbps, rule: small, addresses: [10.0.0.1]}]}]",
            "s:3:85: networks[0].instances[0].rule: \"small\" stands beside up or down; write either the rule or the rates",
        ),
    ]);
}

#[test]
fn plans_and_their_ends() {
    table(&[
        (
            "networks: [{name: a, prefixes: [10.0.0.0/8], until: {at: tomorrow}}]",
            "s:2:58: networks[0].until.at: \"tomorrow\" is no instant; write date, time and zone, for example 2026-12-01T00:00:00Z",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/8], until: {at: 2026-12-01T00:00:00}}]",
            "s:2:58: networks[0].until.at: \"2026-12-01T00:00:00\" is no instant; write date, time and zone, for example 2026-12-01T00:00:00Z",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/8], until: {up: 5Mbps}}]",
            "s:2:54: networks[0].until: the field `at` is missing; write an instant such as 2026-12-01T00:00:00Z",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/8], until: soon}]",
            "s:2:53: networks[0].until: \"soon\" is not allowed here; write a mapping such as {at: 2026-12-01T00:00:00Z, up: 5Mbps, down: 5Mbps}",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/8], plan: ' '}]",
            "s:2:52: networks[0].plan: \" \" is no name; write 1 to 256 characters, no control characters, and no space at either end",
        ),
        (
            "origin: {incarnation: '', revision: 1}",
            "s:2:23: origin.incarnation: \"\" is no name; write 1 to 256 characters, no control characters, and no space at either end",
        ),
    ]);
}

#[test]
fn prefixes_and_addresses() {
    table(&[
        (
            "networks: [{name: a, prefixes: []}]",
            "s:2:32: networks[0].prefixes: the list is empty; write the prefixes that the network's addresses are from",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.1]}]",
            "s:2:33: networks[0].prefixes[0]: \"10.0.0.1\" is no prefix; write address/length, for example 10.10.0.0/24 or fd00:10::/64",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.1/8]}]",
            "s:2:33: networks[0].prefixes[0]: \"10.0.0.1/8\" has address bits set behind its length; write 10.0.0.0/8, or the address alone where that is meant",
        ),
        (
            "networks: [{name: a, prefixes: [169.254.7.0/24]}]",
            "s:2:33: networks[0].prefixes[0]: \"169.254.7.0/24\" is or covers link-local addresses (169.254.0.0/16); write unicast addresses that a machine can own",
        ),
        (
            "networks:\n- {name: a, prefixes: [10.0.0.0/8]}\n- {name: b, prefixes: [11.0.0.0/8, 10.1.0.0/16]}",
            "s:4:36: networks[1].prefixes[1]: \"10.1.0.0/16\" overlaps 10.0.0.0/8 of network \"a\" in zone \"default\" (line 3)",
        ),
        (
            "zones: [{name: default, local_prefixes: [10.0.1.0/24]}]\nnetworks: [{name: a, prefixes: [10.0.0.0/8]}]",
            "s:2:42: zones[0].local_prefixes[0]: \"10.0.1.0/24\" is inside 10.0.0.0/8 of network \"a\" and so local already; remove it",
        ),
        (
            "zones: [{name: default, local_prefixes: [0.0.0.0/0]}]",
            "s:2:42: zones[0].local_prefixes[0]: \"0.0.0.0/0\" covers every address; write a longer prefix",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/24, 10.0.2.0/24], instances: [{name: i, addresses: [10.0.1.1]}]}]",
            "s:2:94: networks[0].instances[0].addresses[0]: \"10.0.1.1\" is outside the prefixes of network \"a\": 10.0.0.0/24, 10.0.2.0/24",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/24], instances: [{name: i, addresses: [\"::ffff:10.0.0.1\"]}]}]",
            "s:2:81: networks[0].instances[0].addresses[0]: \"::ffff:10.0.0.1\" is an IPv4 address in IPv6 form; write it as IPv4",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/24], instances: [{name: i, addresses: [127.0.0.1]}]}]",
            "s:2:81: networks[0].instances[0].addresses[0]: \"127.0.0.1\" is or covers loopback addresses (127.0.0.0/8); write unicast addresses that a machine can own",
        ),
        (
            "networks:\n- name: a\n  prefixes: [10.0.0.0/24]\n  instances:\n  - {name: i, addresses: [10.0.0.1]}\n  - {name: j, addresses: [10.0.0.2, 10.0.0.0/30]}",
            "s:7:37: networks[0].instances[1].addresses[1]: \"10.0.0.0/30\" overlaps 10.0.0.1 of instance a/i; an address has one owner in a zone (line 6)",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/24], instances: [{name: i}]}]",
            "s:2:59: networks[0].instances[0]: instance a/i has no address; write addresses, or an interface with `instance: a/i`",
        ),
        (
            "networks: [{name: a, prefixes: [10.0.0.0/24], instances: [{name: i, addresses: [10.0.0.1]}, {name: i, addresses: [10.0.0.2]}]}]",
            "s:2:100: networks[0].instances[1].name: \"i\" is given twice; each must be the only one of its kind (line 2)",
        ),
    ]);
    let two_zones = "zones: [{name: lab}]\nnetworks: [{name: a, prefixes: [10.0.0.0/8]}, {name: b, zone: lab, prefixes: [10.0.0.0/8]}]";
    assert!(refusal(two_zones).starts_with("accepted"));
}

#[test]
fn interfaces_and_capacity() {
    let networks =
        "zones: [{name: lab}]\nnetworks: [{name: a, prefixes: [10.0.0.0/24], instances: [{name: web}]}]";
    let bound = |interfaces: &str| refusal(&format!("{networks}\ninterfaces: {interfaces}"));
    assert!(bound("[{match: x, instance: a/web}]").starts_with("accepted"));
    for (interfaces, expected) in [
        (
            "[{match: x, instance: web}]",
            "s:4:35: interfaces[0].instance: \"web\" is no instance; write NETWORK/NAME, such as office/web",
        ),
        (
            "[{match: x, instance: b/web}]",
            "s:4:35: interfaces[0].instance: \"b/web\" is no instance: there is no network \"b\"; did you mean \"a\"?",
        ),
        (
            "[{match: x, instance: a/wep}]",
            "s:4:35: interfaces[0].instance: \"a/wep\" is no instance: network \"a\" has no \"wep\"; did you mean \"web\"?",
        ),
        (
            "[{match: x, zone: lab, instance: a/web}]",
            "s:4:31: interfaces[0].zone: \"lab\" is not the zone of the instance behind it, \"default\"; leave it out",
        ),
        (
            "[{match: a/b}]",
            "s:4:22: interfaces[0].match: \"a/b\" is no interface name pattern; write 1 to 15 characters without space, `/` and `:`, with * for any characters and ? for one",
        ),
        (
            "[{match: x}, {match: x}]",
            "s:4:34: interfaces[1].match: \"x\" is given twice; each must be the only one of its kind (line 4)",
        ),
        (
            "[{match: x*}, {match: x-1}]",
            "s:4:35: interfaces[1].match: \"x-1\" is never reached, since \"x*\" before it matches the same names; put the narrower one first (line 4)",
        ),
    ] {
        assert_eq!(bound(interfaces), expected, "{interfaces}");
    }
    table(&[
        ("uplinks: [eth*]", "s:2:11: uplinks[0]: \"eth*\" is no interface name; write one such as eth0"),
        (
            "uplinks: [a, a]",
            "s:2:14: uplinks[1]: \"a\" is given twice; each must be the only one of its kind (line 2)",
        ),
        (
            "uplinks: [eth0]\ninterfaces: [{match: \"*\"}]",
            "s:2:11: uplinks[0]: \"eth0\" is matched by an interface entry too; a device faces either the Internet or instances (line 3)",
        ),
        (
            "capacity: {instances: 0}",
            "s:2:23: capacity.instances: \"0\" is out of range; write 1 (the instances here) to 4000000",
        ),
        (
            "capacity: {instances: 1}\nnetworks: [{name: a, prefixes: [10.0.0.0/24], instances: [{name: i, addresses: [10.0.0.1]}, {name: j, addresses: [10.0.0.2]}]}]",
            "s:2:23: capacity.instances: \"1\" is out of range; write 2 (the instances here) to 4000000",
        ),
    ]);
}

#[test]
fn egress_addresses() {
    let two = |one: &str, other: &str| {
        format!(
            "networks:\n- {{name: a, prefixes: [10.0.0.0/24], {one}}}\n- {{name: b, prefixes: [10.1.0.0/24], {other}}}"
        )
    };
    let one_owner = "an exclusive address is of one network alone, a shared one is shared in all";
    let taken = |line: &str, value: &str, what: &str| {
        format!("s:{line}: \"{value}\" is {what} of network \"a\"; {one_owner} (line 3)")
    };
    for (one, other, expected) in [
        ("egress: {shared: 198.51.100.7}", "egress: {shared: 198.51.100.7}", "accepted".to_owned()),
        ("egress: none", "egress: {exclusive: 198.51.100.7}", "accepted".to_owned()),
        (
            "egress: {exclusive: 198.51.100.7}",
            "egress: {exclusive: 198.51.100.7}",
            taken("4:58: networks[1].egress.exclusive", "198.51.100.7", "the exclusive address"),
        ),
        (
            "egress: {exclusive: 198.51.100.7}",
            "egress: {shared: 198.51.100.7}",
            taken("4:55: networks[1].egress.shared", "198.51.100.7", "the exclusive address"),
        ),
        (
            "egress: {shared: 198.51.100.7}",
            "egress: {exclusive: 198.51.100.7}",
            taken("4:58: networks[1].egress.exclusive", "198.51.100.7", "a shared address"),
        ),
        (
            "until: {at: 2030-01-01T00:00:00Z, egress: {shared: 198.51.100.7}}",
            "egress: {exclusive: 198.51.100.7}",
            taken("4:58: networks[1].egress.exclusive", "198.51.100.7", "a shared address"),
        ),
        (
            "egress: {shared: 2001:db8::1}",
            "",
            "s:3:55: networks[0].egress.shared: \"2001:db8::1\" is no IPv4 address, and IPv6 is not translated; write for example 198.51.100.7"
                .to_owned(),
        ),
        (
            "egress: {shared: 255.255.255.255}",
            "",
            "s:3:55: networks[0].egress.shared: \"255.255.255.255\" is or covers the broadcast address (255.255.255.255/32); write unicast addresses that a machine can own"
                .to_owned(),
        ),
        (
            "egress: {shared: 10.1.0.7}",
            "",
            "s:3:55: networks[0].egress.shared: \"10.1.0.7\" is inside 10.1.0.0/24 of network \"b\"; write an address that no network has"
                .to_owned(),
        ),
        (
            "egress: both",
            "",
            "s:3:46: networks[0].egress: \"both\" is not allowed here; write none, {shared: ADDRESS} or {exclusive: ADDRESS}"
                .to_owned(),
        ),
        (
            "egress: {}",
            "",
            "s:3:47: networks[0].egress: a mapping is not allowed here; write none, {shared: ADDRESS} or {exclusive: ADDRESS}"
                .to_owned(),
        ),
    ] {
        let message = refusal(&two(one, other).replace(", }", "}"));
        let message = if message.starts_with("accepted") { "accepted".to_owned() } else { message };
        assert_eq!(message, expected, "{one} {other}");
    }
}

#[test]
fn zones_with_the_same_addresses_have_no_egress_address() {
    let state = |one: &str, other: &str| {
        format!(
            "zones: [{{name: lab}}]\nnetworks:\n- {{name: a, prefixes: [10.0.0.0/16]{one}}}\n\
             - {{name: b, zone: lab, prefixes: [10.0.7.0/24]{other}}}"
        )
    };
    assert!(refusal(&state("", "")).starts_with("accepted"));
    let remedy = "an egress address for one of two zones with the same addresses needs a node, VRF or network \
                  namespace of its own, with an agent in it";
    let egress = ", egress: {shared: 198.51.100.7}";
    let until = ", until: {at: 2030-01-01T00:00:00Z, egress: {shared: 198.51.100.7}}";
    for (one, other, expected) in [
        (
            egress,
            "",
            format!(
                "s:4:46: networks[0].egress: 10.0.0.0/16 of the network overlaps 10.0.7.0/24 of network \"b\" in zone \"lab\"; {remedy}"
            ),
        ),
        (
            "",
            egress,
            format!(
                "s:5:57: networks[1].egress: 10.0.7.0/24 of the network overlaps 10.0.0.0/16 of network \"a\" in zone \"default\"; {remedy}"
            ),
        ),
        (
            "",
            until,
            format!(
                "s:5:91: networks[1].until.egress: 10.0.7.0/24 of the network overlaps 10.0.0.0/16 of network \"a\" in zone \"default\"; {remedy}"
            ),
        ),
    ] {
        assert_eq!(refusal(&state(one, other)), expected);
    }
}
