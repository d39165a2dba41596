//! Accounts.

use axum::Json;
use axum::extract::{Path, State};
use limiter_api::params::{AccountChange, NewAccount, Paging};
use limiter_api::views::{Account, Page};

use super::answer::{Created, Tagged};
use super::input::{Asked, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List accounts.
#[utoipa::path(get, path = "/accounts", tag = "accounts", params(Paging), responses((status = 200, body = Page<Account>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<Paging>,
) -> Answer<Json<Page<Account>>> {
    Ok(Json(app.accounts(&caller, &query).await?))
}

/// Show an account.
#[utoipa::path(get, path = "/accounts/{id}", tag = "accounts", responses((status = 200, body = Account)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Tagged<Account>> {
    Ok(Tagged(app.account(&caller, &id).await?))
}

/// Create an account.
#[utoipa::path(post, path = "/accounts", tag = "accounts", request_body = NewAccount, responses((status = 201, body = Account)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewAccount>,
) -> Answer<Created<Account>> {
    Ok(Created(app.create_account(&call, input).await?))
}

/// Change an account.
#[utoipa::path(patch, path = "/accounts/{id}", tag = "accounts", request_body = AccountChange, responses((status = 200, body = Account)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<AccountChange>,
) -> Answer<Tagged<Account>> {
    Ok(Tagged(app.change_account(&call, &id, input).await?))
}
