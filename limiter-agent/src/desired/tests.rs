//! What holds for every state: the examples parse, no input panics, and the two readers agree.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const FULL: &str = include_str!("../../../docs/examples/full.yaml");
const FIRST: &str = include_str!("../../../docs/examples/first-limit.yaml");
const REFERENCE: &str = include_str!("../../../docs/state-file.md");

fn good(text: &str) -> (NodeState, Desired) {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn examples() {
    let (_, first) = good(FIRST);
    assert_eq!((first.networks.len(), first.instances.len(), first.interfaces.len()), (1, 1, 1));
    assert_eq!(first.instances[0].limits.up, Some(Rate::new(2_000_000).expect("in range")));

    let (state, full) = good(FULL);
    assert!(plain::read(FULL).is_some(), "the fast lane takes it");
    let names: Vec<&str> = full.instances.iter().map(|instance| &*instance.name).collect();
    assert_eq!(names, ["db", "mail", "web"]);
    let sources: Vec<&LimitSource> = full.instances.iter().map(|instance| &instance.limits.source).collect();
    let expected = [
        LimitSource::DefaultRule("small".into()),
        LimitSource::Rule("download-only".into()),
        LimitSource::Own,
    ];
    assert_eq!(sources, expected.iter().collect::<Vec<_>>());
    assert_eq!(full.interface("tap-db").and_then(|interface| interface.bound), Some(0));
    assert_eq!(full.interface("veth-x").map(|interface| interface.bound), Some(None));
    assert_eq!(full.interface("eth0"), None);
    assert_eq!(&*full.networks[1].id, "net-1");
    assert_eq!(&*full.instances[1].id, "net-1/mail");

    // Nothing is missing in the example and the reference.
    let json = serde_json::to_value(&state).expect("a state is JSON");
    let schema = serde_json::to_value(everything()).expect("a state is JSON");
    // What only the control plane writes is no example for a file.
    let foreign = ["origin", "incarnation", "revision"];
    for field in fields(&schema) {
        let in_example = FULL.contains(&format!("{field}:")) || foreign.contains(&field.as_str());
        assert!(in_example, "docs/examples/full.yaml has no {field}");
        let in_reference = [format!("`{field}`"), format!("`{field}."), format!(".{field}`")]
            .iter()
            .any(|name| REFERENCE.contains(name));
        assert!(in_reference, "docs/state-file.md has no {field}");
    }
    assert_eq!(serde_json::from_value::<NodeState>(json).expect("and back"), state);
}

/// A state with every field away from its default, so that each is written.
fn everything() -> NodeState {
    let name = || Some("x".to_owned());
    let rate = Rate::new(8_000).ok();
    NodeState {
        version: STATE_VERSION,
        origin: Some(OriginSpec { incarnation: "x".to_owned(), revision: 1 }),
        bypass: true,
        capacity: CapacitySpec { instances: Some(1) },
        uplinks: vec!["x".to_owned()],
        egress_addresses: EgressAddresses::Routed,
        interfaces: vec![InterfaceSpec {
            pattern: "x".to_owned(),
            zone: name(),
            instance: name(),
            mode: Mode::Shape,
            observe: true,
            foreign_sources: Policy::Pass,
            other_ethertypes: Policy::Drop,
        }],
        zones: vec![ZoneSpec { name: "x".to_owned(), local_prefixes: vec!["x".to_owned()] }],
        rules: vec![RuleSpec { id: name(), name: "x".to_owned(), up: rate, down: rate }],
        networks: vec![NetworkSpec {
            id: name(),
            name: "x".to_owned(),
            zone: name(),
            prefixes: vec!["x".to_owned()],
            up: rate,
            down: rate,
            internet: Access::Deny,
            observe: true,
            unknown_sources: UnknownSources::Budget,
            egress: EgressSpec::Exclusive("x".to_owned()),
            plan: name(),
            until: Some(UntilSpec {
                at: Timestamp::UNIX_EPOCH,
                up: rate,
                down: rate,
                internet: Access::Deny,
                egress: EgressSpec::Shared("x".to_owned()),
            }),
            default_rule: name(),
            instances: vec![InstanceSpec {
                id: name(),
                name: "x".to_owned(),
                addresses: vec!["x".to_owned()],
                up: rate,
                down: rate,
                rule: name(),
                internet: Access::Deny,
            }],
        }],
    }
}

fn fields(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Array(list) => list.iter().flat_map(fields).collect(),
        serde_json::Value::Object(map) => {
            map.iter().flat_map(|(key, value)| [vec![key.clone()], fields(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn a_file_cut_within_a_line_is_refused() {
    for text in [FIRST, FULL] {
        for (cut, _) in text.char_indices().filter(|&(cut, _)| !text[..cut].ends_with('\n')) {
            assert!(parse(&text.as_bytes()[..cut]).is_err(), "{}", &text[..cut]);
        }
    }
}

#[test]
fn the_order_in_the_file_does_not_matter() {
    let (mut state, expected) = good(FULL);
    state.networks.reverse();
    state.rules.reverse();
    state.zones.reverse();
    for network in &mut state.networks {
        network.instances.reverse();
        for instance in &mut network.instances {
            instance.addresses.reverse();
        }
        network.prefixes.reverse();
    }
    assert_eq!(check(&state), Ok(expected));
}

/// `instances` instances, 100 in a network, each with an address of either family.
fn large(instances: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("version: 1\ninterfaces:\n  - match: \"veth-*\"\nnetworks:\n");
    for i in 0..instances {
        let (net, host) = (i / 100, i % 100 + 2);
        let v4 = format!("10.{}.{}", net / 256, net % 256);
        if i % 100 == 0 {
            let head = format!(
                "  - name: net{net}\n    prefixes: [{v4}.0/24, \"fd00:{net:x}::/64\"]\n    up: 5Mbps\n"
            );
            text.push_str(&head);
            text.push_str("    instances:\n");
        }
        writeln!(text, "      - name: vm{i}\n        addresses: [{v4}.{host}, \"fd00:{net:x}::{host:x}\"]\n        up: 2Mbps")
            .expect("a string takes all");
    }
    text
}

#[test]
fn a_hundred_thousand_instances() {
    let state = plain::read(&large(100_000)).expect("the fast lane takes it");
    let desired = check(&state).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((desired.networks.len(), desired.instances.len()), (1_000, 100_000));
}

#[test]
fn an_error_deep_in_a_large_state_is_found() {
    let text = large(1_000)
        .replace("vm999\n        addresses: [10.0.9.101,", "vm999\n        addresses: [10.0.9.100,");
    let error = parse(text.as_bytes()).expect_err("a duplicate");
    assert_eq!(error.position, Some((3_043, 21)));
    let message = error.to_string();
    assert!(
        message.starts_with("networks[9].instances[99].addresses[0]: \"10.0.9.100\" overlaps"),
        "{message}"
    );
    assert!(message.ends_with("(line 3040)"), "{message}");
}

fn state_text() -> impl Strategy<Value = String> {
    select(vec![
        FIRST.to_owned(),
        FULL.to_owned(),
        large(3),
        serde_json::to_string(&everything()).expect("JSON") + "\n",
    ])
}

/// Lines and pieces that an editor, a broken copy or a hostile hand may leave.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "",
        "\n",
        " ",
        "  ",
        "- ",
        "-",
        ":",
        ": ",
        "#",
        " #",
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "!x ",
        "|\n",
        "---\n",
        "...\n",
        "? ",
        "<<: ",
        "\t",
        "\0",
        "\u{feff}",
        "~",
        "null",
        "true",
        "5",
        "-1",
        "0x1",
        "5mbps",
        "10.10.0.2",
        "::",
        "fd00::",
        "%YAML 1.2\n",
        "name: x\n",
        "up: 1Mbps\n",
        "version: 1\n",
        "\\",
        "\r\n",
        "\u{85}",
    ];
    prop_oneof![select(known.map(str::to_owned).to_vec()), "\\PC{0,4}", "[a-z0-9:. #\\[\\]{},\"\n-]{1,6}"]
}

/// A state text with some parts cut, doubled or overwritten.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0_usize..12, piece());
    (state_text(), prop::collection::vec(edit, 1..4)).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, cut, piece) in edits {
            let at = at.index(chars.len() + 1);
            let end = chars.len().min(at + cut);
            chars.splice(at..end, piece.chars());
        }
        chars.into_iter().chain(['\n']).collect()
    })
}

/// Plain YAML made of whole lines, where indentation carries the meaning.
fn lines() -> impl Strategy<Value = String> {
    let line = (
        0_usize..7,
        select(vec![
            "networks:",
            "zones:",
            "- name: a",
            "- name: b  # c",
            "name: d",
            "prefixes: [10.0.0.0/8]",
            "prefixes:",
            "- 10.0.0.0/8",
            "instances:",
            "uplinks:",
            "uplinks: [ a, \"b\"]",
            "- a",
            "bypass: true",
            "bypass:",
            "# c",
            "",
            "up: 5Mbps",
            "capacity: {instances: 5}",
            "capacity:",
            "instances: 5",
            "rules: []",
            "- {name: r, up: 1Mbps}",
            "- match: a",
            "interfaces:",
        ]),
    );
    prop::collection::vec(line, 0..8).prop_map(|lines| {
        let lines: Vec<String> =
            lines.into_iter().map(|(indent, line)| format!("{}{line}\n", " ".repeat(indent))).collect();
        format!("version: 1\n{}", lines.concat())
    })
}

fn agree(text: &str) -> Result<(), TestCaseError> {
    if let Some(fast) = plain::read(text) {
        let full = parse::full(text);
        prop_assert_eq!(full.as_ref().map_err(ToString::to_string), Ok(&fast), "{}", text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_state_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(&bytes).ok();
    }

    #[test]
    fn a_broken_state_is_a_state_or_one_line(text in mutated()) {
        if let Err(error) = parse(text.as_bytes()) {
            prop_assert!(!error.to_string().contains('\n'), "{}", error);
        }
    }

    #[test]
    fn the_fast_lane_reads_broken_states_as_the_full_reader_does(text in mutated()) {
        agree(&text)?;
    }

    #[test]
    fn the_fast_lane_reads_indentation_as_the_full_reader_does(text in lines()) {
        agree(&text)?;
    }

    #[test]
    fn a_switch_is_turned_in_any_form_of_text(text in mutated()) {
        if let Ok((state, _)) = parse(text.as_bytes()) {
            let turned = edit::set_bypass(state.clone(), !state.bypass);
            if let Some(patched) = patch::patch(&text, &state, &turned) {
                prop_assert_eq!(parse(patched.as_bytes()).map(|(state, _)| state), Ok(turned));
                prop_assert_eq!(patched.matches('#').count(), text.matches('#').count());
            }
        }
    }

    #[test]
    fn a_checked_state_survives_being_written(text in mutated()) {
        if let Ok((state, desired)) = parse(text.as_bytes()) {
            for json in [false, true] {
                let text = file::write_state("", &state, json);
                let back = parse(text.as_bytes()).map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(&back, &(state.clone(), desired.clone()));
            }
        }
    }
}
