//! Price books and quotes, and what is paid at once: with the amount that was quoted, or not at all.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::world::{Answer, World};

/// The prices of the examples.
pub(crate) fn example() -> Value {
    let cents = [300, 1000, 2000, 3000, 6000, 10_000, 20_000, 30_000];
    let periods = ["1w", "1m", "2m", "3m", "6m", "1y", "2y", "3y"];
    let mut items = serde_json::Map::new();
    for (period, cents) in periods.into_iter().zip(cents) {
        items.insert(format!("sub.{period}"), json!([{"micro_per_unit": cents * 10_000}]));
    }
    items.insert("payg.bandwidth".to_owned(), json!([{"micro_per_unit": 20_000}]));
    items.insert("payg.traffic".to_owned(), json!([{"micro_per_unit": 120_000}]));
    json!({"currency": "EUR", "items": items})
}

/// A deployment with prices, and an account with `cents`.
pub(crate) async fn priced(cents: i64) -> World {
    let world = World::new().await;
    world.post("/price-books", None, example()).await.good();
    if cents > 0 {
        top_up(&world, cents).await;
    }
    world
}

pub(crate) async fn top_up(world: &World, cents: i64) {
    let note = json!({"kind": "top_up", "amount_micro": cents * 10_000, "reason": "bank transfer 7"});
    world.post("/accounts/acme/notes", None, note).await.good();
}

pub(crate) async fn balance_cents(world: &World) -> i64 {
    let balance = world.acme_get("/accounts/acme/balance").await.good();
    let micro = balance.body["balance_micro"].as_i64().expect("a balance");
    assert_eq!(micro % 10_000, 0, "{micro}");
    micro / 10_000
}

fn month(peak_mbps: u64) -> Value {
    json!({"pay": "subscription", "peak_bps": peak_mbps * 1_000_000, "duration": "1m"})
}

#[tokio::test]
async fn without_a_price_book_amounts_are_not_shown() {
    let world = World::new().await;
    let plan = world.subscription("1m", None).await;
    let quote = world.acme_get(&format!("/plans/{plan}/quotes/renew?duration=1y")).await.good();
    assert_eq!((&quote.body["amount_micro"], &quote.body["affordable"]), (&Value::Null, &json!(true)));
    let balance = world.acme_get("/accounts/acme/balance").await.good();
    assert_eq!((&balance.body["balance_micro"], &balance.body["currency"]), (&Value::Null, &Value::Null));
    let orders = world.acme_get("/orders").await.good();
    assert_eq!(orders.body["items"][0]["kind"], "purchase");
    assert_eq!(orders.body["items"][0]["amount_micro"], Value::Null);
    let ledger = world.acme_get("/accounts/acme/ledger").await.good();
    assert_eq!(ledger.body["items"], json!([]));
    world.get("/price-books/now", None).await.refused(404, "PriceBookNotFound");
}

#[tokio::test]
async fn price_books_are_made_by_operators_and_hold_from_their_instant() {
    let world = World::new().await;
    let dry = json!({"dry_run": true, "currency": "EUR", "items": example()["items"]});
    assert_eq!(world.post("/price-books", None, dry).await.good().body["version"], 1);
    assert_eq!(
        world.acme_get("/price-books").await.good().body["items"],
        json!([]),
        "a dry run keeps nothing"
    );
    world.acme_post("/price-books", example()).await.refused(403, "Forbidden");
    let made = world.post("/price-books", None, example()).await.good();
    assert_eq!((&made.body["version"], &made.body["in_force"]), (&json!(1), &json!(true)));
    let mut dear = example();
    dear["effective_from"] = json!("2026-12-01T00:00:00Z");
    dear["items"]["sub.1m"] = json!([{"micro_per_unit": 20_000_000}]);
    world.post("/price-books", None, dear.clone()).await.good();
    world.post("/price-books", None, dear).await.refused(400, "InvalidParameter");
    assert_eq!(world.acme_get("/price-books/now").await.good().body["version"], 1);
    let quoted = async || {
        let path = "/quotes/plan?pay=subscription&peak_bps=10000000&duration=1m";
        world.acme_get(path).await.good().body["amount_micro"].as_i64()
    };
    assert_eq!(quoted().await, Some(100_000_000));
    world.at("2026-12-01T00:00:00Z").await;
    assert_eq!(quoted().await, Some(200_000_000));
    assert_eq!(world.acme_get("/price-books/2").await.good().body["in_force"], true);
}

#[tokio::test]
async fn a_book_that_cannot_be_says_which_price_is_wrong() {
    let world = World::new().await;
    let cases = [
        ("/items/sub.1m", Value::Null, "MissingParameter", "items.sub.1m"),
        ("/items/sub.4y", json!([{"micro_per_unit": 1}]), "InvalidParameter", "items"),
        ("/items/sub.1y", json!([]), "InvalidParameter", "items.sub.1y"),
        (
            "/items/sub.1y",
            json!([{"micro_per_unit": -1}]),
            "InvalidParameter",
            "items.sub.1y[0].micro_per_unit",
        ),
        (
            "/items/sub.1y",
            json!([{"up_to_bps": 5, "micro_per_unit": 1}, {"up_to_bps": 5, "micro_per_unit": 1}, {"micro_per_unit": 1}]),
            "InvalidParameter",
            "items.sub.1y[1].up_to_bps",
        ),
        (
            "/items/sub.1y",
            json!([{"up_to_bps": 1_000_000_000, "micro_per_unit": 1}]),
            "InvalidParameter",
            "items.sub.1y[0].up_to_bps",
        ),
        (
            "/items/payg.traffic",
            json!([{"micro_per_unit": i64::MAX}]),
            "InvalidParameter",
            "items.payg.traffic[0].micro_per_unit",
        ),
        ("/currency", json!("XYZ"), "InvalidParameter", "currency"),
        ("/effective_from", json!("2026-11-23T10:14:59Z"), "InvalidParameter", "effective_from"),
    ];
    for (place, value, code, field) in cases {
        let mut book = example();
        let (within, name) = place[1..].rsplit_once('/').unwrap_or(("", &place[1..]));
        let object = if within.is_empty() { &mut book } else { &mut book[within] };
        let object = object.as_object_mut().expect("an object");
        object.insert(name.to_owned(), value.clone());
        if value == Value::Null {
            object.remove(name);
        }
        let refused = world.post("/price-books", None, book).await.refused(400, code);
        assert_eq!(refused.text("field"), field, "{place}");
    }
    assert_eq!(world.get("/price-books", None).await.good().body["items"], json!([]));
}

#[tokio::test]
async fn what_is_not_paid_is_not_bought() {
    let world = priced(9_999).await;
    let refused = world.acme_post("/plans", month(10)).await.refused(402, "InsufficientBalance");
    assert!(refused.text("detail").contains("0.01"), "{refused:?}");
    assert_eq!(world.acme_get("/plans").await.good().body["items"], json!([]));
    assert_eq!(world.acme_get("/orders").await.good().body["items"], json!([]));
    assert_eq!(balance_cents(&world).await, 9_999);
    top_up(&world, 1).await;
    world.acme_post("/plans", month(10)).await.good();
    assert_eq!(balance_cents(&world).await, 0);
}

/// Quotes, charges, refunds and the ledger, through the life of one plan (examples A1, A5, A9, A12).
#[tokio::test]
async fn a_quote_is_the_charge_and_the_ledger_is_the_balance() {
    let world = priced(100_000).await;
    let path = "/quotes/plan?pay=subscription&peak_bps=10000000&duration=1m";
    assert_eq!(world.acme_get(path).await.good().body["amount_micro"], 100_000_000);
    let mut wrong = month(10);
    wrong["expected_amount_micro"] = json!(99_990_000);
    let refused = world.acme_post("/plans", wrong).await.refused(409, "QuoteChanged");
    assert_eq!(refused.text("field"), "expected_amount");
    let mut right = month(10);
    right["expected_amount_micro"] = json!(100_000_000);
    let plan = world.acme_post("/plans", right).await.good().text("id");
    let quoted = async |path: &str| {
        let quote = world.acme_get(&format!("/plans/{plan}/quotes/{path}")).await.good();
        (quote.body["kind"].clone(), quote.body["amount_micro"].as_i64().expect("an amount"))
    };
    let resize = async |mbps: u64, expected: i64| {
        let input = json!({"peak_bps": mbps * 1_000_000, "expected_amount_micro": expected});
        world.acme_post(&format!("/plans/{plan}/resize"), input).await
    };
    world.at("2026-12-04T12:00:00Z").await;
    let up = quoted("resize?peak_bps=20000000").await;
    assert_eq!(up, (json!("upgrade"), 64_510_000));
    resize(20, up.1 - 10_000).await.refused(409, "QuoteChanged");
    resize(20, up.1).await.good();
    world.at("2026-12-10T12:00:00Z").await;
    let down = quoted("resize?peak_bps=5000000").await;
    assert_eq!(down, (json!("downgrade"), -62_900_000));
    resize(5, down.1).await.good();
    world.at("2026-12-15T18:00:00Z").await;
    assert_eq!(quoted("unsubscribe").await, (json!("unsubscribe"), -12_900_000));
    let renewal = world.acme_get(&format!("/plans/{plan}/quotes/renew?duration=2m")).await.good();
    assert_eq!(
        (&renewal.body["amount_micro"], renewal.text("expires_at")),
        (&json!(100_000_000), "2027-02-24T00:00:00Z".to_owned())
    );
    world.acme_post("/plans/unsubscribe", json!({"plans": [plan]})).await.good();
    assert_eq!(balance_cents(&world).await, 100_000 - 16_451 + 7_580);
    let orders = world.acme_get(&format!("/orders?plan={plan}")).await.good();
    let kinds: Vec<_> =
        orders.body["items"].as_array().expect("orders").iter().map(|it| it["kind"].clone()).collect();
    assert_eq!(kinds, ["purchase", "upgrade", "downgrade", "unsubscribe"]);
    let ledger = world.acme_get("/accounts/acme/ledger?limit=100").await.good();
    let entries = ledger.body["items"].as_array().expect("entries");
    let mut sum = 0;
    for (number, entry) in (1..).zip(entries) {
        sum += entry["amount_micro"].as_i64().expect("an amount");
        assert_eq!((&entry["number"], &entry["balance_micro"]), (&json!(number), &json!(sum)), "{entry}");
    }
    assert_eq!(sum, balance_cents(&world).await * 10_000);
    let order = orders.body["items"][1]["id"].as_str().expect("an id");
    assert_eq!(world.acme_get(&format!("/orders/{order}")).await.good().body["price_book"], 1);
    world.get(&format!("/orders/{order}"), Some(&world.other.1)).await.refused(404, "OrderNotFound");
}

#[tokio::test]
async fn a_repeated_call_pays_once() {
    let world = priced(100_000).await;
    let order = async || {
        let request = Request::builder().method("POST").uri("/v1/plans");
        let request = request
            .header(header::AUTHORIZATION, format!("Bearer {}", world.acme.1))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "once");
        world.send(request.body(Body::from(month(10).to_string())).expect("a request")).await.good()
    };
    assert_eq!(order().await.text("id"), order().await.text("id"));
    assert_eq!(balance_cents(&world).await, 90_000);
}

#[tokio::test]
async fn several_renewals_in_one_call_pay_while_there_is_money() {
    let world = priced(25_000).await;
    let mut plans = Vec::new();
    for _ in 0..2 {
        plans.push(world.acme_post("/plans", month(5)).await.good().text("id"));
    }
    let answer = world.acme_post("/plans/renew", json!({"plans": plans, "duration": "2m"})).await.good();
    assert_eq!(answer.body[0]["refused"], Value::Null);
    assert_eq!(answer.body[1]["refused"]["code"], "InsufficientBalance");
    assert_eq!(balance_cents(&world).await, 5_000);
}

#[tokio::test]
async fn a_discount_and_a_credit_limit_are_set_by_operators() {
    let world = priced(0).await;
    let terms = json!({"credit_limit_micro": 80_000_000, "discount_bp": 8_000});
    let path = "/accounts/acme/balance";
    world.call("PATCH", path, Some(&world.acme.1), Some(terms.clone())).await.refused(403, "Forbidden");
    world.call("PATCH", path, None, Some(terms)).await.good();
    let wrong = json!({"discount_bp": 0});
    let refused = world.call("PATCH", path, None, Some(wrong)).await.refused(400, "InvalidParameter");
    assert_eq!(refused.text("field"), "discount_bp");
    let wrong = json!({"credit_limit_micro": -1});
    let refused = world.call("PATCH", path, None, Some(wrong)).await.refused(400, "InvalidParameter");
    assert_eq!(refused.text("field"), "credit_limit_micro");
    world.acme_post("/plans", month(10)).await.good();
    let balance = world.acme_get(path).await.good();
    assert_eq!(
        (&balance.body["balance_micro"], &balance.body["available_micro"]),
        (&json!(-80_000_000), &json!(0))
    );
    assert_eq!(balance.body["standing"], "normal");
}

#[tokio::test]
async fn notes_are_of_operators_and_say_why() {
    let world = priced(1_000).await;
    let note =
        |kind: &str, micro: i64, reason: &str| json!({"kind": kind, "amount_micro": micro, "reason": reason});
    let path = "/accounts/acme/notes";
    world.acme_post(path, note("top_up", 10_000, "mine")).await.refused(403, "Forbidden");
    for (wrong, field) in [
        (note("gift", 10_000, "why"), "kind"),
        (note("credit", 0, "why"), "amount_micro"),
        (note("credit", -10_000, "why"), "amount_micro"),
        (note("debit", 10_001, "why"), "amount_micro"),
        (note("top_up", i64::MAX, "why"), "amount_micro"),
        (note("top_up", 10_000, " "), "reason"),
        (note("top_up", 10_000, "a\nb"), "reason"),
    ] {
        let refused = world.post(path, None, wrong).await.refused(400, "InvalidParameter");
        assert_eq!(refused.text("field"), field);
    }
    world.post(path, None, note("credit", 5_000_000, "outage in May")).await.good();
    world.post(path, None, note("debit", 1_000_000, "wrong transfer")).await.good();
    assert_eq!(balance_cents(&world).await, 1_400);
    let ledger = world.acme_get("/accounts/acme/ledger?month=2026-11").await.good();
    assert_eq!(ledger.body["items"][2]["detail"], "wrong transfer");
    let again: Answer = world.acme_get("/accounts/acme/ledger?month=2026-13").await;
    again.refused(400, "InvalidParameter");
}

#[tokio::test]
async fn accountants_read_the_money_of_all_and_change_none() {
    let world = priced(1_000).await;
    let token = json!({"name": "books", "role": "accountant"});
    let token = world.post("/tokens", None, token).await.good().text("secret");
    for path in [
        "/price-books",
        "/accounts",
        "/accounts/acme",
        "/accounts/acme/balance",
        "/accounts/acme/ledger",
        "/accounts/acme/lines?month=2026-11",
        "/accounts/acme/statements",
        "/accounts/acme/statements/2026-11",
        "/accounts/acme/statements/now",
        "/orders",
        "/orders?account=acme",
    ] {
        world.get(path, Some(&token)).await.good();
        world.get(path, Some(world.agent())).await.refused(403, "Forbidden");
    }
    world.get("/plans", Some(&token)).await.refused(403, "Forbidden");
    let note = json!({"kind": "credit", "amount_micro": 10_000, "reason": "mine"});
    world.post("/accounts/acme/notes", Some(&token), note).await.refused(403, "Forbidden");
    for path in ["/accounts/acme/balance", "/accounts/acme/ledger", "/accounts/acme/statements/now"] {
        world.get(path, Some(&world.other.1)).await.refused(404, "AccountNotFound");
    }
}

#[tokio::test]
async fn a_renewal_by_itself_pays_or_tells_that_it_could_not() {
    let world = priced(15_000).await;
    let mut order = month(10);
    order["auto_renew"] = json!(true);
    let plan = world.acme_post("/plans", order).await.good().text("id");
    world.at("2026-12-15T08:00:00Z").await;
    let failed = format!("/events?kind=plan.auto_renew_failed&subject={plan}");
    assert_eq!(world.acme_get(&failed).await.good().body["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(balance_cents(&world).await, 5_000);
    top_up(&world, 5_000).await;
    world.at("2026-12-16T08:00:00Z").await;
    assert_eq!(balance_cents(&world).await, 0);
    let shown = world.acme_get(&format!("/plans/{plan}")).await.good();
    assert_eq!(shown.text("expires_at"), "2027-01-24T00:00:00Z");
    world.at("2026-12-24T00:00:00Z").await;
    assert_eq!(world.label(&plan).await, "Not Associated");
}

#[tokio::test]
async fn a_setup_that_cannot_be_paid_is_not_applied() {
    let world = priced(19_999).await;
    let network = |number: u8| {
        json!({
            "name": format!("net{number}"),
            "prefixes": [format!("10.{number}.0.0/24")],
            "plan": {"pay": "subscription", "duration": "1m", "peak": "10Mbps"},
        })
    };
    let setup = json!({"setup": {"networks": [network(1), network(2)]}});
    world.acme_post("/apply", setup.clone()).await.refused(402, "InsufficientBalance");
    assert_eq!(world.acme_get("/networks").await.good().body["items"], json!([]));
    assert_eq!(balance_cents(&world).await, 19_999);
    top_up(&world, 1).await;
    world.acme_post("/apply", setup.clone()).await.good();
    assert_eq!(balance_cents(&world).await, 0);
    world.acme_post("/apply", setup).await.good();
    assert_eq!(balance_cents(&world).await, 0, "again it costs nothing");
}
