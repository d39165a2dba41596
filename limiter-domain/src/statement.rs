//! What a month cost: the sum of its entries, in whole cents.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

use crate::price::Amount;
use crate::{Settings, term};

/// What moved money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Money came in.
    TopUp,
    /// Given back by an operator.
    Credit,
    /// Taken by an operator.
    Debit,
    /// An order was paid, or paid back.
    Order,
    /// An hour of pay-as-you-go.
    Line,
    /// What of a month's hours is less than a cent is given back.
    Rounding,
}

/// A month of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The balance before it.
    pub opening: Amount,
    /// The sum of each kind of entry, the rounding included.
    pub sums: BTreeMap<EntryKind, Amount>,
    /// What the hours cost, in whole cents.
    pub hours: Amount,
    /// What was given back of them because it is less than a cent.
    pub round_down: Amount,
    /// What was paid for orders and hours, less what was paid back.
    pub total: Amount,
    /// The balance after it.
    pub closing: Amount,
}

impl EntryKind {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::TopUp, Self::Credit, Self::Debit, Self::Order, Self::Line, Self::Rounding];

    /// As written everywhere.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Credit => "credit",
            Self::Debit => "debit",
            Self::Order => "order",
            Self::Line => "line",
            Self::Rounding => "rounding",
        }
    }
}

/// The statement of a month that began with `opening` and has the sums `entries`. Where it has no rounding
/// yet, one is added: it is [`Statement::round_down`], and to be written as an entry.
pub fn statement(opening: Amount, entries: &BTreeMap<EntryKind, Amount>) -> Statement {
    let mut sums = entries.clone();
    let sum = |sums: &BTreeMap<EntryKind, Amount>, kind| sums.get(&kind).copied().unwrap_or_default();
    let exact = sum(&sums, EntryKind::Line).negated();
    let hours = exact.floor_cent();
    let round_down = exact.minus(hours);
    if round_down != Amount::ZERO {
        sums.insert(EntryKind::Rounding, round_down);
    }
    let total = hours.minus(sum(&sums, EntryKind::Order));
    let closing = sums.values().copied().fold(opening, Amount::plus);
    Statement { opening, sums, hours, round_down, total, closing }
}

/// The billing month of `at`, as its first day.
pub fn month_of(at: Timestamp, settings: &Settings) -> Date {
    term::billing_day(at, settings).first_of_month()
}

/// The month after `month`, as its first day.
pub fn next_month(month: Date) -> Date {
    month.first_of_month().saturating_add(1.month())
}

/// When the statement of `month` is written: every hour of it is closed by then, also those that nodes
/// report late.
pub fn issued_at(month: Date, settings: &Settings) -> Timestamp {
    let end = term::hour_of_day(next_month(month), 0, settings);
    end.saturating_add(settings.statement_delay).unwrap_or(Timestamp::MAX)
}
