//! Instances that move to other networks, and networks that move to other nodes.

use serde_json::{Value, json};

use crate::world::World;

/// A network of `acme` at `10.NUMBER.0.0/24` with a plan in use and a rule of one instance; their ids.
async fn ruled(world: &World) -> [String; 4] {
    let network = world.network(1).await;
    let instance = world.instance(&network, 1, 2).await;
    let plan = world.payg(Some(&network)).await;
    world.agent_applies().await;
    let rule = json!({
        "plan": plan, "name": "slow", "up_bps": 2_000_000, "down_bps": 1_000_000, "instances": [instance],
    });
    let rule = world.acme_post("/rules", rule).await.good().text("id");
    [network, instance, plan, rule]
}

#[tokio::test]
async fn an_instance_moves_with_new_addresses_and_leaves_its_rule() {
    let world = World::new().await;
    let [_, instance, _, rule] = ruled(&world).await;
    let to = world.network(2).await;
    let body = json!({"network": to, "addresses": ["10.2.0.9"]});
    let moved = world.acme_post(&format!("/instances/{instance}/move"), body).await.good().body;
    assert_eq!((&moved["network"], &moved["rule"]), (&json!(to), &Value::Null));
    assert_eq!((&moved["addresses"], &moved["id"]), (&json!(["10.2.0.9"]), &json!(instance)));
    assert_eq!(world.acme_get(&format!("/rules/{rule}")).await.good().body["instances"], 0);
    let events = world.acme_get(&format!("/events?subject={instance}")).await.good();
    let kinds: Vec<_> =
        events.body["items"].as_array().expect("items").iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["instance.created", "binding.added", "binding.removed", "instance.moved"]);
    let state = world.agent_applies().await.to_string();
    assert!(state.contains("10.2.0.9") && !state.contains("10.1.0.2"), "{state}");
}

#[tokio::test]
async fn an_instance_keeps_its_addresses_in_another_zone() {
    let world = World::new().await;
    let instance = world.instance(&world.network(1).await, 1, 2).await;
    let blue = json!({"name": "blue", "zone": "blue", "prefixes": ["10.1.0.0/16"]});
    let blue = world.acme_post("/networks", blue).await.good().text("id");
    let moved =
        world.acme_post(&format!("/instances/{instance}/move"), json!({"network": blue})).await.good();
    assert_eq!(moved.body["addresses"], json!(["10.1.0.2"]));
}

#[tokio::test]
async fn a_move_that_does_not_fit_changes_nothing() {
    let world = World::new().await;
    let [from, instance, _, rule] = ruled(&world).await;
    let to = world.network(2).await;
    let other = json!({"network": to, "name": "other", "addresses": ["10.2.0.8/30"]});
    world.acme_post("/instances", other).await.good();
    let foreign = json!({"name": "theirs", "prefixes": ["10.77.0.0/24"]});
    let foreign = world.post("/networks", Some(&world.other.1), foreign).await.good().text("id");
    let path = format!("/instances/{instance}/move");
    for (body, status, code, field) in [
        (json!({"network": foreign}), 404, "NetworkNotFound", "network"),
        (json!({"network": from}), 400, "InvalidParameter", "network"),
        (json!({"network": to}), 409, "AddressConflict", "addresses[0]"),
        (json!({"network": to, "addresses": ["10.2.0.9"]}), 409, "AddressConflict", "addresses[0]"),
        (json!({"network": to, "addresses": []}), 400, "MissingParameter", "addresses"),
    ] {
        // An operator reaches both accounts, and moves nothing between them.
        for token in [Some(&*world.acme.1), None] {
            let answer = world.post(&path, token, body.clone()).await.refused(status, code);
            assert_eq!(answer.text("field"), field, "{body}");
        }
    }
    let stranger = json!({"network": foreign});
    world.post(&path, Some(&world.other.1), stranger).await.refused(404, "InstanceNotFound");
    let name = world.acme_get(&format!("/instances/{instance}")).await.good().text("name");
    let twin = json!({"network": to, "name": name, "addresses": ["10.2.0.20"]});
    world.acme_post("/instances", twin).await.good();
    let body = json!({"network": to, "addresses": ["10.2.0.21"]});
    world.acme_post(&path, body).await.refused(409, "NameDuplicate");
    let still = world.acme_get(&format!("/instances/{instance}")).await.good().body;
    assert_eq!((&still["network"], &still["rule"]), (&json!(from), &json!(rule)));
}

#[tokio::test]
async fn a_network_is_given_to_other_nodes_and_its_end_waits_for_those_it_left() {
    let world = World::new().await;
    let [network, _, plan, _] = ruled(&world).await;
    world.agent_applies().await;
    let second = json!({"name": "edge-2", "interfaces": [{"match": "inst*"}]});
    world.post("/nodes", None, second).await.good();
    let path = format!("/networks/{network}");
    let change = async |token: Option<&str>, body: Value| world.call("PATCH", &path, token, Some(body)).await;
    change(Some(&world.acme.1), json!({"nodes": ["edge-2"]})).await.refused(403, "Forbidden");
    change(Some(&world.acme.1), json!({"nodes": null})).await.refused(403, "Forbidden");
    change(None, json!({"nodes": []})).await.refused(400, "MissingParameter");
    change(None, json!({"nodes": ["edge-9"]})).await.refused(404, "NodeNotFound");
    let changed = change(None, json!({"nodes": ["edge-2"]})).await.good();
    assert_eq!(changed.body["nodes"].as_array().map(Vec::len), Some(1), "{changed:?}");
    // The first node has not heard of it, so it may still enforce the plan.
    world.acme_post(&format!("/plans/{plan}/dissociate"), json!({})).await.good();
    assert_eq!(world.label(&plan).await, "Changing");
    world.call("DELETE", "/nodes/edge-1", None, None).await.refused(409, "NodeInUse");
    let state = world.agent_applies().await;
    assert_eq!(state["networks"], Value::Null, "{state}");
    assert_eq!(world.label(&plan).await, "Not Associated");
    let all = change(None, json!({"nodes": null})).await.good();
    assert_eq!(all.body["nodes"], Value::Null);
    assert_eq!(world.agent_applies().await["networks"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_beginning_does_not_wait_for_a_node_that_the_network_left() {
    let world = World::new().await;
    let second = json!({"name": "edge-2", "interfaces": [{"match": "inst*"}]});
    world.post("/nodes", None, second).await.good();
    let network = world.network(1).await;
    let plan = world.payg(Some(&network)).await;
    world.agent_applies().await;
    assert_eq!(world.label(&plan).await, "Creating", "the second node is silent");
    let path = format!("/networks/{network}");
    world.call("PATCH", &path, None, Some(json!({"nodes": ["edge-1"]}))).await.good();
    assert_eq!(world.label(&plan).await, "In Use");
}
