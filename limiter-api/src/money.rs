//! Money: price books, quotes, what accounts have, orders, hours and statements.
//!
//! Amounts are millionths of the deployment's currency. They are absent where there is no price book.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A part of a peak with a price of its own, from the end of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceTier {
    /// Where it ends, bits per second; absent in the last tier, which has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_bps: Option<u64>,
    /// The price of a unit in it, in millionths: of a Mbps, of `payg.traffic` of 2^30 inbound bytes.
    pub micro_per_unit: i64,
}

/// Makes a price book. Books are never changed: the next one replaces it from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPriceBook {
    /// When it begins to hold; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
    /// A code of ISO 4217; a deployment has one.
    pub currency: String,
    /// All of `sub.1w`, `sub.1m`, `sub.2m`, `sub.3m`, `sub.6m`, `sub.1y`, `sub.2y`, `sub.3y` (a Mbps for the
    /// period), `payg.bandwidth` (a Mbps for an hour) and `payg.traffic`.
    pub items: BTreeMap<String, Vec<PriceTier>>,
    /// True: only says what it would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// Prices from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceBook {
    /// 1 for the first.
    pub version: u32,
    /// When it begins to hold.
    pub effective_from: Timestamp,
    /// What amounts are in.
    pub currency: String,
    /// Whether it holds now.
    pub in_force: bool,
    /// The tiers of each item.
    pub items: BTreeMap<String, Vec<PriceTier>>,
}

/// What a plan would cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct QuoteQuery {
    /// The account, for operators.
    pub account: Option<String>,
    /// `subscription` or `pay_as_you_go`.
    pub pay: String,
    /// `bandwidth` or `traffic`; absent: `bandwidth`.
    pub charge: Option<String>,
    /// The peak for each direction.
    pub peak_bps: u64,
    /// Duration of a subscription.
    pub duration: Option<String>,
}

/// What another peak would cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ResizeQuoteQuery {
    /// The new peak for each direction.
    pub peak_bps: u64,
}

/// What a longer term would cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RenewQuoteQuery {
    /// The duration.
    pub duration: String,
}

/// What an operation would cost at this instant; the same amount is taken when it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// `purchase`, `activate`, `renew`, `upgrade`, `downgrade`, `unsubscribe`.
    pub kind: String,
    /// Without discount; below zero: what is paid back.
    pub original_micro: Option<i64>,
    /// The discount.
    pub discount_micro: Option<i64>,
    /// What is paid: the `expected_amount_micro` of the operation. Below zero: what is paid back.
    pub amount_micro: Option<i64>,
    /// What amounts are in.
    pub currency: Option<String>,
    /// The price book.
    pub price_book: Option<u32>,
    /// When the term would end.
    pub expires_at: Option<Timestamp>,
    /// Whether the account can pay it now.
    pub affordable: bool,
}

/// What an account has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Balance {
    /// The account.
    pub account: String,
    /// What it has; below zero what it owes.
    pub balance_micro: Option<i64>,
    /// What it may owe.
    pub credit_limit_micro: Option<i64>,
    /// What can be paid: both together.
    pub available_micro: Option<i64>,
    /// What amounts are in.
    pub currency: Option<String>,
    /// Ten-thousandths of prices that it pays; 10000 is the whole price.
    pub discount_bp: u16,
    /// `normal`, `grace` (it owes more than it may) or `suspended` (its pay-as-you-go plans are overdue).
    pub standing: String,
    /// Since when it owes more than it may.
    pub overdue_since: Option<Timestamp>,
    /// When its pay-as-you-go plans become overdue, unless it is topped up.
    pub suspends_at: Option<Timestamp>,
}

/// What an operator writes into an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    /// `top_up` (money came in), `credit` (something is given back) or `debit` (something is taken).
    pub kind: String,
    /// How much: above zero, whole cents.
    pub amount_micro: i64,
    /// Why: 1 to 200 characters.
    pub reason: String,
}

/// Changes what an account may owe and what of prices it pays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountTerms {
    /// What it may owe.
    pub credit_limit_micro: Option<i64>,
    /// Ten-thousandths of prices that it pays, 1 to 10000.
    pub discount_bp: Option<u16>,
}

/// Which part of a ledger.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LedgerQuery {
    /// Of this month: `2026-11`.
    pub month: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 100; absent: 100.
    pub limit: Option<usize>,
}

/// Which hours of a month.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LineQuery {
    /// The month: `2026-11`.
    pub month: String,
    /// Of this plan.
    pub plan: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 100; absent: 100.
    pub limit: Option<usize>,
}

/// Which orders.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OrderQuery {
    /// Of this account.
    pub account: Option<String>,
    /// For this plan, also where it was released.
    pub plan: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 100; absent: 100.
    pub limit: Option<usize>,
}

/// One movement of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerEntry {
    /// 1 for the first of the account.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// `top_up`, `credit`, `debit`, `order`, `line` or `rounding`.
    pub kind: String,
    /// Identity of what moved it.
    pub source: String,
    /// By how much the balance changed.
    pub amount_micro: i64,
    /// The balance after it.
    pub balance_micro: i64,
    /// The month whose statement has it: `2026-11`.
    pub month: String,
    /// Why.
    pub detail: String,
}

/// A payment for a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Identity.
    pub id: String,
    /// Who paid.
    pub account: String,
    /// For which plan.
    pub plan: String,
    /// `purchase`, `activate`, `renew`, `auto_renew`, `upgrade`, `downgrade`, `unsubscribe`.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// Without discount; below zero: what was paid back.
    pub original_micro: Option<i64>,
    /// The discount.
    pub discount_micro: Option<i64>,
    /// What was paid; below zero: what was paid back.
    pub amount_micro: Option<i64>,
    /// The price book that it was worked out of.
    pub price_book: Option<u32>,
    /// The plan as it was then.
    pub detail: String,
}

/// An hour of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillLine {
    /// The plan.
    pub plan: String,
    /// `bandwidth_hour` or `traffic_in`.
    pub item: String,
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// 0; an adjustment has the next number.
    pub revision: u32,
    /// The highest peak in bits per second, or inbound bytes.
    pub quantity: u64,
    /// Without discount.
    pub original_micro: i64,
    /// What it costs.
    pub amount_micro: i64,
    /// Ten-thousandths of the price that are paid.
    pub discount_bp: u16,
    /// The price book that holds at the beginning of the hour.
    pub price_book: u32,
    /// True: nothing was taken, an operator decides.
    pub held: bool,
    /// How the amount comes about.
    pub explained: String,
}

/// What a month cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// The account.
    pub account: String,
    /// The month: `2026-11`.
    pub month: String,
    /// What amounts are in.
    pub currency: Option<String>,
    /// The balance before it.
    pub opening_micro: i64,
    /// The sum of each kind of entry.
    pub sums_micro: BTreeMap<String, i64>,
    /// What hours cost, in whole cents.
    pub hours_micro: i64,
    /// What was given back of them because it is less than a cent.
    pub round_down_micro: i64,
    /// What was paid for orders and hours, less what was paid back.
    pub total_micro: i64,
    /// The balance after it.
    pub closing_micro: i64,
    /// When it was written; absent: the month goes on, and more may come.
    pub issued_at: Option<Timestamp>,
}
