//! Money by the clock: hours, debts, statements, and two control planes at once.

use jiff::SignedDuration;
use limiter_control::app::{App, Clock};
use limiter_control::store::Store;
use limiter_domain::Settings;
use serde_json::{Value, json};

use crate::prices::{balance_cents, priced, top_up};
use crate::world::World;

fn items(answer: &crate::world::Answer) -> &[Value] {
    answer.body["items"].as_array().expect("items")
}

async fn hours(world: &World, month: &str) -> Vec<Value> {
    let mut path = format!("/accounts/acme/lines?month={month}");
    let mut all = Vec::new();
    loop {
        let page = world.acme_get(&path).await.good();
        all.extend_from_slice(items(&page));
        let Some(next) = page.body["next"].as_str() else { return all };
        path = format!("/accounts/acme/lines?month={month}&after={next}");
    }
}

/// Example B1 through the API, by the clock.
#[tokio::test]
async fn each_started_hour_is_billed_once_five_minutes_after_its_end() {
    let world = priced(10_000).await;
    world.at("2026-11-23T15:10:23Z").await;
    let plan = json!({"pay": "pay_as_you_go", "peak_bps": 10_000_000});
    let plan = world.acme_post("/plans", plan).await.good().text("id");
    let resize = async |mbps: u64| {
        let path = format!("/plans/{plan}/resize");
        world.acme_post(&path, json!({"peak_bps": mbps * 1_000_000})).await.good();
    };
    world.at("2026-11-23T16:04:59Z").await;
    assert_eq!(balance_cents(&world).await, 10_000, "the hour is not closed");
    world.at("2026-11-23T16:05:00Z").await;
    assert_eq!(balance_cents(&world).await, 9_980);
    resize(20).await;
    world.at("2026-11-23T17:00:00Z").await;
    resize(15).await;
    world.at("2026-11-23T18:15:33Z").await;
    world.acme_post("/plans/delete", json!({"plans": [plan]})).await.good();
    world.at("2026-11-24T12:00:00Z").await;
    world.pass(SignedDuration::ZERO).await;
    let lines = hours(&world, "2026-11").await;
    let cents: Vec<_> =
        lines.iter().map(|line| line["amount_micro"].as_i64().expect("micro") / 10_000).collect();
    assert_eq!(cents, [20, 40, 30, 30]);
    assert_eq!(lines[1]["explained"], "20Mbps at its highest: 20Mbps x 0.02 = 0.40");
    assert_eq!(balance_cents(&world).await, 9_880);
    let only =
        world.acme_get(&format!("/accounts/acme/lines?month=2026-11&plan={plan}&limit=3")).await.good();
    assert_eq!(items(&only).len(), 3);
}

#[tokio::test]
async fn an_account_that_owes_too_much_loses_service_and_gets_it_back_by_a_top_up() {
    let world = priced(1_000).await;
    let network = world.network(1).await;
    world.agent_applies().await;
    let plan = world.payg(Some(&network)).await;
    world.agent_applies().await;
    assert_eq!(world.label(&plan).await, "In Use");
    // Prices came at 10:15, so the hour of 10:00 is free. 25 hours at 0.40 are covered, the next is not.
    world.at("2026-11-24T13:04:59Z").await;
    assert_eq!(balance_cents(&world).await, 0);
    world.at("2026-11-24T13:05:00Z").await;
    let balance = world.acme_get("/accounts/acme/balance").await.good();
    assert_eq!(balance.body["standing"], "grace");
    assert_eq!(balance.text("suspends_at"), "2026-11-25T13:05:00Z");
    world
        .acme_post(&format!("/plans/{plan}/resize"), json!({"peak_bps": 30_000_000}))
        .await
        .refused(402, "AccountOverdue");
    let another = json!({"pay": "pay_as_you_go", "peak_bps": 10_000_000});
    world.acme_post("/plans", another.clone()).await.refused(402, "AccountOverdue");
    // The control plane sleeps over the suspension and half of the retention: all is as of its instants.
    world.at("2026-11-28T09:00:00Z").await;
    assert_eq!(world.label(&plan).await, "Overdue");
    let state = world.agent_applies().await;
    assert_eq!(state["networks"][0]["up"], "5Mbps");
    let shown = world.acme_get(&format!("/plans/{plan}")).await.good();
    assert_eq!(shown.text("release_at"), "2026-12-02T13:05:00Z");
    let lines = hours(&world, "2026-11").await;
    assert_eq!(
        lines.last().expect("a line")["hour"],
        "2026-11-25T13:00:00Z",
        "the hour of the suspension is the last"
    );
    assert_eq!(lines.len(), 51);
    assert_eq!(balance_cents(&world).await, 1_000 - 51 * 40);
    world
        .acme_post(&format!("/plans/{plan}/resize"), json!({"peak_bps": 10_000_000}))
        .await
        .refused(409, "PlanFinancialLocked");
    top_up(&world, 1_039).await;
    assert_eq!(world.label(&plan).await, "Overdue", "a cent is missing");
    top_up(&world, 1).await;
    assert_eq!(world.label(&plan).await, "In Use");
    let state = world.agent_applies().await;
    assert_eq!(state["networks"][0]["up"], "20Mbps");
    world.at("2026-11-28T10:05:00Z").await;
    assert_eq!(hours(&world, "2026-11").await.len(), 52, "hours go on");
}

#[tokio::test]
async fn a_debt_that_stays_releases_the_plans_and_remains() {
    let world = priced(960).await;
    let plan = world.payg(None).await;
    world.at("2026-12-30T00:00:00Z").await;
    // The release was due long ago, and only now does the plan know.
    world.pass(SignedDuration::ZERO).await;
    world.acme_get(&format!("/plans/{plan}")).await.refused(404, "PlanNotFound");
    let lines = hours(&world, "2026-11").await;
    // 24 lines are covered, the 25th is not; then 24 hours more, with the running one.
    assert_eq!(lines.len(), 50);
    assert_eq!(balance_cents(&world).await, 960 - 50 * 40);
    let events = world.acme_get(&format!("/events?subject={plan}")).await.good();
    let kinds: Vec<_> = items(&events).iter().map(|event| event["kind"].as_str().expect("a kind")).collect();
    assert_eq!(
        kinds,
        ["plan.created", "plan.not_associated", "plan.overdue", "plan.releasing", "plan.released"]
    );
}

#[tokio::test]
async fn subscriptions_go_on_while_the_account_owes() {
    let world = priced(12_000).await;
    let bought = json!({"pay": "subscription", "peak_bps": 10_000_000, "duration": "1m"});
    let bought = world.acme_post("/plans", bought).await.good().text("id");
    let plan = world.payg(None).await;
    world.at("2026-11-30T00:00:00Z").await;
    assert_eq!(world.label(&plan).await, "Overdue");
    assert_eq!(world.label(&bought).await, "Not Associated");
    world.acme_post("/plans/renew", json!({"plans": [bought], "duration": "1m"})).await.good();
    let refused = world.acme_post("/plans/renew", json!({"plans": [bought], "duration": "1m"})).await.good();
    assert_eq!(refused.body[0]["refused"]["code"], "InsufficientBalance");
    // What is paid back may be what was missing.
    world.acme_post("/plans/unsubscribe", json!({"plans": [bought]})).await.good();
    assert_eq!(world.label(&plan).await, "Not Associated");
}

/// A month of an odd price: the statement is in cents, and so is the balance after it.
#[tokio::test]
async fn statements_are_written_once_and_agree_with_the_balance() {
    let world = World::new().await;
    let mut book = crate::prices::example();
    book["items"]["payg.bandwidth"] =
        json!([{"up_to_bps": 5_000_000, "micro_per_unit": 3_333}, {"micro_per_unit": 7_777}]);
    world.post("/price-books", None, book).await.good();
    top_up(&world, 50_000).await;
    let plan = world.payg(None).await;
    world.at("2026-12-03T23:00:00Z").await;
    let running = world.acme_get("/accounts/acme/statements/2026-11").await.good();
    assert_eq!(running.body["issued_at"], Value::Null);
    assert_eq!(world.acme_get("/accounts/acme/statements").await.good().body["items"], json!([]));
    world.at("2026-12-04T01:00:00Z").await;
    let november = world.acme_get("/accounts/acme/statements/2026-11").await.good();
    assert_eq!(november.text("issued_at"), "2026-12-04T01:00:00Z");
    // 181 hours of the month from 11:00 on the 23rd, at 5 x 3,333 + 15 x 7,777.
    let micro = 181 * 133_320;
    assert_eq!(november.body["hours_micro"], micro / 10_000 * 10_000);
    assert_eq!(november.body["round_down_micro"], micro % 10_000);
    assert_eq!(november.body["closing_micro"], 500_000_000 - micro / 10_000 * 10_000);
    for field in ["hours_micro", "round_down_micro", "total_micro", "closing_micro", "sums_micro"] {
        let mut before = running.body[field].clone();
        if field == "sums_micro" {
            before["rounding"] = json!(micro % 10_000);
        }
        assert_eq!(before, november.body[field], "{field}");
    }
    world.at("2027-03-10T00:00:00Z").await;
    let all = world.acme_get("/accounts/acme/statements").await.good();
    let months: Vec<_> = items(&all).iter().map(|it| it["month"].as_str().expect("a month")).collect();
    assert_eq!(months, ["2027-02", "2027-01", "2026-12", "2026-11"]);
    for pair in items(&all).windows(2) {
        assert_eq!(pair[0]["opening_micro"], pair[1]["closing_micro"]);
        assert_eq!(pair[0]["closing_micro"].as_i64().expect("micro") % 10_000, 0);
    }
    let lines = hours(&world, "2026-12").await;
    assert_eq!(lines.len(), 31 * 24);
    assert!(lines.iter().all(|line| line["plan"] == *plan));
    let ledger = world.acme_get("/accounts/acme/ledger?month=2026-12&limit=1").await.good();
    assert_eq!(items(&ledger)[0]["kind"], "line");
}

/// Two schedulers over one database for a month of simulated time, each on its own connections: every hour
/// once, every statement once, no difference to one alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_control_planes_bill_a_month_once() {
    let world = priced(500_000).await;
    let mut plans = Vec::new();
    for mbps in [2, 20, 200] {
        let plan = json!({"pay": "pay_as_you_go", "peak_bps": mbps * 1_000_000});
        plans.push(world.acme_post("/plans", plan).await.good().text("id"));
    }
    let order = json!({"pay": "subscription", "peak_bps": 5_000_000, "duration": "1m", "auto_renew": true});
    world.acme_post("/plans", order).await.good();
    let store = Store::open(world.url(), world.app.now()).await.expect("a second store");
    let clock = world.app.clone();
    let second = App::new(store, Settings::default(), Clock::of(move || clock.now()));
    // Irregular rounds: some hours at once, some minutes, some days of downtime.
    let steps = [1, 7, 60, 61, 300, 1_440, 59, 4_000, 5, 2_880, 17, 600];
    let mut passed = 0;
    for minutes in steps.into_iter().cycle() {
        if passed > 35 * 24 * 60 {
            break;
        }
        passed += minutes;
        world.advance(SignedDuration::from_mins(minutes));
        let (one, other) = (world.app.clone(), second.clone());
        let (one, other) = tokio::join!(
            tokio::spawn(async move { one.work_due().await }),
            tokio::spawn(async move { other.work_due().await })
        );
        for undone in [one.expect("no panic"), other.expect("no panic")] {
            assert!(undone.is_empty(), "{undone:?}");
        }
    }
    let (november, december) = (hours(&world, "2026-11").await, hours(&world, "2026-12").await);
    assert_eq!(november.len(), 3 * 181);
    for plan in &plans {
        let of = |lines: &[Value]| {
            lines
                .iter()
                .filter(|line| line["plan"] == **plan)
                .map(|line| line["hour"].to_string())
                .collect::<Vec<_>>()
        };
        let mut seen = of(&november);
        seen.extend(of(&december));
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count, "every hour once");
        assert!(seen.is_sorted());
    }
    let statements = world.acme_get("/accounts/acme/statements").await.good();
    assert_eq!(items(&statements).len(), 1);
    let renewals = world.acme_get("/orders").await.good();
    let kinds: Vec<_> = items(&renewals).iter().map(|it| it["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "auto_renew").count(), 1);
    let spent: i64 =
        [november, december].concat().iter().map(|line| line["amount_micro"].as_i64().expect("micro")).sum();
    assert_eq!(balance_cents(&world).await * 10_000, 5_000_000_000 - spent - 2 * 50_000_000);
}

/// Plans that are older than prices are billed from the first book on, also those of a database that kept no
/// history yet.
#[tokio::test]
async fn plans_from_before_the_first_price_are_billed_from_it_on() {
    let world = World::new().await;
    let (known, unknown) = (world.payg(None).await, world.payg(None).await);
    world.meddle(&format!("DELETE FROM segments WHERE plan_id = '{unknown}'")).await;
    world.meddle(&format!("DELETE FROM bills WHERE plan_id = '{unknown}'")).await;
    world.at("2026-11-25T12:30:00Z").await;
    assert_eq!(hours(&world, "2026-11").await, Vec::<Value>::new());
    world.post("/price-books", None, crate::prices::example()).await.good();
    top_up(&world, 100_000).await;
    world.at("2026-11-25T15:05:00Z").await;
    let lines = hours(&world, "2026-11").await;
    for plan in [known, unknown] {
        let of = lines.iter().filter(|line| line["plan"] == *plan).map(|line| line["hour"].as_str());
        let of: Vec<_> = of.map(|hour| hour.expect("an hour")).collect();
        assert_eq!(of, ["2026-11-25T13:00:00Z", "2026-11-25T14:00:00Z"]);
    }
    assert_eq!(balance_cents(&world).await, 100_000 - 4 * 40);
}

#[tokio::test]
async fn hours_before_the_first_price_book_are_never_worked() {
    let world = World::new().await;
    let plan = world.payg(None).await;
    let ended = world.payg(None).await;
    world.at("2026-11-23T12:20:00Z").await;
    world.acme_post("/plans/delete", json!({"plans": [ended]})).await.good();
    let revision = async || world.app.store().read().await.expect("a view").revision();
    let before = revision().await;
    world.at("2026-11-28T10:20:00Z").await;
    assert_eq!(revision().await, before, "there was nothing to bill");
    world.post("/price-books", None, crate::prices::example()).await.good();
    top_up(&world, 1_000).await;
    world.at("2026-11-28T13:05:00Z").await;
    let lines = hours(&world, "2026-11").await;
    let begun: Vec<_> = lines.iter().map(|line| (&line["plan"], &line["hour"])).collect();
    let hour = |text: &str| json!(text);
    let plan = json!(plan);
    // The hour of 10 began without prices.
    assert_eq!(begun, [(&plan, &hour("2026-11-28T11:00:00Z")), (&plan, &hour("2026-11-28T12:00:00Z"))]);
}
