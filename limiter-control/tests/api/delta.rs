//! What nodes are told of changes makes the state that they would be told whole, and no address is two
//! nodes', whatever happens.

use std::cell::Cell;
use std::collections::HashMap;

use jiff::SignedDuration;
use limiter_api::agent::{AgentContent, AgentState};
use limiter_state::{EgressSpec, NodeState};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::world::{Answer, World};

/// One thing that happens: what, and two choices.
type Happening = (u8, u8, u8);

/// Kinds of happenings.
const KINDS: u8 = 32;

/// A node whose agent asks now and then.
struct Agent {
    node: String,
    token: String,
    has: Option<NodeState>,
    /// How often it was told changes, and how often all.
    told: (u32, u32),
}

impl Agent {
    async fn ask(&mut self, world: &World) {
        let known = self.has.as_ref().and_then(|state| state.origin.as_ref());
        let known =
            known.map(|origin| format!("&incarnation={}&revision={}", origin.incarnation, origin.revision));
        let path = format!("/agent/state?wait_s=0{}", known.unwrap_or_default());
        let answer = world.get(&path, Some(&self.token)).await.good();
        if answer.status == 200 {
            let told: AgentState = serde_json::from_value(answer.body).expect("a state");
            self.has = Some(match told.content {
                AgentContent::State(state) => {
                    self.told.1 += 1;
                    state
                }
                AgentContent::Delta(delta) => {
                    self.told.0 += 1;
                    let before = self.has.take().expect("a state before");
                    before.changed_by(delta).expect("changes of this state")
                }
            });
        }
        let node = world.get(&format!("/nodes/{}", self.node), None).await.good();
        if node.body["fenced"] == true {
            // What it passes counts no more: it is told all again when the fence goes.
            return;
        }
        let whole = world.get("/agent/state?wait_s=0", Some(&self.token)).await.good();
        let whole: AgentState = serde_json::from_value(whole.body).expect("a state");
        let AgentContent::State(whole) = whole.content else { panic!("not all of it: {whole:?}") };
        let lines = |state: &NodeState| {
            let text = serde_json::to_string_pretty(&NodeState { origin: None, ..state.clone() });
            text.expect("a state").lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let (has, whole) = (lines(self.has.as_ref().expect("a state")), lines(&whole));
        let only = |these: &[String], those: &[String]| {
            these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>()
        };
        assert!(has == whole, "{}: has {:?}, not {:?}", self.node, only(&has, &whole), only(&whole, &has));
    }

    async fn acknowledge(&self, world: &World) {
        let Some(origin) = self.has.as_ref().and_then(|state| state.origin.as_ref()) else { return };
        let ack = json!({
            "incarnation": origin.incarnation,
            "revision": origin.revision,
            "in_force_revision": origin.revision,
        });
        world.post("/agent/ack", Some(&self.token), ack).await.good();
    }
}

/// Nodes of the zones `default`, both, and `far`, and what there is.
struct Play {
    world: World,
    agents: [Agent; 3],
    made: u32,
}

impl Play {
    async fn new() -> Self {
        let world = World::new().await;
        let mut agents = Vec::new();
        let nodes = [("here", ["default", "default"]), ("both", ["default", "far"]), ("far", ["far", "far"])];
        for (index, (node, zones)) in nodes.into_iter().enumerate() {
            let interfaces = zones.map(|zone| json!({"match": format!("{zone}*"), "zone": zone}));
            let new = json!({
                "name": node,
                "interfaces": interfaces[..if zones[0] == zones[1] { 1 } else { 2 }],
                "shared_address": format!("203.0.113.{}", index + 1),
            });
            world.post("/nodes", None, new).await.good();
            let token = json!({"name": format!("agent of {node}"), "role": "agent", "node": node});
            let token = world.post("/tokens", None, token).await.good().text("secret");
            agents.push(Agent { node: node.to_owned(), token, has: None, told: (0, 0) });
        }
        // The node that the world has is not part of this.
        let page = world.get("/nodes", None).await.good();
        let own = page.body["items"].as_array().expect("nodes").iter().find(|node| node["name"] == "edge-1");
        let own = own.expect("the node")["id"].as_str().expect("an id").to_owned();
        world.call("DELETE", &format!("/nodes/{own}"), None, None).await.good();
        let addresses = json!({"ranges": ["198.51.100.0/24"]});
        world.post("/addresses/import", None, addresses).await.good();
        let Ok(agents) = agents.try_into() else { panic!("three agents") };
        Self { world, agents, made: 0 }
    }

    /// The identity of one of the things of a kind, where there is one.
    async fn some(&self, kind: &str, choice: u8) -> Option<String> {
        let page = self.world.get(&format!("/{kind}?limit=100"), None).await.good();
        let items = page.body["items"].as_array().expect("items");
        let item = items.get(usize::from(choice) % items.len().max(1))?;
        Some(item["id"].as_str().expect("an id").to_owned())
    }

    /// A call that may be refused, but must not fail.
    async fn try_to(&self, method: &str, path: String, body: Value) -> Answer {
        let answer = self.world.call(method, &path, None, Some(body)).await;
        assert!(answer.status < 500, "{method} {path}: {answer:?}");
        answer
    }

    async fn happen(&mut self, (kind, a, b): Happening) -> Option<()> {
        self.made += 1;
        let made = self.made;
        let rate = |choice: u8| (u64::from(choice) % 50 + 2) * 1_000_000;
        match kind % KINDS {
            0 | 1 => {
                let nodes = [Value::Null, Value::Null, json!(["both"]), json!(["here", "both"])];
                let network = json!({
                    "account": "acme", "name": format!("n{made}"),
                    "zone": if a % 3 == 0 { "far" } else { "default" },
                    "prefixes": [format!("10.{}.{}.0/24", made / 250, made % 250)],
                    "nodes": nodes[usize::from(b) % 4],
                });
                self.try_to("POST", "/networks".to_owned(), network).await;
            }
            2..=5 => {
                let network = self.some("networks", a).await?;
                let shown = self.world.get(&format!("/networks/{network}"), None).await.good();
                let prefix = shown.body["prefixes"][0].as_str().expect("a prefix").to_owned();
                let address = prefix.replace("0/24", &format!("{}", b.max(1)));
                let instance =
                    json!({"network": network, "name": format!("i{made}"), "addresses": [address]});
                self.try_to("POST", "/instances".to_owned(), instance).await;
            }
            6 => {
                let instance = self.some("instances", a).await?;
                let change = [
                    json!({"name": format!("j{made}")}),
                    json!({"internet": "deny"}),
                    json!({"internet": "allow"}),
                ];
                self.try_to("PATCH", format!("/instances/{instance}"), change[usize::from(b) % 3].clone())
                    .await;
            }
            7 if b % 2 == 0 => {
                let (instance, network) = (self.some("instances", a).await?, self.some("networks", b).await?);
                let shown = self.world.get(&format!("/networks/{network}"), None).await.good();
                let prefix = shown.body["prefixes"][0].as_str().expect("a prefix").to_owned();
                let address = prefix.replace("0/24", &format!("{}", a.max(1)));
                let there = json!({"network": network, "addresses": [address]});
                self.try_to("POST", format!("/instances/{instance}/move"), there).await;
            }
            7 => {
                let instance = self.some("instances", a).await?;
                self.try_to("DELETE", format!("/instances/{instance}"), Value::Null).await;
            }
            8..=10 => {
                let network = self.some("networks", a).await?;
                let plan = json!({
                    "account": "acme", "pay": "pay_as_you_go", "peak_bps": rate(b),
                    "network": if b % 4 == 0 { Value::Null } else { json!(network) },
                });
                let term = json!({
                    "account": "acme", "pay": "subscription", "duration": "1w", "peak_bps": rate(b), "network": network,
                });
                self.try_to("POST", "/plans".to_owned(), if kind % KINDS == 10 { term } else { plan }).await;
            }
            11 => {
                let plan = self.some("plans", a).await?;
                self.try_to("POST", format!("/plans/{plan}/resize"), json!({"peak_bps": rate(b)})).await;
            }
            12 => {
                let plan = self.some("plans", a).await?;
                self.try_to("POST", format!("/plans/{plan}/dissociate"), json!({})).await;
            }
            13 => {
                let (plan, network) = (self.some("plans", a).await?, self.some("networks", b).await?);
                self.try_to("POST", format!("/plans/{plan}/associate"), json!({"network": network})).await;
            }
            14 => {
                let plan = self.some("plans", a).await?;
                let verb = if b % 2 == 0 { "delete" } else { "unsubscribe" };
                self.try_to("POST", format!("/plans/{verb}"), json!({"plans": [plan]})).await;
            }
            15 | 16 => {
                let plan = self.some("plans", a).await?;
                let instances: Vec<_> = self.some("instances", b).await.into_iter().collect();
                let rule = json!({
                    "plan": plan, "name": format!("r{made}"), "up_bps": rate(a), "down_bps": rate(b),
                    "instances": if b % 3 == 0 { Vec::new() } else { instances },
                });
                self.try_to("POST", "/rules".to_owned(), rule).await;
            }
            17 => {
                let rule = self.some("rules", a).await?;
                let change =
                    [json!({"up_bps": rate(b)}), json!({"name": format!("s{made}"), "down_bps": rate(b)})];
                self.try_to("PATCH", format!("/rules/{rule}"), change[usize::from(b) % 2].clone()).await;
            }
            18 => {
                let rule = self.some("rules", a).await?;
                self.try_to("POST", "/rules/delete".to_owned(), json!({"rules": [rule]})).await;
            }
            19 | 20 => {
                let (rule, instance) = (self.some("rules", a).await?, self.some("instances", b).await?);
                let which = if b % 4 == 0 { "unbind" } else { "bind" };
                self.try_to("POST", format!("/rules/{rule}/bindings"), json!({which: [instance]})).await;
            }
            21 => {
                let (network, rule) = (self.some("networks", a).await?, self.some("rules", b).await?);
                let changes = [
                    json!({"default_rule": rule}),
                    json!({"default_rule": null}),
                    json!({"name": format!("m{made}")}),
                    json!({"internet": "deny"}),
                    json!({"observe": true}),
                    json!({"nodes": ["both"]}),
                    json!({"nodes": ["here"]}),
                    json!({"nodes": null}),
                ];
                self.try_to("PATCH", format!("/networks/{network}"), changes[usize::from(b) % 8].clone())
                    .await;
            }
            22 => {
                let network = self.some("networks", a).await?;
                self.try_to("DELETE", format!("/networks/{network}"), Value::Null).await;
            }
            23 => {
                let node = self.some("nodes", a).await?;
                let changes = [
                    json!({"bypass": true}),
                    json!({"bypass": false}),
                    json!({"fenced": true}),
                    json!({"fenced": false}),
                    json!({"interfaces": [{"match": "x*"}]}),
                    json!({"interfaces": [{"match": "y*", "zone": "far"}]}),
                ];
                self.try_to("PATCH", format!("/nodes/{node}"), changes[usize::from(b) % 6].clone()).await;
            }
            26 => {
                let (network, node) = (self.some("networks", a).await?, self.some("nodes", b).await?);
                self.try_to("POST", format!("/networks/{network}/move-egress"), json!({"node": node})).await;
            }
            27 => {
                let node = self.some("nodes", a).await?;
                self.try_to("PATCH", format!("/nodes/{node}"), json!({"drained": b % 2 == 0})).await;
            }
            28 => {
                let network = self.some("networks", a).await?;
                let egress = ["none", "shared", "exclusive", "exclusive"][usize::from(b) % 4];
                self.try_to("PATCH", format!("/networks/{network}"), json!({"egress": egress})).await;
            }
            24 => self.world.pass(SignedDuration::from_mins(i64::from(b))).await,
            25 => self.world.pass(SignedDuration::from_hours(i64::from(a) * 2)).await,
            _ => {
                let rules = (0..a % 4).map(|number| {
                    json!({"name": format!("r{number}"), "up": format!("{} Mbps", b % 50 + 2), "down": "9 Mbps"})
                });
                let instances = (0..b % 6).map(|number| {
                    let rule = if a % 4 == 0 { Value::Null } else { json!(format!("r{}", number % (a % 4))) };
                    json!({"name": format!("i{number}"), "addresses": [format!("172.16.0.{}", number + 1)], "rule": rule})
                });
                let network = json!({
                    "name": "set", "prefixes": ["172.16.0.0/24"],
                    "plan": {"pay": "pay_as_you_go", "peak": format!("{} Mbps", a % 3 * 50 + 50)},
                    "rules": rules.collect::<Vec<_>>(), "instances": instances.collect::<Vec<_>>(),
                });
                let apply = json!({"account": "acme", "prune": a % 2 == 0, "setup": {"networks": [network]}});
                self.try_to("POST", "/apply".to_owned(), apply).await;
            }
        }
        Some(())
    }

    /// Addresses of plans in what nodes have in force, which may be older than what they are to have.
    async fn check_addresses(&self) -> usize {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for agent in &self.agents {
            let node = self.world.get(&format!("/nodes/{}", agent.node), None).await.good();
            let networks = agent.has.iter().flat_map(|state| &state.networks);
            for network in networks.filter(|_| node.body["fenced"] == false) {
                let EgressSpec::Exclusive(address) = &network.egress else { continue };
                let owner = owners.insert(address, &agent.node);
                assert_eq!(owner, None, "{address} is of {} as well", agent.node);
            }
        }
        owners.len()
    }
}

#[test]
fn changes_make_the_whole_state() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = Config { cases: 32, max_shrink_iters: 400, ..Config::default() };
    let happenings =
        prop::collection::vec((any::<Happening>(), any::<[bool; 3]>(), any::<[bool; 3]>()), 10..80);
    let (told, used) = (Cell::new((0, 0)), Cell::new(0));
    let played = TestRunner::new(config).run(&happenings, |happenings| {
        runtime.block_on(async {
            let mut play = Play::new().await;
            for (happening, asks, acknowledges) in happenings {
                play.happen(happening).await;
                for (index, (asks, acknowledges)) in asks.into_iter().zip(acknowledges).enumerate() {
                    if asks {
                        play.agents[index].ask(&play.world).await;
                    }
                    if acknowledges {
                        play.agents[index].acknowledge(&play.world).await;
                    }
                }
                used.set(used.get() + play.check_addresses().await);
            }
            for agent in &mut play.agents {
                agent.ask(&play.world).await;
                told.set((told.get().0 + agent.told.0, told.get().1 + agent.told.1));
            }
        });
        Ok(())
    });
    played.expect("the same state");
    let (changes, all) = told.get();
    assert!(changes > all, "{changes} times changes, {all} times all");
    assert!(used.get() > 100, "addresses were in force {} times", used.get());
}
