//! Prices and money that are always the same.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use limiter_api::money::{
    AccountTerms, Balance, BillLine, LedgerEntry, LedgerQuery, LineQuery, NewNote, NewPriceBook, Order,
    OrderQuery, PriceBook, Quote, QuoteQuery, ResizeQuoteQuery, Statement,
};
use limiter_api::views::Page;

use super::{World, problem};

pub(super) fn routes() -> Router<World> {
    Router::new()
        .route("/price-books", get(books).post(create_book))
        .route("/price-books/{version}", get(one_book))
        .route("/quotes/plan", get(quote_plan))
        .route("/plans/{id}/quotes/resize", get(quote_resize))
        .route("/plans/{id}/quotes/unsubscribe", get(quote_end))
        .route("/accounts/{id}/balance", get(balance).patch(terms))
        .route("/accounts/{id}/notes", post(note))
        .route("/accounts/{id}/ledger", get(ledger))
        .route("/accounts/{id}/lines", get(lines))
        .route("/accounts/{id}/statements", get(statements))
        .route("/accounts/{id}/statements/{month}", get(statement))
        .route("/orders", get(orders))
}

fn moment(text: &str) -> jiff::Timestamp {
    text.parse().expect("a moment")
}

fn book(new: &NewPriceBook) -> PriceBook {
    PriceBook {
        version: 1,
        effective_from: moment("2026-11-23T10:15:00Z"),
        currency: new.currency.clone(),
        in_force: true,
        items: new.items.clone(),
    }
}

async fn books() -> Json<Page<PriceBook>> {
    Json(Page { items: Vec::new(), next: None })
}

async fn one_book(Path(version): Path<String>) -> Response {
    problem(404, "PriceBookNotFound", &format!("there is no price book {version}"), None)
}

async fn create_book(State(world): State<World>, Json(new): Json<NewPriceBook>) -> Response {
    let mut world = world.lock();
    world.books.push(new.clone());
    (StatusCode::CREATED, Json(book(&new))).into_response()
}

fn quote(kind: &str, micro: Option<i64>) -> Json<Quote> {
    Json(Quote {
        kind: kind.to_owned(),
        original_micro: micro,
        discount_micro: micro.map(|_| 0),
        amount_micro: micro,
        currency: micro.map(|_| "EUR".to_owned()),
        price_book: micro.map(|_| 1),
        expires_at: None,
        affordable: true,
    })
}

async fn quote_plan(State(world): State<World>, Query(query): Query<QuoteQuery>) -> Json<Quote> {
    let kind = if query.pay == "subscription" { "purchase" } else { "activate" };
    let amount = query.duration.map(|_| query.peak_bps.cast_signed() * 10);
    quote(kind, amount.filter(|_| world.lock().priced))
}

async fn quote_resize(State(world): State<World>, Query(query): Query<ResizeQuoteQuery>) -> Json<Quote> {
    quote("upgrade", world.lock().priced.then(|| query.peak_bps.cast_signed()))
}

async fn quote_end(State(world): State<World>) -> Json<Quote> {
    quote("unsubscribe", world.lock().priced.then_some(-12_900_000))
}

fn purse(account: &str, micro: i64) -> Json<Balance> {
    Json(Balance {
        account: account.to_owned(),
        balance_micro: Some(micro),
        credit_limit_micro: Some(0),
        available_micro: Some(micro),
        currency: Some("EUR".to_owned()),
        discount_bp: 9_050,
        standing: "normal".to_owned(),
        overdue_since: None,
        suspends_at: None,
    })
}

async fn balance(Path(id): Path<String>) -> Json<Balance> {
    purse(&id, 99_950_000)
}

async fn terms(Path(id): Path<String>, Json(terms): Json<AccountTerms>) -> Json<Balance> {
    purse(&id, terms.credit_limit_micro.unwrap_or_default())
}

async fn note(
    State(world): State<World>,
    Path(id): Path<String>,
    Json(note): Json<NewNote>,
) -> Json<Balance> {
    world.lock().notes.push(note.clone());
    purse(&id, note.amount_micro)
}

/// Three entries, on two pages.
async fn ledger(Query(query): Query<LedgerQuery>) -> Json<Page<LedgerEntry>> {
    let entry = |number: u64| LedgerEntry {
        number,
        at: moment("2026-11-23T16:05:00Z"),
        kind: "line".to_owned(),
        source: format!("np-1.bandwidth_hour.{number}.0"),
        amount_micro: -133_320,
        balance_micro: 1_000_000 - 133_320 * number.cast_signed(),
        month: query.month.clone().unwrap_or_default(),
        detail: "plan np-1, 20Mbps at its highest: 5Mbps x 0.003333 + 15Mbps x 0.007777 = 0.133320"
            .to_owned(),
    };
    Json(match query.after {
        None => Page { items: vec![entry(1), entry(2)], next: Some("2".to_owned()) },
        Some(_) => Page { items: vec![entry(3)], next: None },
    })
}

async fn lines(Query(query): Query<LineQuery>) -> Json<Page<BillLine>> {
    let line = BillLine {
        plan: query.plan.unwrap_or_else(|| "np-1".to_owned()),
        item: "bandwidth_hour".to_owned(),
        hour: moment("2026-11-23T15:00:00Z"),
        revision: 0,
        quantity: 20_000_000,
        original_micro: 400_000,
        amount_micro: 400_000,
        discount_bp: 10_000,
        price_book: 1,
        held: false,
        explained: "20Mbps at its highest: 20Mbps x 0.02 = 0.40".to_owned(),
    };
    Json(Page { items: vec![line], next: None })
}

fn month(account: &str, month: &str) -> Statement {
    Statement {
        account: account.to_owned(),
        month: month.to_owned(),
        currency: Some("EUR".to_owned()),
        opening_micro: 1_000_000,
        sums_micro: BTreeMap::from([("line".to_owned(), -399_960), ("rounding".to_owned(), 9_960)]),
        hours_micro: 390_000,
        round_down_micro: 9_960,
        total_micro: 390_000,
        closing_micro: 610_000,
        issued_at: None,
    }
}

async fn statements(Path(id): Path<String>) -> Json<Page<Statement>> {
    Json(Page { items: vec![month(&id, "2026-11")], next: None })
}

async fn statement(Path((id, text)): Path<(String, String)>) -> Json<Statement> {
    Json(month(&id, if text == "now" { "2026-12" } else { &text }))
}

async fn orders(Query(query): Query<OrderQuery>) -> Json<Page<Order>> {
    let order = Order {
        id: "or-1".to_owned(),
        account: query.account.unwrap_or_else(|| "acc-1".to_owned()),
        plan: "np-1".to_owned(),
        kind: "auto_renew".to_owned(),
        at: moment("2026-12-15T08:00:00Z"),
        original_micro: Some(100_000_000),
        discount_micro: Some(10_000_000),
        amount_micro: Some(90_000_000),
        price_book: Some(1),
        detail: "plan np-1, 10Mbps".to_owned(),
    };
    Json(Page { items: vec![order], next: None })
}
