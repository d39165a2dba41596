//! Addresses of plans: imported, given, moved from node to node, taken back, and who had them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::World;

/// A world whose region has two addresses, and a second node with an agent of its own.
struct Scene {
    world: World,
    second: String,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let shared = json!({"shared_address": "203.0.113.1"});
        world.call("PATCH", "/nodes/edge-1", None, Some(shared)).await.good();
        import(&world, &["198.51.100.1-198.51.100.2"]).await;
        Self { world, second: String::new() }
    }

    async fn with_second() -> Self {
        let mut scene = Self::new().await;
        scene.world.pass(SignedDuration::from_mins(1)).await;
        let node = json!({
            "name": "edge-2", "interfaces": [{"match": "inst*"}], "shared_address": "203.0.113.2",
        });
        scene.world.post("/nodes", None, node).await.good();
        let token = json!({"name": "agent 2", "role": "agent", "node": "edge-2"});
        scene.second = scene.world.post("/tokens", None, token).await.good().text("secret");
        scene
    }

    /// What the two nodes are told of the only network, as `egress internet`; both put it in force.
    async fn both_apply(&self) -> [String; 2] {
        let first = self.world.agent_applies().await;
        [told(&first), told(&self.world.applies(&self.second).await)]
    }

    async fn node(&self, network: &str, field: &str) -> Option<String> {
        let network = self.world.get(&format!("/networks/{network}"), None).await.good();
        let id = network.body[field].as_str()?.to_owned();
        Some(self.world.get(&format!("/nodes/{id}"), None).await.good().text("name"))
    }

    async fn change_node(&self, name: &str, change: Value) {
        self.world.call("PATCH", &format!("/nodes/{name}"), None, Some(change)).await.good();
    }
}

async fn import(world: &World, ranges: &[&str]) -> Value {
    world.post("/addresses/import", None, json!({"ranges": ranges})).await.good().body
}

/// `egress internet` of the only network that a node is told of.
fn told(state: &Value) -> String {
    let network = &state["networks"][0];
    let internet = network["internet"].as_str().unwrap_or("allow");
    format!("{} {internet}", network["egress"].to_string().replace('"', ""))
}

async fn states(world: &World) -> Vec<(String, String)> {
    let page = world.get("/addresses", None).await.good();
    let items = page.body["items"].as_array().expect("addresses");
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    items.iter().map(|item| (text(item, "address"), text(item, "state"))).collect()
}

#[tokio::test]
async fn ranges_are_imported_listed_and_removed() {
    let world = World::new().await;
    let shared = Some(json!({"shared_address": "203.0.113.1"}));
    world.call("PATCH", "/nodes/edge-1", None, shared).await.good();
    let tried = json!({"ranges": ["198.51.100.0/30"], "dry_run": true});
    let tried = world.post("/addresses/import", None, tried).await.good();
    assert_eq!(tried.body, json!({"region": "default", "addresses": 2, "plans": 0}));
    assert_eq!(states(&world).await, [], "a dry run");
    import(&world, &["198.51.100.0/30", "198.51.100.8-198.51.100.10"]).await;
    let free = world.get("/addresses?state=free&limit=2", None).await.good();
    assert_eq!(free.body["items"][1]["address"], "198.51.100.2");
    let next = free.text("next");
    let rest = world.get(&format!("/addresses?state=free&after={next}"), None).await.good();
    assert_eq!(rest.body["items"].as_array().map(Vec::len), Some(3));
    let refuse = async |path: &str, ranges: Value, status: u16, code: &str| {
        let answer = world.post(path, None, json!({"ranges": ranges})).await.refused(status, code);
        answer.text("field")
    };
    let import = "/addresses/import";
    let field = refuse(import, json!(["198.51.100.20", "198.51.100.9"]), 409, "AddressConflict").await;
    assert_eq!(field, "ranges[1]");
    refuse(import, json!(["255.255.255.255"]), 400, "InvalidParameter").await;
    refuse(import, json!(["192.0.2.0/28", "192.0.2.4"]), 409, "AddressConflict").await;
    refuse(import, json!([]), 400, "MissingParameter").await;
    refuse("/addresses/remove", json!(["192.0.2.1"]), 404, "AddressNotFound").await;
    world.network(1).await;
    refuse(import, json!(["203.0.113.0/30"]), 409, "AddressConflict").await;
    refuse(import, json!(["10.1.0.128/30"]), 409, "AddressConflict").await;
    let public = json!({"name": "public", "prefixes": ["198.51.100.0/24"]});
    world.acme_post("/networks", public).await.refused(409, "AddressConflict");
    world.get("/addresses/192.0.2.1", None).await.refused(404, "AddressNotFound");
    world.get("/addresses/office", None).await.refused(404, "AddressNotFound");
    let removal = json!({"ranges": ["198.51.100.8-198.51.100.30"]});
    let removed = world.post("/addresses/remove", None, removal).await.good();
    assert_eq!(removed.body["addresses"], 3);
    assert_eq!(states(&world).await.len(), 2);
    let events = world.get("/events?kind=addresses.", None).await.good();
    assert_eq!(events.body["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_plan_has_an_address_from_its_order_to_its_release() {
    let Scene { world, .. } = Scene::new().await;
    let one = world.payg(None).await;
    let two = world.payg(None).await;
    let of =
        async |plan: &str| world.acme_get(&format!("/plans/{plan}")).await.good().body["addresses"].clone();
    assert_eq!((of(&one).await, of(&two).await), (json!(["198.51.100.1"]), json!(["198.51.100.2"])));
    let order = json!({"pay": "pay_as_you_go", "peak_bps": 20_000_000});
    let refused = world.acme_post("/plans", order.clone()).await.refused(503, "NoAddressAvailable");
    assert_eq!(refused.body["retry"], true);
    let plans = world.acme_get("/plans").await.good();
    assert_eq!(plans.body["items"].as_array().map(Vec::len), Some(2), "nothing was ordered");
    let removal = json!({"ranges": ["198.51.100.1"]});
    world.post("/addresses/remove", None, removal).await.refused(409, "AddressInUse");
    world.acme_post("/plans/delete", json!({"plans": [one]})).await.good();
    let rests = world.get("/addresses/198.51.100.1", None).await.good();
    assert_eq!(
        (rests.text("state"), rests.text("rests_until")),
        ("quarantined".into(), "2026-11-24T10:15:00Z".into())
    );
    world.acme_post("/plans", order.clone()).await.refused(503, "NoAddressAvailable");
    let removal = json!({"ranges": ["198.51.100.1"]});
    world.post("/addresses/remove", None, removal).await.refused(409, "AddressInUse");
    world.pass(SignedDuration::from_hours(24)).await;
    assert_eq!(states(&world).await[0].1, "free");
    let three = world.acme_post("/plans", order).await.good();
    assert_eq!(three.body["addresses"], json!(["198.51.100.1"]));
}

#[tokio::test]
async fn a_network_leaves_through_the_address_of_its_plan_while_that_serves_it() {
    let Scene { world, .. } = Scene::new().await;
    let network = world.network(1).await;
    let shown = world.acme_get(&format!("/networks/{network}")).await.good();
    assert_eq!(shown.text("egress"), "exclusive", "the default where a region has addresses");
    assert_eq!(told(&world.agent_applies().await), "{shared:203.0.113.1} allow");
    let plan = world.subscription("1m", Some(&network)).await;
    assert_eq!(told(&world.agent_applies().await), "{exclusive:198.51.100.1} allow");
    let state = world.agent_applies().await;
    assert_eq!(state["networks"][0]["until"]["egress"], json!({"shared": "203.0.113.1"}));
    world.acme_post(&format!("/plans/{plan}/dissociate"), json!({})).await.good();
    assert_eq!(told(&world.agent_applies().await), "{shared:203.0.113.1} allow");
    world.pass(SignedDuration::from_mins(1)).await;
    world.acme_post(&format!("/plans/{plan}/associate"), json!({"network": network})).await.good();
    assert_eq!(told(&world.agent_applies().await), "{exclusive:198.51.100.1} allow", "the same again");
    world.at("2026-12-24T00:00:00Z").await;
    assert_eq!(told(&world.agent_applies().await), "{shared:203.0.113.1} allow", "expired");
    let uses = world.get("/addresses/198.51.100.1/uses", None).await.good();
    let uses = uses.body["items"].as_array().expect("uses").clone();
    assert_eq!(uses.len(), 2, "{uses:?}");
    assert_eq!((&uses[0]["network"], &uses[0]["plan"]), (&json!(network), &json!(plan)));
    assert_eq!((&uses[1]["until"], &uses[1]["account"]), (&Value::Null, &json!(world.acme.0)));
    let at = |instant: &str| format!("/addresses/198.51.100.1/uses?at={instant}");
    let then = world.get(&at("2026-11-23T10:14:59Z"), None).await.good();
    assert_eq!(then.body["items"], json!([]), "nobody had it before");
    let then = world.get(&at("2026-12-01T00:00:00Z"), None).await.good();
    assert_eq!(then.body["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn how_a_network_leaves_is_the_operators_choice_and_needs_a_shared_address() {
    let Scene { world, .. } = Scene::new().await;
    let network = world.network(1).await;
    let path = format!("/networks/{network}");
    let change = |egress: &str| Some(json!({"egress": egress}));
    world.call("PATCH", &path, Some(&world.acme.1), change("none")).await.refused(403, "Forbidden");
    world.call("PATCH", &path, None, change("nat")).await.refused(400, "InvalidParameter");
    world.call("PATCH", &path, None, change("none")).await.good();
    world.payg(Some(&network)).await;
    assert_eq!(told(&world.agent_applies().await), "null allow", "routed, although the plan has an address");
    world.call("PATCH", &path, None, change("shared")).await.good();
    assert_eq!(told(&world.agent_applies().await), "{shared:203.0.113.1} allow");
    let without = Some(json!({"shared_address": null}));
    world.call("PATCH", "/nodes/edge-1", None, without).await.refused(409, "NodeInUse");
    let bare = json!({"name": "edge-2", "interfaces": [{"match": "inst*"}]});
    world.post("/nodes", None, bare).await.good();
    let token = json!({"name": "agent 2", "role": "agent", "node": "edge-2"});
    let second = world.post("/tokens", None, token).await.good().text("secret");
    assert_eq!(told(&world.applies(&second).await), "null deny", "rather nothing than its own address");
    world.call("PATCH", &path, None, change("exclusive")).await.refused(409, "NodeHasNoSharedAddress");
    let more = json!({"ranges": ["198.51.100.9"]});
    world.post("/addresses/import", None, more).await.refused(409, "NodeHasNoSharedAddress");
    let pooled = Some(json!({"shared_address": "198.51.100.2"}));
    world.call("PATCH", "/nodes/edge-1", None, pooled).await.refused(409, "AddressConflict");
    let owned = Some(json!({"shared_address": "10.1.0.77"}));
    world.call("PATCH", "/nodes/edge-1", None, owned).await.refused(409, "AddressConflict");
}

#[tokio::test]
async fn plans_from_before_the_addresses_get_one_each_or_nothing_is_imported() {
    let world = World::new().await;
    let network = world.network(1).await;
    let used = world.payg(Some(&network)).await;
    // The oldest plan gets the first address.
    world.pass(SignedDuration::from_mins(1)).await;
    let free = world.payg(None).await;
    world.agent_applies().await;
    let shared = Some(json!({"shared_address": "203.0.113.1"}));
    world.call("PATCH", "/nodes/edge-1", None, shared).await.good();
    let few = json!({"ranges": ["198.51.100.1"]});
    world.post("/addresses/import", None, few).await.refused(409, "TooFewAddresses");
    assert_eq!(states(&world).await, []);
    let imported = import(&world, &["198.51.100.1-198.51.100.3"]).await;
    assert_eq!((&imported["addresses"], &imported["plans"]), (&json!(3), &json!(2)));
    for plan in [used, free] {
        let plan = world.acme_get(&format!("/plans/{plan}")).await.good();
        assert_eq!(plan.body["addresses"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(told(&world.agent_applies().await), "null allow", "networks stay as they are");
    let exclusive = Some(json!({"egress": "exclusive"}));
    world.call("PATCH", &format!("/networks/{network}"), None, exclusive).await.good();
    assert_eq!(told(&world.agent_applies().await), "{exclusive:198.51.100.1} allow");
}

#[tokio::test]
async fn one_node_has_the_address_and_it_moves_when_that_one_let_go() {
    let scene = Scene::with_second().await;
    let world = &scene.world;
    let network = world.network(1).await;
    scene.both_apply().await;
    world.payg(Some(&network)).await;
    let there = "{exclusive:198.51.100.1} allow";
    assert_eq!(scene.both_apply().await, [there, "null deny"]);
    let path = format!("/networks/{network}/move-egress");
    world.acme_post(&path, json!({"node": "edge-2"})).await.refused(403, "Forbidden");
    world.post(&path, None, json!({"node": "edge-3"})).await.refused(404, "NodeNotFound");
    let node =
        async |name: &str| world.get(&format!("/nodes/{name}"), None).await.good().body["addresses"].clone();
    assert_eq!((node("edge-1").await, node("edge-2").await), (json!(1), json!(0)));
    let moving = world.post(&path, None, json!({"node": "edge-2"})).await.good();
    assert_eq!(moving.body["address"], "198.51.100.1");
    assert_eq!((node("edge-1").await, node("edge-2").await), (json!(1), json!(0)), "until it let go");
    assert_eq!(scene.node(&network, "egress_leaving").await.as_deref(), Some("edge-1"));
    // However long it takes, and whatever the other node says.
    assert_eq!(told(&world.applies(&scene.second).await), "null deny");
    world.pass(SignedDuration::from_hours(100)).await;
    assert_eq!(told(&world.applies(&scene.second).await), "null deny");
    assert_eq!(told(&world.agent_applies().await), "null deny");
    assert_eq!(scene.both_apply().await, ["null deny", there]);
    assert_eq!(scene.node(&network, "egress_leaving").await, None);
    assert_eq!((node("edge-1").await, node("edge-2").await), (json!(0), json!(1)));
    let uses = world.get("/addresses/198.51.100.1/uses", None).await.good();
    let uses = uses.body["items"].as_array().expect("uses").clone();
    assert_eq!(uses.len(), 2);
    assert_ne!(uses[0]["node"], uses[1]["node"]);
    assert_eq!(uses[0]["until"], uses[1]["from"]);
}

#[tokio::test]
async fn a_drained_node_gives_its_addresses_away_and_a_fenced_one_loses_them() {
    let scene = Scene::with_second().await;
    let world = &scene.world;
    let network = world.network(1).await;
    scene.both_apply().await;
    let plan = world.payg(Some(&network)).await;
    scene.both_apply().await;
    let there = "{exclusive:198.51.100.1} allow";
    scene.change_node("edge-1", json!({"drained": true})).await;
    scene.both_apply().await;
    assert_eq!(scene.both_apply().await, ["null deny", there]);
    scene.change_node("edge-1", json!({"drained": false})).await;
    assert_eq!(scene.both_apply().await, ["null deny", there], "it does not come back by itself");
    // The second node is dead: an operator says so.
    scene.change_node("edge-2", json!({"fenced": true})).await;
    assert_eq!(told(&world.agent_applies().await), there);
    let early = Some(json!({"fenced": false}));
    world.call("PATCH", "/nodes/edge-2", None, early.clone()).await.refused(409, "NodeNotReady");
    world.applies(&scene.second).await;
    world.call("PATCH", "/nodes/edge-2", None, early).await.good();
    assert_eq!(scene.both_apply().await, [there, "null deny"]);
    assert_eq!(world.label(&plan).await, "In Use", "all the time");
}

#[tokio::test]
async fn an_address_whose_node_does_not_carry_the_network_any_more_moves_when_it_let_go() {
    let scene = Scene::with_second().await;
    let world = &scene.world;
    let network = world.network(1).await;
    scene.both_apply().await;
    world.payg(Some(&network)).await;
    scene.both_apply().await;
    let only = Some(json!({"nodes": ["edge-2"]}));
    world.call("PATCH", &format!("/networks/{network}"), None, only).await.good();
    assert_eq!(told(&world.applies(&scene.second).await), "null deny");
    world.agent_applies().await;
    assert_eq!(told(&world.applies(&scene.second).await), "{exclusive:198.51.100.1} allow");
}
