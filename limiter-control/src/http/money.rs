//! Money: price books, quotes, what accounts have, orders, hours and statements.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use limiter_api::money::{
    AccountTerms, Balance, BillLine, LedgerEntry, LedgerQuery, LineQuery, NewNote, NewPriceBook, Order,
    OrderQuery, PriceBook, Quote, QuoteQuery, RenewQuoteQuery, ResizeQuoteQuery, Statement,
};
use limiter_api::views::Page;

use super::input::{Asked, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List price books.
#[utoipa::path(get, path = "/price-books", tag = "prices", responses((status = 200, body = Page<PriceBook>)))]
pub(super) async fn price_books(State(app): State<App>, caller: Caller) -> Answer<Json<Page<PriceBook>>> {
    Ok(Json(app.price_books(&caller).await?))
}

/// Show a price book by its version; `now` is the one that holds.
#[utoipa::path(get, path = "/price-books/{id}", tag = "prices", responses((status = 200, body = PriceBook)))]
pub(super) async fn price_book(
    State(app): State<App>,
    caller: Caller,
    Path(version): Path<String>,
) -> Answer<Json<PriceBook>> {
    Ok(Json(app.price_book(&caller, &version).await?))
}

/// Make a price book, or say what it would be.
#[utoipa::path(post, path = "/price-books", tag = "prices", request_body = NewPriceBook, responses((status = 201, body = PriceBook)))]
pub(super) async fn create_price_book(
    State(app): State<App>,
    Changing(call, input): Changing<NewPriceBook>,
) -> Answer<(StatusCode, Json<PriceBook>)> {
    Ok((StatusCode::CREATED, Json(app.create_price_book(&call, input).await?)))
}

/// Say what a plan would cost.
#[utoipa::path(get, path = "/quotes/plan", tag = "quotes", params(QuoteQuery), responses((status = 200, body = Quote)))]
pub(super) async fn quote_plan(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<QuoteQuery>,
) -> Answer<Json<Quote>> {
    Ok(Json(app.quote_plan(&caller, &query).await?))
}

/// Say what another peak would cost.
#[utoipa::path(get, path = "/plans/{id}/quotes/resize", tag = "quotes", params(ResizeQuoteQuery), responses((status = 200, body = Quote)))]
pub(super) async fn quote_resize(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<ResizeQuoteQuery>,
) -> Answer<Json<Quote>> {
    Ok(Json(app.quote_resize(&caller, &id, &query).await?))
}

/// Say what a longer term would cost.
#[utoipa::path(get, path = "/plans/{id}/quotes/renew", tag = "quotes", params(RenewQuoteQuery), responses((status = 200, body = Quote)))]
pub(super) async fn quote_renewal(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<RenewQuoteQuery>,
) -> Answer<Json<Quote>> {
    Ok(Json(app.quote_renewal(&caller, &id, &query).await?))
}

/// Say what the end of a subscription would pay back.
#[utoipa::path(get, path = "/plans/{id}/quotes/unsubscribe", tag = "quotes", responses((status = 200, body = Quote)))]
pub(super) async fn quote_end(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Quote>> {
    Ok(Json(app.quote_end(&caller, &id).await?))
}

/// Show what an account has.
#[utoipa::path(get, path = "/accounts/{id}/balance", tag = "money", responses((status = 200, body = Balance)))]
pub(super) async fn balance(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Balance>> {
    Ok(Json(app.balance(&caller, &id).await?))
}

/// Set what an account may owe, and what of prices it pays.
#[utoipa::path(patch, path = "/accounts/{id}/balance", tag = "money", request_body = AccountTerms, responses((status = 200, body = Balance)))]
pub(super) async fn terms(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<AccountTerms>,
) -> Answer<Json<Balance>> {
    Ok(Json(app.set_account_terms(&call, &id, input).await?))
}

/// Write a top-up, credit or debit into an account.
#[utoipa::path(post, path = "/accounts/{id}/notes", tag = "money", request_body = NewNote, responses((status = 200, body = Balance)))]
pub(super) async fn note(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<NewNote>,
) -> Answer<Json<Balance>> {
    Ok(Json(app.note(&call, &id, input).await?))
}

/// List what moved the money of an account.
#[utoipa::path(get, path = "/accounts/{id}/ledger", tag = "money", params(LedgerQuery), responses((status = 200, body = Page<LedgerEntry>)))]
pub(super) async fn ledger(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<LedgerQuery>,
) -> Answer<Json<Page<LedgerEntry>>> {
    Ok(Json(app.ledger(&caller, &id, &query).await?))
}

/// List the hours of a month, each explained.
#[utoipa::path(get, path = "/accounts/{id}/lines", tag = "money", params(LineQuery), responses((status = 200, body = Page<BillLine>)))]
pub(super) async fn lines(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<LineQuery>,
) -> Answer<Json<Page<BillLine>>> {
    Ok(Json(app.bill_lines(&caller, &id, &query).await?))
}

/// List the statements of an account, the last first.
#[utoipa::path(get, path = "/accounts/{id}/statements", tag = "money", responses((status = 200, body = Page<Statement>)))]
pub(super) async fn statements(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Page<Statement>>> {
    Ok(Json(app.statements(&caller, &id).await?))
}

/// Show the statement of a month (`2026-11`), also of one that goes on (`now`).
#[utoipa::path(get, path = "/accounts/{id}/statements/{month}", tag = "money", params(("month" = String, Path, description = "The month: `2026-11`, or `now`.")), responses((status = 200, body = Statement)))]
pub(super) async fn statement(
    State(app): State<App>,
    caller: Caller,
    Path((id, month)): Path<(String, String)>,
) -> Answer<Json<Statement>> {
    Ok(Json(app.show_statement(&caller, &id, &month).await?))
}

/// List orders.
#[utoipa::path(get, path = "/orders", tag = "orders", params(OrderQuery), responses((status = 200, body = Page<Order>)))]
pub(super) async fn orders(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<OrderQuery>,
) -> Answer<Json<Page<Order>>> {
    Ok(Json(app.orders(&caller, &query).await?))
}

/// Show an order.
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", responses((status = 200, body = Order)))]
pub(super) async fn order(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Order>> {
    Ok(Json(app.show_order(&caller, &id).await?))
}
