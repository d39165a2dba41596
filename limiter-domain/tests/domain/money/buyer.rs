//! An account with plans, driven as the control plane drives the domain.

use jiff::Timestamp;
use limiter_domain::bill::{Line, by_bandwidth, next_hour};
use limiter_domain::order::{self, Facts, NewPlan};
use limiter_domain::price::{Amount, Books, Discount, Money, NewPriceBook, Order, Purse, Tier};
use limiter_domain::release::{Ending, delete, unsubscribe};
use limiter_domain::renewal::{Renewal, renew};
use limiter_domain::resize::{self, Resize, resize};
use limiter_domain::schedule::catch_up;
use limiter_domain::segment::{Segment, turned};
use limiter_domain::usage::hour_of;
use limiter_domain::{Duration, Plan, PlanId, Refusal, Settings, Step};

use crate::fixture::{MADE, account, at};

/// The tiers of one item: peaks up to which the price holds, and the price; the last without an end.
pub(crate) fn tiers(tiers: &[(Option<u64>, i64)]) -> Vec<Tier> {
    let tier = |&(up_to_mbps, micro_per_unit): &(Option<u64>, i64)| Tier {
        up_to_bps: up_to_mbps.map(|mbps| mbps * 1_000_000),
        micro_per_unit,
    };
    tiers.iter().map(tier).collect()
}

/// The prices of the examples, in cents for each Mbps: periods, and millionths for hours and traffic.
pub(crate) fn example() -> NewPriceBook {
    let cents = [300, 1000, 2000, 3000, 6000, 10_000, 20_000, 30_000];
    let periods = Duration::ALL.iter().zip(cents);
    let mut items: Vec<_> = periods
        .map(|(duration, cents)| (format!("sub.{duration}"), tiers(&[(None, cents * 10_000)])))
        .collect();
    items.push(("payg.bandwidth".to_owned(), tiers(&[(None, 20_000)])));
    items.push(("payg.traffic".to_owned(), tiers(&[(None, 120_000)])));
    NewPriceBook { effective_from: None, currency: "EUR".to_owned(), items }
}

/// Those prices with a cheaper beginning.
pub(crate) fn tiered() -> NewPriceBook {
    let mut new = example();
    for (name, list) in &mut new.items {
        let price = list[0].micro_per_unit;
        if name != "payg.traffic" {
            *list = tiers(&[(Some(5), price / 3), (Some(40), price), (None, price * 3 / 2)]);
        }
    }
    new
}

pub(crate) fn books(new: &NewPriceBook) -> Books {
    let book = Books::NONE.next(new, Timestamp::UNIX_EPOCH).expect("a book");
    Books::new(vec![book.into()])
}

pub(crate) fn cents(cents: i64) -> Amount {
    Amount::new(cents * 10_000)
}

/// One plan of an account, with what was paid for it and when it had which peak.
pub(crate) struct Buyer {
    pub(crate) books: Books,
    pub(crate) purse: Purse,
    pub(crate) settings: Settings,
    pub(crate) plan: Option<Plan>,
    pub(crate) history: Vec<Segment>,
    pub(crate) orders: Vec<Order>,
}

impl Buyer {
    pub(crate) fn new(new: &NewPriceBook) -> Self {
        Self {
            books: books(new),
            purse: Purse { balance: cents(1_000_000_000), ..Purse::default() },
            settings: Settings::default(),
            plan: None,
            history: Vec::new(),
            orders: Vec::new(),
        }
    }

    pub(crate) fn discounted(self, basis_points: u16) -> Self {
        let discount = Discount::new(basis_points).expect("a discount");
        Self { purse: Purse { discount, ..self.purse }, ..self }
    }

    pub(crate) fn money(&self) -> Money<'_> {
        Money { books: &self.books, purse: self.purse }
    }

    pub(crate) fn plan(&self) -> &Plan {
        self.plan.as_ref().expect("a plan")
    }

    pub(crate) fn order(&mut self, new: &NewPlan, now: Timestamp) -> Result<Amount, Refusal> {
        let facts = Facts { money: self.money(), ..Facts::default() };
        let step = order::create(PlanId::of_random(1), account(), new, &facts, &self.settings, now, MADE)?;
        (self.history, self.orders) = (Vec::new(), Vec::new());
        Ok(self.keep(step))
    }

    pub(crate) fn renew(&mut self, duration: Duration, now: Timestamp) -> Result<Amount, Refusal> {
        self.catch_up(now);
        let asked = Renewal { duration, auto_renew: None, expected_amount: None };
        let step = renew(self.plan(), asked, &self.money(), &self.settings, now, MADE)?;
        Ok(self.keep(step))
    }

    pub(crate) fn resize(&mut self, mbps: u64, now: Timestamp) -> Result<Amount, Refusal> {
        self.catch_up(now);
        let to = Resize { peak_bps: mbps * 1_000_000, expected_amount: None };
        let facts = resize::Facts { money: self.money(), history: &self.history };
        let step = resize(self.plan(), to, facts, &self.settings, now, MADE)?;
        Ok(self.keep(step))
    }

    pub(crate) fn unsubscribe(&mut self, now: Timestamp) -> Result<Amount, Refusal> {
        self.catch_up(now);
        let ending = Ending { force: false, expected_amount: None };
        let step = unsubscribe(self.plan(), ending, &self.money(), &self.settings, now, MADE)?;
        Ok(self.keep(step))
    }

    pub(crate) fn delete(&mut self, now: Timestamp) {
        let step = delete(self.plan(), true, now, MADE).expect("an end");
        self.keep(step);
    }

    pub(crate) fn catch_up(&mut self, now: Timestamp) {
        if let Some(step) = catch_up(self.plan(), &self.money(), &self.settings, now, MADE) {
            self.keep(step);
        }
    }

    /// Takes a step: its orders from the balance, its turns into the history.
    pub(crate) fn keep(&mut self, step: Step) -> Amount {
        let amount = step.amount();
        for order in step.orders {
            let moved = self.purse.post(order.amount.negated(), order.at).expect("a balance");
            self.purse = moved.purse;
            self.orders.push(order);
        }
        for turn in step.turns {
            self.history = turned(&self.history, turn);
        }
        self.plan = Some(step.plan);
        amount
    }

    /// The hours of pay-by-bandwidth up to `until`.
    pub(crate) fn hours(&self, until: Timestamp) -> Vec<Line> {
        let mut hour = hour_of(self.history.first().expect("a segment").from);
        let mut lines = Vec::new();
        while hour < until {
            lines.extend(by_bandwidth(&self.history, hour, &self.money()));
            hour = next_hour(hour);
        }
        lines
    }

    /// What was paid, and what was paid back.
    pub(crate) fn paid(&self) -> (Amount, Amount) {
        let amounts = || self.orders.iter().map(|order| order.amount);
        (amounts().filter(|it| *it > Amount::ZERO).sum(), amounts().filter(|it| *it < Amount::ZERO).sum())
    }
}

/// Noon of a day.
pub(crate) fn noon(day: &str) -> Timestamp {
    at(&format!("{day}T12:00:00Z"))
}
