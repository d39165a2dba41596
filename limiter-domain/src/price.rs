//! What things cost. There is no price book yet, and without one everything is free.

use limiter_state::Rate;

use crate::{Code, Duration, Plan, Refusal};

/// An amount of money in millionths of the deployment's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `micro` millionths.
    pub const fn new(micro: i64) -> Self {
        Self(micro)
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// What has a price.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A period of a subscription.
    Period {
        /// The peak.
        peak: Rate,
        /// How long.
        duration: Duration,
    },
    /// Pay-as-you-go, at its start.
    Activation,
    /// Another peak for the days that are paid already.
    Resize {
        /// The plan as it is.
        plan: &'a Plan,
        /// The peak it gets.
        peak: Rate,
    },
    /// The days of a subscription that are given back; its price is not above zero.
    Refund {
        /// The plan as it is.
        plan: &'a Plan,
    },
}

/// The price of `item`.
pub const fn price(item: &Item<'_>) -> Amount {
    match item {
        Item::Period { .. } | Item::Activation | Item::Resize { .. } | Item::Refund { .. } => Amount::ZERO,
    }
}

/// The price of `item`, where it is the `expected` one.
pub(crate) fn agreed(item: &Item<'_>, expected: Option<Amount>) -> Result<Amount, Refusal> {
    let amount = price(item);
    match expected {
        Some(expected) if expected != amount => Err(Refusal::new(
            Code::QuoteChanged,
            format!(
                "the amount is {} millionths now, not {}; look at the new quote and send its amount",
                amount.0, expected.0
            ),
        )
        .at("expected_amount")),
        _ => Ok(amount),
    }
}
