//! What the days of a subscription are worth that are paid and not over.
//!
//! Each slice has one remaining value, for the days from [`Slice::value_from`] on. What is paid for more
//! bandwidth is added to it, what is paid back is taken from it, so never more is paid back than was paid.

use jiff::civil::Date;
use limiter_state::Rate;

use crate::price::{Amount, Discount, PARTS, PriceBook, floor_sum, part};
use crate::{Duration, Slice};

/// What another peak costs, and what the slices are worth then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repriced {
    /// Without discount; below zero: what is paid back.
    pub(crate) original: Amount,
    /// With discount; below zero: what is paid back.
    pub(crate) amount: Amount,
    /// The slices.
    pub(crate) slices: Vec<Slice>,
}

/// A change of the peak on a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repricing<'a> {
    /// The slices of the plan.
    pub(crate) slices: &'a [Slice],
    /// The peak that it has.
    pub(crate) from: Rate,
    /// The peak that it gets.
    pub(crate) to: Rate,
    /// The highest peak that it had today.
    pub(crate) highest: Rate,
    /// The billing day.
    pub(crate) today: Date,
    /// The prices.
    pub(crate) book: &'a PriceBook,
    /// What of them the account pays.
    pub(crate) discount: Discount,
}

impl Repricing<'_> {
    /// The price of the new peak: the difference for today and the days after it, or what is left of them.
    pub(crate) fn reprice(&self) -> Repriced {
        if self.from < self.to { self.upgrade() } else { self.downgrade() }
    }

    fn upgrade(&self) -> Repriced {
        let (original, _) = self.upgrade_price(Discount::NONE);
        let (amount, today) = self.upgrade_price(self.discount);
        let mut rest = amount.minus(today);
        let last = self.slices.iter().rposition(|slice| slice.days_after(self.today) > 0);
        let mut slices = self.slices.to_vec();
        for (place, slice) in slices.iter_mut().enumerate() {
            let (top, bottom) = self.future_share(slice, self.discount);
            if slice.days_after(self.today) == 0 {
                continue;
            }
            let share = Amount::saturated(floor_sum([(top, bottom)]) / PARTS).min(rest);
            let share = if Some(place) == last { rest } else { share };
            rest = rest.minus(share);
            slice.advance(self.today);
            slice.value = slice.value.plus(share);
        }
        Repriced { original, amount, slices }
    }

    /// The whole price in cents, and the part of it that is for today, which is used up.
    fn upgrade_price(&self, discount: Discount) -> (Amount, Amount) {
        let running = |slice: &&Slice| slice.first_day <= self.today && self.today < slice.last_day;
        let today = self.slices.iter().find(running).map_or(0, |slice| {
            let most = self.highest.max(self.from);
            let more = self.more(most, slice.duration).max(0);
            floor_sum([(discount.of(more), slice.days().into())]) / PARTS
        });
        let future = floor_sum(self.slices.iter().map(|slice| self.future_share(slice, discount))) / PARTS;
        let amount = Amount::saturated(future.saturating_add(today)).floor_cent();
        (amount, Amount::saturated(today).min(amount))
    }

    fn future_share(&self, slice: &Slice, discount: Discount) -> (i128, i128) {
        let days = i128::from(slice.days_after(self.today));
        (discount.of(self.more(self.from, slice.duration).max(0)) * days, slice.days().into())
    }

    fn more(&self, than: Rate, duration: Duration) -> i128 {
        self.book.period(self.to, duration) - self.book.period(than, duration)
    }

    /// Where the book in force has no price for the peak, bandwidth itself is the measure.
    fn downgrade(&self) -> Repriced {
        let mut slices = self.slices.to_vec();
        let mut sum = Amount::ZERO;
        for slice in slices.iter_mut().filter(|slice| slice.days_after(self.today) > 0) {
            slice.advance(self.today);
            let price = |peak| self.book.period(peak, slice.duration);
            let (top, bottom) = match (price(self.from) - price(self.to), price(self.from)) {
                (_, 0) => ((self.from.bps() - self.to.bps()).into(), self.from.bps().into()),
                ratio => ratio,
            };
            let back = Amount::new(part(slice.value.micro(), top, bottom));
            slice.value = slice.value.minus(back);
            sum = sum.plus(back);
        }
        let amount = sum.floor_cent().negated();
        Repriced { original: amount, amount, slices }
    }
}

/// What the days after `today` are worth, in cents.
pub(crate) fn left(slices: &[Slice], today: Date) -> Amount {
    slices.iter().map(|slice| slice.value_after(today)).sum::<Amount>().floor_cent()
}

impl Slice {
    /// Its billing days.
    pub fn days(&self) -> u32 {
        days(self.first_day, self.last_day)
    }

    /// Its billing days after `today`.
    pub fn days_after(&self, today: Date) -> u32 {
        let tomorrow = today.tomorrow().unwrap_or(Date::MAX);
        days(self.first_day.max(tomorrow), self.last_day)
    }

    /// What its days after `today` are worth, millionths.
    pub fn value_after(&self, today: Date) -> Amount {
        let covered = days(self.value_from, self.last_day);
        let left = self.days_after(today).min(covered);
        Amount::new(part(self.value.micro(), left.into(), covered.into()))
    }

    /// Leaves today behind: its value is that of the days after it.
    fn advance(&mut self, today: Date) {
        self.value = self.value_after(today);
        self.value_from = self.value_from.max(today.tomorrow().unwrap_or(Date::MAX));
    }
}

fn days(from: Date, to: Date) -> u32 {
    from.until(to).map_or(0, |span| span.get_days()).try_into().unwrap_or(0)
}
