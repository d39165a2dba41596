//! What things cost. While there is no price book, everything is free.

mod amount;
mod book;
mod currency;
mod exact;
mod order;
mod purse;
mod tiers;

pub use amount::Amount;
pub use book::{Books, NewPriceBook, PriceBook};
pub use currency::Currency;
pub(crate) use exact::{floor_sum, part};
pub(crate) use order::agreed;
pub use order::{Order, OrderKind};
pub use purse::{Discount, Moved, Note, Purse, Standing};
pub(crate) use tiers::{MBPS_BPS, shown_mbps};
pub use tiers::{Tier, Tiers};

use jiff::Timestamp;
use limiter_state::Rate;

use crate::{Charge, Duration, Plan, Refusal, Settings};

/// Of what a price is worked out: all price books, and the money of the account that pays.
#[derive(Clone, Copy, Debug)]
pub struct Money<'a> {
    /// All price books.
    pub books: &'a Books,
    /// The account's money.
    pub purse: Purse,
}

/// No price book, and an account without money.
static NO_BOOKS: Books = Books::NONE;

impl Default for Money<'_> {
    fn default() -> Self {
        Self { books: &NO_BOOKS, purse: Purse::default() }
    }
}

impl Money<'_> {
    /// The same where no amount is too large, as for a quote.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { purse: Purse::unlimited(self.purse.discount), ..self }
    }

    /// The same after `orders` were paid.
    pub(crate) fn after(self, orders: &[Order]) -> Self {
        let paid = orders.iter().map(|order| order.amount).sum();
        Self { purse: Purse { balance: self.purse.balance.minus(paid), ..self.purse }, ..self }
    }

    /// Refuses pay-as-you-go that the account could not pay for a while: `AccountOverdue`,
    /// `InsufficientBalance`.
    pub(crate) fn starts_as_you_go(
        &self,
        plan: &Plan,
        settings: &Settings,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        self.purse.is_normal()?;
        let book = self.books.at(at);
        let hour = match plan.charge {
            Charge::ByBandwidth => book.hour(plan.peak),
            Charge::ByTraffic => i128::from(book.traffic_micro()) * MBPS_BPS,
        };
        let hours = i128::from(settings.pay_as_you_go_reserve.as_hours().clamp(0, 10_000));
        self.purse.has(Amount::saturated(self.purse.discount.of(hour) * hours / PARTS))
    }

    /// The price of a period at `at`: without discount, and with it. Whole cents.
    pub(crate) fn period(&self, peak: Rate, duration: Duration, at: Timestamp) -> (Amount, Amount) {
        let list = self.books.at(at).period(peak, duration);
        let price = |discount: Discount| Amount::saturated(discount.of(list) / PARTS).floor_cent();
        (price(Discount::NONE), price(self.purse.discount))
    }
}

/// Parts of a millionth that prices are worked out in: a Mbps has 10^6 bit/s, and a discount 10^4 parts.
pub(crate) const PARTS: i128 = MBPS_BPS * 10_000;
