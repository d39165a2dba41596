//! What a customer finds again: plans and networks in lists, rules and their instances after each change.

use serde_json::{Value, json};

use crate::world::World;

/// Values of a field, of each item of a list.
async fn listed(world: &World, path: &str, field: &str) -> Vec<String> {
    let page = world.acme_get(path).await.good();
    let items = page.body["items"].as_array().expect("items");
    items.iter().map(|item| item[field].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn a_plan_is_listed_at_once_and_found_by_every_filter() {
    let world = World::new().await;
    let network = world.network(1).await;
    world.agent_applies().await;
    let plan = world.subscription("1m", Some(&network)).await;
    assert_eq!(listed(&world, "/plans", "id").await, [&*plan], "as soon as it is bought");
    let other = world.payg(None).await;
    world.agent_applies().await;
    for (query, expected) in [
        ("", vec![&plan, &other]),
        ("status=in_use", vec![&plan]),
        ("status=not_associated", vec![&other]),
        ("pay=subscription", vec![&plan]),
        ("region=default", vec![&plan, &other]),
        ("region=far", vec![]),
        (&format!("network={network}"), vec![&plan]),
    ] {
        let mut found = listed(&world, &format!("/plans?{query}"), "id").await;
        let mut expected: Vec<_> = expected.into_iter().cloned().collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_plan_tells_status_payment_peak_network_and_times() {
    let world = World::new().await;
    let network = world.network(1).await;
    world.agent_applies().await;
    let plan = world.subscription("1m", Some(&network)).await;
    world.agent_applies().await;
    let told = world.acme_get(&format!("/plans/{plan}")).await.good().body;
    let expected = json!({
        "label": "In Use", "pay": "subscription", "charge": "bandwidth", "peak_bps": 20_000_000,
        "network": network, "network_name": "net1", "region": "default", "addresses": [],
        "created_at": "2026-11-23T10:15:00Z", "expires_at": "2026-12-24T00:00:00Z",
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(told[field], *value, "{field} of {told}");
    }
}

#[tokio::test]
async fn the_networks_to_choose_from_are_those_without_a_plan() {
    let world = World::new().await;
    let (taken, free) = (world.network(1).await, world.network(2).await);
    world.agent_applies().await;
    world.payg(Some(&taken)).await;
    assert_eq!(listed(&world, "/networks?without_plan=true", "id").await, [free]);
}

#[tokio::test]
async fn networks_are_found_by_zone_and_instances_without_a_rule() {
    let world = World::new().await;
    let blue = json!({"name": "blue", "zone": "blue", "prefixes": ["10.9.0.0/24"]});
    let blue = world.acme_post("/networks", blue).await.good().text("id");
    let (_, rule, [bound, free]) = ruled(&world).await;
    assert_eq!(listed(&world, "/networks?zone=blue", "id").await, [blue]);
    assert_eq!(listed(&world, "/networks?zone=green", "id").await, Vec::<String>::new());
    assert_eq!(listed(&world, "/instances?bound=false", "id").await, [free]);
    assert_eq!(listed(&world, "/instances?bound=true", "id").await, [&*bound]);
    assert_eq!(listed(&world, &format!("/instances?rule={rule}&bound=true"), "id").await, [bound]);
}

/// A plan in use with a rule of one instance; another instance is free.
async fn ruled(world: &World) -> (String, String, [String; 2]) {
    let network = world.network(1).await;
    let instances = [world.instance(&network, 1, 2).await, world.instance(&network, 1, 3).await];
    let plan = world.payg(Some(&network)).await;
    world.agent_applies().await;
    let rule = json!({
        "plan": plan, "name": "slow", "up_bps": 2_000_000, "down_bps": 1_000_000, "instances": [instances[0]],
    });
    let rule = world.acme_post("/rules", rule).await.good().text("id");
    (plan, rule, instances)
}

#[tokio::test]
async fn a_rule_with_one_wrong_instance_is_not_stored() {
    let world = World::new().await;
    let (plan, rule, [_, free]) = ruled(&world).await;
    let body = |name: &str, instances: Value| json!({"plan": plan, "name": name, "up_bps": 1_000_000, "down_bps": 1_000_000, "instances": instances});
    let wrong = body("second", json!([free, "in-00000000000000000"]));
    world.acme_post("/rules", wrong).await.refused(404, "InstanceNotFound");
    assert_eq!(listed(&world, &format!("/rules?plan={plan}"), "id").await, [rule]);
    world.acme_post("/rules", body("second", json!([free]))).await.good();
}

#[tokio::test]
async fn a_rule_is_renamed_changed_bound_unbound_and_deleted() {
    let world = World::new().await;
    let (plan, rule, [bound, free]) = ruled(&world).await;
    let path = format!("/rules/{rule}");
    let change = async |body: Value| world.call("PATCH", &path, Some(&world.acme.1), Some(body)).await.good();
    for (change_of, name, up, down) in [
        (json!({"name": "lab"}), "lab", 2_000_000, 1_000_000),
        (json!({"up_bps": 3_000_000}), "lab", 3_000_000, 1_000_000),
        (json!({"down_bps": 4_000_000}), "lab", 3_000_000, 4_000_000),
        (json!({"name": "all", "up_bps": 5_000_000, "down_bps": 6_000_000}), "all", 5_000_000, 6_000_000),
    ] {
        let told = change(change_of).await.body;
        assert_eq!(
            (&told["name"], &told["up_bps"], &told["down_bps"]),
            (&json!(name), &json!(up), &json!(down))
        );
    }
    let bindings = json!({"bind": [free], "unbind": [bound]});
    world.acme_post(&format!("{path}/bindings"), bindings).await.good();
    assert_eq!(listed(&world, &format!("/instances?rule={rule}"), "id").await, [&*free]);
    let state = world.agent_applies().await;
    assert_eq!((&state["rules"][0]["up"], &state["rules"][0]["down"]), (&json!("5Mbps"), &json!("6Mbps")));
    world.acme_post("/rules/delete", json!({"rules": [rule]})).await.good();
    assert_eq!(listed(&world, &format!("/rules?plan={plan}"), "id").await, Vec::<String>::new());
    let state = world.agent_applies().await;
    assert_eq!((&state["rules"], &state["networks"][0]["up"]), (&Value::Null, &json!("20Mbps")));
}

#[tokio::test]
async fn at_most_twenty_subscriptions_end_in_one_call() {
    let world = World::new().await;
    let plan = world.subscription("1m", None).await;
    let end = |ids: Vec<String>| json!({"plans": ids});
    let too_many = vec![plan.clone(); 21];
    world.acme_post("/plans/unsubscribe", end(too_many)).await.refused(400, "TooManyIds");
    world.acme_post("/plans/unsubscribe", end(Vec::new())).await.refused(400, "MissingParameter");
    assert_eq!(listed(&world, "/plans", "id").await, [&*plan], "nothing ended");
    let ended = world.acme_post("/plans/unsubscribe", end(vec![plan.clone()])).await.good();
    assert_eq!(ended.body, json!([{"id": plan}]));
    assert_eq!(
        world.acme_get("/status").await.good().body["plans"],
        json!({}),
        "what is gone is not counted"
    );
}

#[tokio::test]
async fn tokens_name_their_account_and_node() {
    let world = World::new().await;
    let page = world.get("/tokens", None).await.good();
    let names = |one: &Value| (one["account_name"].clone(), one["node_name"].clone());
    let found: Vec<_> = page.body["items"].as_array().expect("items").iter().map(names).collect();
    let expected =
        [(json!("acme"), Value::Null), (json!("other"), Value::Null), (Value::Null, json!("edge-1"))];
    for one in &expected {
        assert!(found.contains(one), "{one:?} is not in {found:?}");
    }
}

#[tokio::test]
async fn a_renamed_account_is_noted() {
    let world = World::new().await;
    let path = format!("/accounts/{}", world.acme.0);
    world.call("PATCH", &path, None, Some(json!({"name": "acme ltd"}))).await.good();
    world.call("PATCH", &path, None, Some(json!({"name": "acme ltd"}))).await.good();
    let page = world.get("/events?kind=account.updated", None).await.good();
    let events = page.body["items"].as_array().expect("items");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (&events[0]["subject"], &events[0]["detail"]),
        (&json!(world.acme.0), &json!("name acme -> acme ltd"))
    );
}

#[tokio::test]
async fn events_of_long_lists_are_short() {
    let world = World::new().await;
    let prefixes: Vec<String> =
        (0..1_000).map(|number| format!("10.{}.{}.0/24", number / 250, number % 250)).collect();
    world.acme_post("/networks", json!({"name": "wide", "prefixes": prefixes})).await.good();
    let page = world.acme_get("/events?kind=network.created").await.good();
    let detail = page.body["items"][0]["detail"].as_str().expect("a text");
    assert!(detail.ends_with(" and 992 more") && detail.len() < 200, "{detail}");
}
