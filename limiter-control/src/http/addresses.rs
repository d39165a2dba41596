//! Addresses for plans.

use axum::Json;
use axum::extract::{Path, State};
use limiter_api::params::{AddressQuery, AddressRanges, AddressUseQuery};
use limiter_api::views::{Address, AddressUse, AddressesChanged, Page};

use super::input::{Asked, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List addresses for plans.
#[utoipa::path(get, path = "/addresses", tag = "addresses", params(AddressQuery), responses((status = 200, body = Page<Address>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<AddressQuery>,
) -> Answer<Json<Page<Address>>> {
    Ok(Json(app.addresses(&caller, &query).await?))
}

/// Show an address for plans.
#[utoipa::path(get, path = "/addresses/{address}", tag = "addresses", responses((status = 200, body = Address)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(address): Path<String>,
) -> Answer<Json<Address>> {
    Ok(Json(app.address(&caller, &address).await?))
}

/// List who had an address when.
#[utoipa::path(get, path = "/addresses/{address}/uses", tag = "addresses", params(AddressUseQuery), responses((status = 200, body = Page<AddressUse>)))]
pub(super) async fn uses(
    State(app): State<App>,
    caller: Caller,
    Path(address): Path<String>,
    Asked(query): Asked<AddressUseQuery>,
) -> Answer<Json<Page<AddressUse>>> {
    Ok(Json(app.address_uses(&caller, &address, &query).await?))
}

/// Make addresses available to the plans of a region; plans without one get one each.
#[utoipa::path(post, path = "/addresses/import", tag = "addresses", request_body = AddressRanges, responses((status = 200, body = AddressesChanged)))]
pub(super) async fn import(
    State(app): State<App>,
    Changing(call, input): Changing<AddressRanges>,
) -> Answer<Json<AddressesChanged>> {
    Ok(Json(app.import_addresses(&call, input).await?))
}

/// Take addresses that no plan has away from a region.
#[utoipa::path(post, path = "/addresses/remove", tag = "addresses", request_body = AddressRanges, responses((status = 200, body = AddressesChanged)))]
pub(super) async fn remove(
    State(app): State<App>,
    Changing(call, input): Changing<AddressRanges>,
) -> Answer<Json<AddressesChanged>> {
    Ok(Json(app.remove_addresses(&call, input).await?))
}
