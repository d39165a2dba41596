//! Setups that move addresses and names about, that say things twice, and whose plans are not in force yet.

use serde_json::{Value, json};

use crate::world::{Answer, World};

/// A network `office` of these instances and nothing else.
fn office(instances: &Value) -> Value {
    json!({"networks": [{"name": "office", "prefixes": ["10.5.0.0/24"], "instances": instances}]})
}

async fn try_apply(world: &World, setup: Value, prune: bool) -> Answer {
    world.acme_post("/apply", json!({"setup": setup, "prune": prune})).await
}

async fn apply(world: &World, setup: Value) -> Value {
    try_apply(world, setup, false).await.good().body
}

/// Every instance as `NAME ADDRESSES`, by name.
async fn instances(world: &World) -> Vec<String> {
    let page = world.acme_get("/instances").await.good();
    let shown = |one: &Value| {
        let addresses: Vec<&str> =
            one["addresses"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        format!("{} {}", one["name"].as_str().expect("a name"), addresses.join(","))
    };
    let mut all: Vec<String> = page.body["items"].as_array().expect("items").iter().map(shown).collect();
    all.sort();
    all
}

#[tokio::test]
async fn addresses_are_widened_handed_over_and_swapped() {
    let world = World::new().await;
    let two =
        |a: Value, b: Value| office(&json!([{"name": "a", "addresses": a}, {"name": "b", "addresses": b}]));
    apply(&world, two(json!(["10.5.0.2"]), json!(["10.5.0.4"]))).await;
    for (a, b) in [
        (json!(["10.5.0.2/31"]), json!(["10.5.0.4"])),
        (json!(["10.5.0.2"]), json!(["10.5.0.4"])),
        (json!(["10.5.0.4"]), json!(["10.5.0.2"])),
        (json!(["10.5.0.2", "10.5.0.4"]), json!(["10.5.0.3"])),
        (json!(["10.5.0.9"]), json!(["10.5.0.2", "10.5.0.3", "10.5.0.4"])),
    ] {
        apply(&world, two(a.clone(), b.clone())).await;
        let list = |value: &Value| {
            value.as_array().expect("a list").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        };
        assert_eq!(instances(&world).await, [format!("a {}", list(&a)), format!("b {}", list(&b))]);
    }
}

#[tokio::test]
async fn an_address_has_one_owner_after_a_setup() {
    let world = World::new().await;
    let start = json!([{"name": "a", "addresses": ["10.5.0.2"]}, {"name": "b", "addresses": ["10.5.0.3"]}]);
    apply(&world, office(&start)).await;
    for (wrong, place) in [
        // What one got before in this setup, what one keeps, and what one has that is not named.
        (json!([{"name": "a", "addresses": ["10.5.0.8/30"]}, {"name": "b", "addresses": ["10.5.0.9"]}]), 1),
        (json!([{"name": "a", "addresses": ["10.5.0.2/31"]}, {"name": "b", "addresses": ["10.5.0.3"]}]), 0),
        (json!([{"name": "a", "addresses": ["10.5.0.3"]}]), 0),
    ] {
        let answer = try_apply(&world, office(&wrong), false).await.refused(409, "AddressConflict");
        assert_eq!(answer.text("field"), format!("setup.networks[0].instances[{place}].addresses[0]"));
        assert_eq!(instances(&world).await, ["a 10.5.0.2", "b 10.5.0.3"]);
    }
}

#[tokio::test]
async fn names_are_swapped_and_given_on() {
    let world = World::new().await;
    let one = |name: &str, id: &str, host: u8| json!({"name": name, "external_id": id, "addresses": [format!("10.5.0.{host}")]});
    apply(&world, office(&json!([one("a", "x", 2), one("b", "y", 3)]))).await;
    apply(&world, office(&json!([one("b", "x", 2), one("a", "y", 3)]))).await;
    assert_eq!(instances(&world).await, ["a 10.5.0.3", "b 10.5.0.2"]);
    // The first is renamed, and a new one has its name.
    let new = json!({"name": "b", "addresses": ["10.5.0.4"]});
    apply(&world, office(&json!([new, one("c", "x", 2)]))).await;
    assert_eq!(instances(&world).await, ["a 10.5.0.3", "b 10.5.0.4", "c 10.5.0.2"]);
    let taken = office(&json!([one("a", "x", 2)]));
    let answer = try_apply(&world, taken, false).await.refused(409, "NameDuplicate");
    assert_eq!(answer.text("field"), "setup.networks[0].instances[0].name");
}

#[tokio::test]
async fn what_is_given_twice_is_refused_at_its_place() {
    let world = World::new().await;
    let network = |name: &str, rest: Value| {
        let mut network = json!({"name": name, "prefixes": ["10.5.0.0/24"]});
        network.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        network
    };
    let one =
        |name: &str, id: Option<&str>| json!({"name": name, "external_id": id, "addresses": ["10.5.0.2"]});
    let rule = |name: &str| json!({"name": name, "up": "2Mbps", "down": "2Mbps"});
    for (networks, place) in [
        (json!([network("a", json!({})), network("a", json!({}))]), "networks[1].name"),
        (
            json!([network("a", json!({"external_id": "x"})), network("b", json!({"external_id": "x"}))]),
            "networks[1].external_id",
        ),
        (
            json!([network("a", json!({"instances": [one("i", None), one("j", None), one("i", None)]}))]),
            "networks[0].instances[2].name",
        ),
        (
            json!([
                network("a", json!({"instances": [one("i", Some("x"))]})),
                network("b", json!({"instances": [one("i", Some("x"))]})),
            ]),
            "networks[1].instances[0].external_id",
        ),
        (
            json!([network("a", json!({"rules": [rule("slow"), rule(" slow ")]}))]),
            "networks[0].rules[1].name",
        ),
    ] {
        let setup = json!({"networks": networks});
        let answer = try_apply(&world, setup, false).await.refused(400, "InvalidParameter");
        assert_eq!(answer.text("field"), format!("setup.{place}"));
    }
    // By its name, and by its external id.
    let ours = network("a", json!({"external_id": "x"}));
    apply(&world, json!({"networks": [ours]})).await;
    let twice = json!({"networks": [network("a", json!({})), network("b", json!({"external_id": "x"}))]});
    let answer = try_apply(&world, twice, false).await.refused(400, "InvalidParameter");
    assert_eq!(answer.text("field"), "setup.networks[1].name");
}

/// A network with a plan, these rules, and instances bound to them by name.
fn ruled(rules: &[&str], bound: &[Option<&str>]) -> Value {
    let rule = |name: &&str| json!({"name": name, "up": "2Mbps", "down": "2Mbps"});
    let one = |(host, rule): (usize, Option<&str>)| json!({"name": format!("i{host}"), "addresses": [format!("10.5.0.{}", host + 2)], "rule": rule});
    json!({"networks": [{
        "name": "office",
        "prefixes": ["10.5.0.0/24"],
        "plan": {"pay": "pay_as_you_go", "peak": "50Mbps"},
        "rules": rules.iter().map(rule).collect::<Vec<_>>(),
        "instances": bound.iter().copied().enumerate().map(one).collect::<Vec<_>>(),
    }]})
}

#[tokio::test]
async fn a_rule_that_nothing_makes_and_a_network_without_a_plan_are_refused() {
    let world = World::new().await;
    let bound = json!([{"name": "a", "addresses": ["10.5.0.2"], "rule": "slow"}]);
    let answer = try_apply(&world, office(&bound), false).await.refused(409, "PlanNotAssociated");
    assert_eq!(answer.text("field"), "setup.networks[0].instances[0].rule");
    let answer = try_apply(&world, ruled(&["slow"], &[Some("slow"), Some("fast")]), false).await;
    let answer = answer.refused(404, "RuleNotFound");
    assert_eq!(answer.text("field"), "setup.networks[0].instances[1].rule");
}

#[tokio::test]
async fn rules_are_known_by_their_trimmed_names_and_bound_anew() {
    let world = World::new().await;
    apply(&world, ruled(&[], &[])).await;
    world.agent_applies().await;
    apply(&world, ruled(&["slow", "fast"], &[Some("slow"), Some(" slow"), Some("fast")])).await;
    let same = ruled(&[" slow", "fast "], &[Some("slow "), Some("slow"), Some("fast")]);
    assert_eq!(apply(&world, same).await, json!({"changes": []}));
    let moved = ruled(&["slow", "fast"], &[Some("fast"), None, Some("slow")]);
    let moved = apply(&world, moved).await;
    let details: Vec<_> =
        moved["changes"].as_array().expect("changes").iter().map(|it| it["detail"].as_str()).collect();
    assert_eq!(details, [Some("slow -> fast"), Some("slow -> none"), Some("fast -> slow")]);
    // An instance is written once, whatever happens to it.
    let page = world.acme_get("/instances?name=i0").await.good();
    assert_eq!(page.body["items"][0]["version"], 2);
    let state = world.agent_applies().await;
    assert_eq!(state["rules"].as_array().map(Vec::len), Some(2), "{state}");
}

#[tokio::test]
async fn a_plan_whose_rules_are_left_out_is_named() {
    let world = World::new().await;
    let waits = |applied: &Value| applied["waits_for"].as_array().map_or(0, Vec::len);
    assert_eq!(waits(&apply(&world, ruled(&[], &[])).await), 0, "nothing is left out");
    assert_eq!(waits(&apply(&world, ruled(&["slow"], &[Some("slow")])).await), 1, "a rule");
    world.agent_applies().await;
    apply(&world, ruled(&["slow"], &[Some("slow"), None])).await;
    let page = world.acme_get("/plans").await.good();
    let path = format!("/plans/{}/dissociate", page.body["items"][0]["id"].as_str().expect("an id"));
    world.acme_post(&path, json!({})).await.good();
    // Dissociation takes the rules at once.
    assert_eq!(waits(&apply(&world, ruled(&["slow"], &[None, None])).await), 1, "a rule");
    assert_eq!(waits(&apply(&world, ruled(&[], &[])).await), 0, "nothing is left out");
}

#[tokio::test]
async fn a_term_that_is_over_leaves_rules_as_they_are() {
    let world = World::new().await;
    let subscribed = |rules: &[&str], bound: &[Option<&str>]| {
        let mut setup = ruled(rules, bound);
        setup["networks"][0]["plan"] =
            json!({"pay": "subscription", "peak": "50Mbps", "duration": "1w", "auto_renew": false});
        setup
    };
    apply(&world, subscribed(&[], &[None])).await;
    world.agent_applies().await;
    apply(&world, subscribed(&["slow"], &[Some("slow")])).await;
    world.agent_applies().await;
    let mut without_plan = subscribed(&["slow"], &[None]);
    without_plan["networks"][0].as_object_mut().expect("an object").remove("plan");
    // Nobody worked what was due: the setup does, before it looks.
    world.later("2026-12-01T00:00:01Z");
    let left = apply(&world, without_plan).await;
    assert_eq!((&left["changes"], left["waits_for"].as_array().map(Vec::len)), (&json!([]), Some(1)));
    let same = apply(&world, subscribed(&["slow"], &[Some("slow")])).await;
    assert_eq!(same, json!({"changes": []}), "nothing is left out");
}

#[tokio::test]
async fn a_deleted_network_is_not_exported() {
    let world = World::new().await;
    let (kept, gone) = (world.network(1).await, world.network(2).await);
    world.agent_applies().await;
    world.call("DELETE", &format!("/networks/{gone}"), Some(&world.acme.1), None).await.good();
    let exported = world.acme_get("/export").await.good().body;
    let names: Vec<_> =
        exported["networks"].as_array().expect("networks").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["net1"], "{kept} is left");
}

#[tokio::test]
async fn full_plans_and_rules_are_told_apart_by_their_final_number() {
    let settings = limiter_domain::Settings {
        rules_per_plan: 2,
        instances_per_rule: 2,
        ..limiter_domain::Settings::default()
    };
    let world = World::with(settings).await;
    apply(&world, ruled(&[], &[])).await;
    world.agent_applies().await;
    apply(&world, ruled(&["a", "b"], &[Some("a"), Some("a"), Some("b")])).await;
    let answer = try_apply(&world, ruled(&["a", "b", "c"], &[]), false).await;
    let answer = answer.refused(429, "QuotaExceeded.Rule");
    assert_eq!(answer.text("field"), "setup.networks[0].rules[2]");
    let answer = try_apply(&world, ruled(&["a", "b"], &[Some("b"), Some("b"), Some("b")]), false).await;
    let answer = answer.refused(429, "QuotaExceeded.RuleBinding");
    assert_eq!(answer.text("field"), "setup.networks[0].instances[1].rule");
    // Full rules exchange what they have, and a full plan its rules.
    apply(&world, ruled(&["a", "b"], &[Some("b"), Some("b"), Some("a")])).await;
    try_apply(&world, ruled(&["c", "d"], &[Some("c"), Some("d"), None]), true).await.good();
    let page = world.acme_get("/rules").await.good();
    let mut names: Vec<_> =
        page.body["items"].as_array().expect("items").iter().map(|it| it["name"].as_str()).collect();
    names.sort();
    assert_eq!(names, [Some("c"), Some("d")]);
}
