//! What moved the money of an account: append-only, and the source of balances and statements.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::bill::Line;
use crate::price::{Amount, Order};
use crate::statement::EntryKind;
use crate::{AccountId, OrderId, PlanId};

/// One movement of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose money.
    pub account: AccountId,
    /// 1 for the first of the account.
    pub number: u64,
    /// What moved it.
    pub kind: EntryKind,
    /// Identity of what moved it; none moves money twice.
    pub source: Arc<str>,
    /// By how much the balance changed.
    pub amount: Amount,
    /// The balance after it.
    pub balance: Amount,
    /// When.
    pub at: Timestamp,
    /// The first day of the month whose statement has it.
    pub month: Date,
    /// Why, for a reader.
    pub detail: Arc<str>,
}

/// An order of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOrder {
    /// Identity.
    pub id: OrderId,
    /// Who paid.
    pub account: AccountId,
    /// For which plan.
    pub plan: PlanId,
    /// What was paid.
    pub order: Order,
    /// The plan as it was then, for a reader.
    pub detail: Arc<str>,
}

/// An hour of a plan as it was billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLine {
    /// Who pays.
    pub account: AccountId,
    /// The plan.
    pub plan: PlanId,
    /// The first day of the month whose statement has it.
    pub month: Date,
    /// What it costs.
    pub line: Line,
}

impl KeptLine {
    /// Identity of the line: plan, item, hour in seconds since 1970, revision.
    pub fn source(&self) -> String {
        let Line { item, hour, revision, .. } = &self.line;
        format!("{}.{}.{}.{revision}", self.plan, item.code(), hour.as_second())
    }
}
