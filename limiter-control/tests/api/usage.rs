//! What agents measured: counted once, shown to whom it belongs.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{Answer, World};

/// Identity of the agent's record.
const RECORD: &str = "00112233445566778899aabbccddeeff";

/// A network of `acme` with two instances and a plan in use.
struct Furnished {
    world: World,
    network: String,
    plan: String,
    instances: [String; 2],
}

async fn furnished() -> Furnished {
    let world = World::new().await;
    let network = world.network(1).await;
    let instances = [world.instance(&network, 1, 1).await, world.instance(&network, 1, 2).await];
    let plan = world.payg(Some(&network)).await;
    world.agent_applies().await;
    world.at("2026-11-23T12:30:00Z").await;
    Furnished { world, network, plan, instances }
}

fn flow(bytes: u64) -> Value {
    json!({"bytes": bytes, "window_bytes_max": bytes / 3, "refused_bytes": bytes / 10, "limited_s": 2})
}

impl Furnished {
    fn row(&self, plan: Option<&str>, start: &str, down_bytes: u64) -> Value {
        json!({
            "network": self.network,
            "plan": plan,
            "start": start,
            "up": flow(down_bytes / 2),
            "down": flow(down_bytes),
        })
    }

    fn instance_row(&self, place: usize, start: &str, down_bytes: u64) -> Value {
        json!({
            "network": self.network,
            "instance": self.instances[place],
            "start": start,
            "up": flow(0),
            "down": flow(down_bytes),
        })
    }

    async fn send(&self, sequence: u64, networks: Value, instances: Value) -> Answer {
        self.send_as(self.world.agent(), sequence, sequence, networks, instances).await
    }

    async fn send_as(
        &self,
        agent: &str,
        sequence: u64,
        oldest: u64,
        networks: Value,
        instances: Value,
    ) -> Answer {
        let batch = json!({
            "record": RECORD,
            "sequence": sequence,
            "oldest": oldest,
            "complete_until": "2026-11-23T12:00:00Z",
            "networks": networks,
            "instances": instances,
        });
        self.world.post("/agent/usage", Some(agent), batch).await
    }

    async fn down_bytes(&self, of: &str) -> u64 {
        let query = "from=2026-11-23T11:00:00Z&to=2026-11-23T12:30:00Z";
        let series = self.world.acme_get(&format!("{of}/usage?{query}")).await.good();
        series.body["total"]["down"]["bytes"].as_u64().expect("bytes")
    }

    async fn of_plan(&self) -> u64 {
        self.down_bytes(&format!("/plans/{}", self.plan)).await
    }

    async fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.world.get(&format!("/events?kind={kind}"), None).await.good();
        events.body["items"].as_array().expect("events").clone()
    }
}

#[tokio::test]
async fn a_batch_counts_once_however_often_it_comes() {
    let it = furnished().await;
    let first = json!([it.row(Some(&it.plan), "2026-11-23T11:07:00Z", 3000)]);
    for _ in 0..3 {
        let taken = it.send(1, first.clone(), json!([])).await.good();
        assert_eq!(taken.body, json!({"through": 1, "refused_rows": 0}));
    }
    assert_eq!(it.of_plan().await, 3000);
    let second =
        json!([it.row(Some(&it.plan), "2026-11-23T11:07:00Z", 50), it.row(None, "2026-11-23T11:07:00Z", 7)]);
    it.send(2, second, json!([])).await.good();
    assert_eq!(it.of_plan().await, 3050);
    assert_eq!(it.down_bytes(&format!("/networks/{}", it.network)).await, 3057);
    let taken = it.world.get(&format!("/agent/usage?record={RECORD}"), Some(it.world.agent())).await.good();
    assert_eq!(taken.body["through"], 2);
}

#[tokio::test]
async fn a_copy_of_an_agent_and_a_batch_of_long_ago_are_refused_with_an_event() {
    let it = furnished().await;
    let row = |bytes| json!([it.row(Some(&it.plan), "2026-11-23T11:07:00Z", bytes)]);
    it.send(1, row(3000), json!([])).await.good();
    it.send(2, row(30), json!([])).await.good();
    it.send(2, row(40), json!([])).await.refused(409, "UsageConflict");
    it.send(1, row(3000), json!([])).await.refused(409, "UsageConflict");
    assert_eq!(it.of_plan().await, 3030);
    // Operators are told once an hour, not at every try.
    assert_eq!(it.events("usage.refused").await.len(), 1);
    it.world.pass(SignedDuration::from_hours(1)).await;
    it.send(1, row(3000), json!([])).await.refused(409, "UsageConflict");
    assert_eq!(it.events("usage.refused").await.len(), 2);
}

#[tokio::test]
async fn a_later_batch_waits_for_those_before_it_unless_they_are_gone() {
    let it = furnished().await;
    let row = |bytes| json!([it.row(Some(&it.plan), "2026-11-23T11:07:00Z", bytes)]);
    let agent = it.world.agent();
    it.send_as(agent, 2, 1, row(5), json!([])).await.refused(409, "UsageOutOfOrder");
    assert_eq!(it.of_plan().await, 0);
    it.send(1, row(3), json!([])).await.good();
    it.send(2, row(5), json!([])).await.good();
    assert_eq!((it.of_plan().await, it.events("usage.missing").await.len()), (8, 0));
    // The database is an older copy: what it was given after that is not in it, and operators know.
    it.send(6, row(7), json!([])).await.good();
    assert_eq!(it.of_plan().await, 15);
    let missing = it.events("usage.missing").await;
    assert!(missing[0]["detail"].as_str().expect("a text").starts_with("3 batches before 6"), "{missing:?}");
}

#[tokio::test]
async fn a_node_reports_on_what_it_carries_alone() {
    let it = furnished().await;
    let far = json!({"name": "far", "region": "far", "interfaces": [{"match": "inst*"}]});
    it.world.post("/nodes", None, far).await.good();
    let token = json!({"name": "far", "role": "agent", "node": "far"});
    let far = it.world.post("/tokens", None, token).await.good().text("secret");
    let row = json!([it.row(Some(&it.plan), "2026-11-23T11:07:00Z", 3000)]);
    let taken = it.send_as(&far, 1, 1, row.clone(), json!([])).await.good();
    assert_eq!(taken.body["refused_rows"], 1);
    assert_eq!(it.of_plan().await, 0);
    let other = json!({"pay": "pay_as_you_go", "peak_bps": 20_000_000});
    let other = it.world.post("/plans", Some(&it.world.other.1), other).await.good().text("id");
    let rows = json!([
        it.row(Some(&other), "2026-11-23T11:07:00Z", 1),
        it.row(Some("nobody"), "2026-11-23T11:07:00Z", 1),
        it.row(Some(&it.plan), "2025-09-23T11:07:00Z", 1),
        it.row(Some(&it.plan), "2026-11-23T11:07:00Z", 20),
    ]);
    let taken = it.send(1, rows, json!([it.instance_row(0, "2026-10-20T11:07:00Z", 1)])).await.good();
    assert_eq!(taken.body["refused_rows"], 4);
    assert_eq!(it.of_plan().await, 20);
    assert_eq!(it.events("usage.refused").await.len(), 2);
}

#[tokio::test]
async fn what_no_agent_sends_is_refused_whole_and_names_the_field() {
    let it = furnished().await;
    let good = it.row(Some(&it.plan), "2026-11-23T11:07:00Z", 3000);
    let with = |pointer: &str, value: Value| {
        let mut row = good.clone();
        *row.pointer_mut(pointer).expect("a field") = value;
        row
    };
    let bad = [
        (with("/start", json!("2026-11-23T11:07:30Z")), "networks[1].start"),
        (with("/start", json!("2026-11-23T12:36:00Z")), "networks[1].start"),
        (with("/down/bytes", json!(u64::MAX)), "networks[1].down"),
        (with("/up/window_bytes_max", json!(1_u64 << 40)), "networks[1].up"),
        (with("/up/limited_s", json!(61)), "networks[1].up"),
        (with("/down/bytes", json!(-1)), "networks[1].down.bytes"),
    ];
    for (row, field) in bad {
        let answer = it.send(1, json!([good.clone(), row]), json!([])).await;
        assert_eq!((answer.status, answer.body["field"].as_str()), (400, Some(field)), "{answer:?}");
    }
    for (sequence, oldest) in [(0, 0), (1, 2), (1, 0)] {
        let answer = it.send_as(it.world.agent(), sequence, oldest, json!([]), json!([])).await;
        answer.refused(400, "InvalidParameter");
    }
    let customer = &it.world.acme.1;
    it.send_as(customer, 1, 1, json!([]), json!([])).await.refused(403, "Forbidden");
    assert_eq!(it.of_plan().await, 0);
}

#[tokio::test]
async fn points_are_whole_periods_with_gaps_where_nothing_was_measured() {
    let it = furnished().await;
    let rows = json!([
        it.row(Some(&it.plan), "2026-11-23T11:58:00Z", 6_000),
        it.row(Some(&it.plan), "2026-11-23T11:59:00Z", 0),
        it.row(None, "2026-11-23T12:00:00Z", 900),
        it.row(Some(&it.plan), "2026-11-23T12:01:00Z", 12_000),
        it.row(Some(&it.plan), "2026-11-23T12:30:00Z", 1),
    ]);
    it.send(1, rows, json!([])).await.good();
    let of_plan = format!("/plans/{}/usage", it.plan);
    let last = it.world.acme_get(&of_plan).await.good().body;
    assert_eq!((last["period_s"].as_u64(), last["peak_bps"].as_u64()), (Some(60), Some(20_000_000)));
    let points = last["points"].as_array().expect("points");
    let starts: Vec<_> = points.iter().filter_map(|point| point["start"].as_str()).collect();
    // The minute that is not over is not shown.
    assert_eq!(starts, ["2026-11-23T11:58:00Z", "2026-11-23T11:59:00Z", "2026-11-23T12:01:00Z"]);
    let rate =
        json!({"bytes": 6000, "average_bps": 800, "max_bps": 1600, "refused_bytes": 600, "limited_s": 2});
    assert_eq!(points[0]["down"], rate);
    assert_eq!(points[1]["down"]["average_bps"], 0);
    assert_eq!(last["total"]["down"]["average_bps"], 18_000 * 8 / 180);
    let hours = it.world.acme_get(&format!("{of_plan}?from=2026-11-23T00:00:00Z&period_s=3600")).await.good();
    let points = hours.body["points"].as_array().expect("points");
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!(points[0]["down"]["bytes"], 6000);
    assert_eq!(points[0]["down"]["max_bps"], 1600);
    let network = it.world.acme_get(&format!("/networks/{}/usage", it.network)).await.good();
    assert_eq!(network.body["points"].as_array().expect("points").len(), 4);
    for (query, field) in [
        ("period_s=61", "period_s"),
        ("from=2026-11-25T00:00:00Z", "from"),
        ("from=2026-01-01T00:00:00Z&period_s=60", "from"),
    ] {
        let answer = it.world.acme_get(&format!("{of_plan}?{query}")).await.refused(400, "InvalidParameter");
        assert_eq!(answer.body["field"], field);
    }
}

#[tokio::test]
async fn instances_have_points_of_their_own_and_the_busiest_are_listed() {
    let it = furnished().await;
    let rows = json!([
        it.instance_row(0, "2026-11-23T11:58:00Z", 100),
        it.instance_row(1, "2026-11-23T11:58:00Z", 3000),
        it.instance_row(0, "2026-11-23T11:59:00Z", 200),
    ]);
    it.send(1, json!([]), rows).await.good();
    assert_eq!(it.down_bytes(&format!("/instances/{}", it.instances[0])).await, 300);
    let top = format!("/networks/{}/usage/top", it.network);
    let found = it.world.acme_get(&format!("{top}?to=2026-11-23T12:00:00Z")).await.good().body;
    let order: Vec<_> = found["instances"].as_array().expect("a list").iter().collect();
    assert_eq!((order[0]["name"].as_str(), order[0]["down_bytes"].as_u64()), (Some("i2"), Some(3000)));
    assert_eq!((order[1]["name"].as_str(), order[1]["down_bytes"].as_u64()), (Some("i1"), Some(300)));
    assert_eq!(found["from"], "2026-11-23T11:00:00Z");
    it.world.acme_get(&format!("{top}?limit=101")).await.refused(400, "InvalidParameter");
}

#[tokio::test]
async fn usage_is_shown_to_its_owner_to_operators_and_accountants() {
    let it = furnished().await;
    it.send(1, json!([it.row(Some(&it.plan), "2026-11-23T11:07:00Z", 3000)]), json!([])).await.good();
    let token = json!({"name": "books", "role": "accountant"});
    let accountant = it.world.post("/tokens", None, token).await.good().text("secret");
    let paths = [
        (format!("/plans/{}/usage", it.plan), "PlanNotFound"),
        (format!("/networks/{}/usage", it.network), "NetworkNotFound"),
        (format!("/networks/{}/usage/top", it.network), "NetworkNotFound"),
        (format!("/instances/{}/usage", it.instances[0]), "InstanceNotFound"),
    ];
    for (path, code) in &paths {
        it.world.get(path, Some(&it.world.other.1)).await.refused(404, code);
        it.world.get(path, Some(it.world.agent())).await.refused(403, "Forbidden");
        it.world.get(path, Some(&accountant)).await.good();
        it.world.get(path, None).await.good();
    }
    // History stays with the plan, also after its end.
    it.world.acme_post("/plans/delete", json!({"plans": [it.plan], "force": true})).await.good();
    it.world.agent_applies().await;
    assert_eq!(it.of_plan().await, 3000);
}

#[tokio::test]
async fn old_hours_become_coarser_and_lose_no_byte() {
    let it = furnished().await;
    let network = json!([
        it.row(Some(&it.plan), "2026-11-23T11:07:00Z", 3000),
        it.row(Some(&it.plan), "2026-11-23T11:52:00Z", 600),
    ]);
    let instance = json!([
        it.instance_row(0, "2026-11-23T11:07:00Z", 100),
        it.instance_row(0, "2026-11-23T11:08:00Z", 11),
    ]);
    it.send(1, network, instance).await.good();
    let day = "from=2026-11-23T11:00:00Z&to=2026-11-23T12:00:00Z";
    let points = async |of: String, period: u16| {
        let series = it.world.acme_get(&format!("{of}/usage?{day}&period_s={period}")).await.good();
        let points = series.body["points"].as_array().expect("points").len();
        (points, series.body["total"]["down"]["bytes"].as_u64().expect("bytes"))
    };
    let plan = format!("/plans/{}", it.plan);
    let instance = format!("/instances/{}", it.instances[0]);
    it.world.later("2026-11-25T13:30:00Z");
    it.world.app.forget_ended().await.expect("done");
    assert_eq!(points(plan.clone(), 60).await, (2, 3600));
    assert_eq!(points(instance.clone(), 60).await, (0, 0));
    assert_eq!(points(instance.clone(), 900).await, (1, 111));
    it.world.later("2026-12-24T13:00:00Z");
    it.world.app.forget_ended().await.expect("done");
    assert_eq!(points(plan.clone(), 900).await, (0, 0));
    assert_eq!(points(plan.clone(), 3600).await, (1, 3600));
    assert_eq!(points(instance.clone(), 3600).await, (0, 0));
    it.world.later("2028-01-01T00:00:00Z");
    it.world.app.forget_ended().await.expect("done");
    assert_eq!(points(plan, 3600).await, (0, 0));
}
