//! Orders: what was paid for, or paid back.

use jiff::Timestamp;

use super::{Amount, Money};
use crate::{Code, Refusal};

/// A payment for a plan, as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// For what.
    pub kind: OrderKind,
    /// When.
    pub at: Timestamp,
    /// What it costs without discount; below zero: what is paid back.
    pub original: Amount,
    /// What is paid; below zero: what is paid back.
    pub amount: Amount,
    /// The price book that it was worked out of; 0 where there was none.
    pub book: u32,
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// A subscription.
    Purchase,
    /// Pay-as-you-go; it costs nothing yet.
    Activate,
    /// A longer term.
    Renew,
    /// A longer term, by itself.
    AutoRenew,
    /// A higher peak for the days that are paid already.
    Upgrade,
    /// A lower peak for them.
    Downgrade,
    /// The days that are given back.
    Unsubscribe,
}

impl OrderKind {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Purchase,
        Self::Activate,
        Self::Renew,
        Self::AutoRenew,
        Self::Upgrade,
        Self::Downgrade,
        Self::Unsubscribe,
    ];

    /// As written everywhere.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Activate => "activate",
            Self::Renew => "renew",
            Self::AutoRenew => "auto_renew",
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

impl Order {
    /// An order of prices without discount and with it, of the book that holds at `at`.
    pub(crate) fn new(kind: OrderKind, at: Timestamp, prices: (Amount, Amount), money: &Money<'_>) -> Self {
        let (original, amount) = prices;
        Self { kind, at, original, amount, book: money.books.at(at).version }
    }

    /// The discount; never below zero.
    pub const fn discount(&self) -> Amount {
        self.original.minus(self.amount)
    }
}

/// `order`, where its amount is the `expected` one and the account has it.
pub(crate) fn agreed(order: Order, expected: Option<Amount>, money: &Money<'_>) -> Result<Order, Refusal> {
    let amount = order.amount;
    match expected {
        Some(expected) if expected != amount => Err(Refusal::new(
            Code::QuoteChanged,
            format!(
                "the amount is {} millionths now, not {}; look at the new quote and send its amount",
                amount.micro(),
                expected.micro()
            ),
        )
        .at("expected_amount")),
        _ => money.purse.has(amount).map(|()| order),
    }
}
