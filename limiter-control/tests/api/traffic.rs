//! Pay-by-data-transfer: hours are billed by the inbound bytes that nodes reported, when all have.

use serde_json::{Value, json};

use crate::prices::priced;
use crate::world::World;

/// Identity of the agent's record.
const RECORD: &str = "00112233445566778899aabbccddeeff";

struct Sold {
    world: World,
    network: String,
    plan: String,
}

/// A network with a plan of `mbps` that is charged by traffic, in use since 10:15.
async fn sold(mbps: u64) -> Sold {
    let world = priced(100_000).await;
    let network = world.network(1).await;
    world.agent_applies().await;
    let plan = json!({
        "pay": "pay_as_you_go",
        "charge": "traffic",
        "peak_bps": mbps * 1_000_000,
        "network": network,
    });
    let plan = world.acme_post("/plans", plan).await.good().text("id");
    world.agent_applies().await;
    assert_eq!(world.label(&plan).await, "In Use");
    Sold { world, network, plan }
}

impl Sold {
    /// The node says what came in and went out in some minutes, and that this is all until `until`.
    async fn reports(&self, sequence: u64, until: &str, minutes: &[(&str, u64, u64)]) {
        let flow = |bytes: u64| json!({"bytes": bytes, "window_bytes_max": bytes});
        let row = |(start, down, up): &(&str, u64, u64)| {
            json!({
                "network": self.network,
                "plan": self.plan,
                "start": start,
                "up": flow(*up),
                "down": flow(*down),
            })
        };
        let networks: Vec<Value> = minutes.iter().map(row).collect();
        let batch = json!({
            "record": RECORD,
            "sequence": sequence,
            "oldest": sequence,
            "complete_until": until,
            "networks": networks,
        });
        let taken = self.world.post("/agent/usage", Some(self.world.agent()), batch).await.good();
        assert_eq!(taken.body["refused_rows"], 0);
    }

    async fn lines(&self) -> Vec<Value> {
        let path = format!("/accounts/acme/lines?month=2026-11&plan={}", self.plan);
        let page = self.world.acme_get(&path).await.good();
        page.body["items"].as_array().expect("lines").clone()
    }

    async fn balance_micro(&self) -> i64 {
        let balance = self.world.acme_get("/accounts/acme/balance").await.good();
        balance.body["balance_micro"].as_i64().expect("a balance")
    }
}

/// Examples C1 and C2 through the API, by the clock.
#[tokio::test]
async fn inbound_bytes_of_an_hour_are_billed_and_outbound_ones_are_not() {
    let sold = sold(200).await;
    sold.world.later("2026-11-23T12:00:10Z");
    let hour = [
        ("2026-11-23T11:00:00Z", 3_758_096_384 / 2, 5 << 30),
        ("2026-11-23T11:59:00Z", 3_758_096_384 / 2, 5 << 30),
    ];
    sold.reports(1, "2026-11-23T12:00:00Z", &hour).await;
    sold.world.at("2026-11-23T12:04:59Z").await;
    assert_eq!(sold.lines().await, Vec::<Value>::new(), "the hour is not closed");
    sold.world.at("2026-11-23T12:05:00Z").await;
    let lines = sold.lines().await;
    // The hour of 10 had no inbound byte and has no line.
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["hour"], &lines[0]["item"]),
        (&json!("2026-11-23T11:00:00Z"), &json!("traffic_in"))
    );
    assert_eq!(
        (&lines[0]["quantity"], &lines[0]["amount_micro"]),
        (&json!(3_758_096_384_u64), &json!(420_000))
    );
    assert_eq!(sold.balance_micro().await, 1_000_000_000 - 420_000);
    sold.world.later("2026-11-23T13:00:10Z");
    let hour = [("2026-11-23T12:30:00Z", 123_456_789, 0)];
    sold.reports(2, "2026-11-23T13:00:00Z", &hour).await;
    sold.world.at("2026-11-23T13:05:00Z").await;
    assert_eq!(sold.lines().await[1]["amount_micro"], 13_797);
    assert_eq!(sold.balance_micro().await, 1_000_000_000 - 420_000 - 13_797);
}

#[tokio::test]
async fn an_hour_waits_for_its_node_and_the_later_bytes_are_flagged_and_not_billed() {
    let sold = sold(200).await;
    sold.world.later("2026-11-23T12:30:10Z");
    // Of the hour of 11 everything is said, of that of 12 half.
    let minutes = [("2026-11-23T11:20:00Z", 1 << 30, 0), ("2026-11-23T12:20:00Z", 1 << 30, 0)];
    sold.reports(1, "2026-11-23T12:30:00Z", &minutes).await;
    sold.world.at("2026-11-23T13:10:00Z").await;
    assert_eq!(sold.lines().await.len(), 1);
    sold.world.at("2026-11-23T21:00:00Z").await;
    assert_eq!(sold.lines().await.len(), 1, "the node has not said all of the next hour");
    sold.reports(2, "2026-11-23T13:00:00Z", &[("2026-11-23T12:40:00Z", 1 << 30, 0)]).await;
    sold.world.at("2026-11-23T21:05:00Z").await;
    let lines = sold.lines().await;
    assert_eq!((lines.len(), &lines[1]["quantity"]), (2, &json!(2_u64 << 30)));
    // Nothing more is heard: after 72 hours it is billed as it is.
    sold.reports(3, "2026-11-23T13:30:00Z", &[("2026-11-23T13:10:00Z", 1 << 30, 0)]).await;
    sold.world.at("2026-11-26T13:59:59Z").await;
    assert_eq!(sold.lines().await.len(), 2);
    sold.world.at("2026-11-26T14:00:00Z").await;
    let lines = sold.lines().await;
    assert_eq!((lines.len(), &lines[2]["quantity"]), (3, &json!(1_u64 << 30)));
    let before = sold.balance_micro().await;
    sold.reports(4, "2026-11-26T13:00:00Z", &[("2026-11-23T13:50:00Z", 1 << 30, 0)]).await;
    sold.world.at("2026-11-26T15:30:00Z").await;
    assert_eq!((sold.lines().await.len(), sold.balance_micro().await), (3, before), "it comes too late");
    let day = "from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z&period_s=3600";
    let series = sold.world.acme_get(&format!("/plans/{}/usage?{day}", sold.plan)).await.good();
    assert_eq!(series.body["total"]["down"]["bytes"], 5_u64 << 30, "and is in the graph");
}

#[tokio::test]
async fn more_than_the_peak_lets_through_is_held_and_told() {
    let sold = sold(2).await;
    sold.world.later("2026-11-23T12:00:10Z");
    // 2 Mbps are 900,000,000 bytes in an hour, and a twentieth more is believed.
    sold.reports(1, "2026-11-23T12:00:00Z", &[("2026-11-23T11:10:00Z", 945_000_001, 0)]).await;
    let before = sold.balance_micro().await;
    sold.world.at("2026-11-23T12:05:00Z").await;
    let lines = sold.lines().await;
    assert_eq!((lines.len(), &lines[0]["held"]), (1, &json!(true)));
    assert_eq!(sold.balance_micro().await, before, "nothing is taken");
    let events = sold.world.get("/events?kind=usage.anomaly", None).await.good();
    assert_eq!(events.body["items"][0]["subject"], sold.plan);
}

#[tokio::test]
async fn the_last_hour_of_a_plan_is_billed_after_its_end() {
    let sold = sold(200).await;
    sold.world.at("2026-11-23T11:20:00Z").await;
    sold.world.acme_post("/plans/delete", json!({"plans": [sold.plan], "force": true})).await.good();
    sold.world.agent_applies().await;
    sold.world.later("2026-11-23T11:21:10Z");
    sold.reports(1, "2026-11-23T11:21:00Z", &[("2026-11-23T11:19:00Z", 1 << 30, 0)]).await;
    sold.world.later("2026-11-23T12:00:10Z");
    sold.reports(2, "2026-11-23T12:00:00Z", &[]).await;
    sold.world.at("2026-11-23T12:05:00Z").await;
    sold.world.at("2026-11-24T12:05:00Z").await;
    let lines = sold.lines().await;
    assert_eq!((lines.len(), &lines[0]["amount_micro"]), (1, &json!(120_000)));
}
