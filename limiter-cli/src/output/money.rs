//! Money as rows and details.

use jiff::tz::TimeZone;
use limiter_api::money::{Balance, BillLine, LedgerEntry, Order, PriceBook, PriceTier, Quote, Statement};

use super::View;
use super::text::{micro, moment, rate, some, some_micro, some_moment, words, yes};

impl View for PriceBook {
    const HEAD: &[&str] = &["version", "from", "currency", "in force"];

    fn id(&self) -> &str {
        &self.currency
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        let from = moment(self.effective_from, zone);
        vec![self.version.to_string(), from, self.currency.clone(), yes(self.in_force)]
    }

    fn details(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        let mut details: Vec<_> = Self::HEAD.iter().copied().zip(self.cells(zone)).collect();
        let items = self.items.iter().map(|(name, list)| ("price", format!("{name}: {}", tiers(list))));
        details.extend(items);
        details
    }
}

/// `3.40 up to 5 Mbps, 11.83 above`.
fn tiers(list: &[PriceTier]) -> String {
    let tier = |tier: &PriceTier| {
        let price = micro(tier.micro_per_unit);
        match tier.up_to_bps {
            Some(end) => format!("{price} up to {}", rate(end)),
            None if list.len() == 1 => price,
            None => format!("{price} above"),
        }
    };
    list.iter().map(tier).collect::<Vec<_>>().join(", ")
}

impl View for Quote {
    const HEAD: &[&str] = &["for", "amount", "without discount", "currency", "affordable", "term ends"];

    fn id(&self) -> &str {
        &self.kind
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            words(&self.kind),
            some_micro(self.amount_micro),
            some_micro(self.original_micro),
            some(self.currency.as_deref()),
            yes(self.affordable),
            some_moment(self.expires_at, zone),
        ]
    }
}

impl View for Balance {
    const HEAD: &[&str] = &[
        "balance",
        "credit limit",
        "available",
        "currency",
        "pays",
        "standing",
        "overdue since",
        "suspended at",
        "account",
    ];

    fn id(&self) -> &str {
        &self.account
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            some_micro(self.balance_micro),
            some_micro(self.credit_limit_micro),
            some_micro(self.available_micro),
            some(self.currency.as_deref()),
            format!("{}.{:02} %", self.discount_bp / 100, self.discount_bp % 100),
            self.standing.clone(),
            some_moment(self.overdue_since, zone),
            some_moment(self.suspends_at, zone),
            self.account.clone(),
        ]
    }
}

impl View for LedgerEntry {
    const HEAD: &[&str] = &["number", "at", "kind", "amount", "balance", "why"];

    fn id(&self) -> &str {
        &self.source
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            self.number.to_string(),
            moment(self.at, zone),
            words(&self.kind),
            micro(self.amount_micro),
            micro(self.balance_micro),
            self.detail.clone(),
        ]
    }
}

impl View for Order {
    const HEAD: &[&str] = &["at", "kind", "amount", "without discount", "what", "id"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            moment(self.at, zone),
            words(&self.kind),
            some_micro(self.amount_micro),
            some_micro(self.original_micro),
            self.detail.clone(),
            self.id.clone(),
        ]
    }
}

impl View for BillLine {
    const HEAD: &[&str] = &["hour", "plan", "amount", "explained"];

    fn id(&self) -> &str {
        &self.plan
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        let (hour, amount) = (moment(self.hour, zone), micro(self.amount_micro));
        vec![hour, self.plan.clone(), amount, self.explained.clone()]
    }
}

impl View for Statement {
    const HEAD: &[&str] = &["month", "opening", "hours", "total", "closing", "currency", "written"];

    fn id(&self) -> &str {
        &self.month
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        let written = self.issued_at.map_or_else(|| "not yet".to_owned(), |at| moment(at, zone));
        vec![
            self.month.clone(),
            micro(self.opening_micro),
            micro(self.hours_micro),
            micro(self.total_micro),
            micro(self.closing_micro),
            some(self.currency.as_deref()),
            written,
        ]
    }

    fn details(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        let mut details: Vec<_> = Self::HEAD.iter().copied().zip(self.cells(zone)).collect();
        let sums = self.sums_micro.iter();
        details.extend(sums.map(|(kind, sum)| ("sum", format!("{} {}", micro(*sum), words(kind)))));
        details
    }
}
