//! Price books: versions that never change, each valid from an instant on.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use limiter_state::Rate;

use super::currency::Currency;
use super::tiers::{Tier, Tiers};
use crate::{Code, Duration, Refusal};

/// Item of pay-by-bandwidth: a Mbps for an hour.
const BANDWIDTH: &str = "payg.bandwidth";
/// Item of pay-by-data-transfer: 2^30 inbound bytes.
const TRAFFIC: &str = "payg.traffic";

/// What everything costs while there is no book: nothing.
static FREE: LazyLock<PriceBook> = LazyLock::new(|| PriceBook {
    version: 0,
    effective_from: Timestamp::MIN,
    currency: None,
    periods: Duration::ALL.map(|_| Tiers::flat(0)),
    bandwidth: Tiers::flat(0),
    traffic: Tiers::flat(0),
});

/// The prices of a deployment from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceBook {
    /// 1 for the first; 0 for the one that is there before.
    pub version: u32,
    /// Prices before this instant are those of the version before.
    pub effective_from: Timestamp,
    /// What amounts are in; [`None`] where nothing costs anything yet.
    pub currency: Option<Currency>,
    /// In the order of [`Duration::ALL`].
    periods: [Tiers; 8],
    bandwidth: Tiers,
    traffic: Tiers,
}

/// What a price book is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPriceBook {
    /// When it begins to hold; [`None`]: at once.
    pub effective_from: Option<Timestamp>,
    /// A code of ISO 4217.
    pub currency: String,
    /// The tiers of each item: `sub.1w` to `sub.3y`, `payg.bandwidth`, `payg.traffic`. That of traffic is a
    /// single one, for each 2^30 bytes.
    pub items: Vec<(String, Vec<Tier>)>,
}

/// All price books, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books(Vec<Arc<PriceBook>>);

impl PriceBook {
    /// A book of the items of `new`: all of them, once.
    fn new(version: u32, effective_from: Timestamp, new: &NewPriceBook) -> Result<Self, Refusal> {
        let currency = Some(Currency::new(&new.currency)?);
        let names = item_names();
        for (place, (name, _)) in new.items.iter().enumerate() {
            let twice = new.items[..place].iter().any(|(other, _)| other == name);
            if twice || !names.contains(name) {
                let problem = if twice { "is there twice" } else { "is no item" };
                let name = crate::text::shortened(name);
                let message = format!("{name:?} {problem}; write {} once each", names.join(", "));
                return Err(Refusal::new(Code::InvalidParameter, message).at("items"));
            }
        }
        let tiers = |name: &str| {
            if let Some((_, tiers)) = new.items.iter().find(|(item, _)| item == name) {
                return Tiers::new(&format!("items.{name}"), tiers);
            }
            let message = format!("{name} has no price; write one, or a price of 0 where it is free");
            Err(Refusal::new(Code::MissingParameter, message).at(format!("items.{name}")))
        };
        let mut periods = Duration::ALL.map(|_| Tiers::flat(0));
        for (duration, place) in Duration::ALL.iter().zip(&mut periods) {
            *place = tiers(&period_name(*duration))?;
        }
        let traffic = tiers(TRAFFIC)?;
        if traffic.list().len() > 1 {
            let message = "the price of traffic does not depend on the peak; write one tier";
            return Err(Refusal::new(Code::InvalidParameter, message).at(format!("items.{TRAFFIC}")));
        }
        Ok(Self { version, effective_from, currency, periods, bandwidth: tiers(BANDWIDTH)?, traffic })
    }

    /// A book as it was kept. Refused as a new one is.
    pub fn kept(
        version: u32,
        effective_from: Timestamp,
        currency: &str,
        items: Vec<(String, Vec<Tier>)>,
    ) -> Result<Self, Refusal> {
        let new = NewPriceBook { effective_from: None, currency: currency.to_owned(), items };
        Self::new(version, effective_from, &new)
    }

    /// The items with their tiers.
    pub fn items(&self) -> Vec<(String, &[Tier])> {
        let periods = Duration::ALL.iter().zip(&self.periods);
        let mut items: Vec<_> =
            periods.map(|(duration, tiers)| (period_name(*duration), tiers.list())).collect();
        items.push((BANDWIDTH.to_owned(), self.bandwidth.list()));
        items.push((TRAFFIC.to_owned(), self.traffic.list()));
        items
    }

    /// The price of a period without discount, in millionths of a millionth.
    pub(crate) fn period(&self, peak: Rate, duration: Duration) -> i128 {
        let periods = Duration::ALL.iter().zip(&self.periods);
        periods.filter(|(each, _)| **each == duration).map(|(_, tiers)| tiers.price(peak)).sum()
    }

    /// The price of an hour without discount, in millionths of a millionth.
    pub(crate) fn hour(&self, peak: Rate) -> i128 {
        self.bandwidth.price(peak)
    }

    /// The parts of the price of an hour, for a reader.
    pub(crate) fn hour_parts(&self, peak_bps: u64) -> Vec<String> {
        self.bandwidth.parts(peak_bps)
    }

    /// The price of 2^30 inbound bytes without discount, in millionths.
    pub(crate) fn traffic_micro(&self) -> i64 {
        self.traffic.first()
    }
}

impl Books {
    /// There is none.
    pub const NONE: Self = Self(Vec::new());

    /// Books as they were kept.
    pub fn new(books: Vec<Arc<PriceBook>>) -> Self {
        let mut books = books;
        books.sort_by_key(|book| book.version);
        Self(books)
    }

    /// The book that holds at `at`.
    pub fn at(&self, at: Timestamp) -> &PriceBook {
        self.0.iter().rev().find(|book| book.effective_from <= at).map_or(&*FREE, |book| book)
    }

    /// All, oldest first.
    pub fn list(&self) -> &[Arc<PriceBook>] {
        &self.0
    }

    /// The next book: later than all there are, not before `now`, in the same currency.
    ///
    /// Refused with `InvalidParameter` and `MissingParameter`, also for what [`Tiers::new`] refuses.
    pub fn next(&self, new: &NewPriceBook, now: Timestamp) -> Result<PriceBook, Refusal> {
        let refuse = |field: &str, message| Err(Refusal::new(Code::InvalidParameter, message).at(field));
        let last = self.0.last();
        let from = new.effective_from.unwrap_or(now);
        if from < now {
            return refuse(
                "effective_from",
                format!("{from} has passed; nothing is billed backwards: leave it out"),
            );
        }
        if let Some(last) = last.filter(|last| from <= last.effective_from) {
            let message = format!(
                "{from} is not after {}, from which version {} holds; write a later instant",
                last.effective_from, last.version
            );
            return refuse("effective_from", message);
        }
        let version = last.map_or(0, |last| last.version).saturating_add(1);
        let book = PriceBook::new(version, from, new)?;
        match last.and_then(|last| last.currency) {
            Some(currency) if book.currency != Some(currency) => {
                let message =
                    format!("{} is another currency than {currency}; a deployment has one", new.currency);
                refuse("currency", message)
            }
            _ => Ok(book),
        }
    }
}

fn period_name(duration: Duration) -> String {
    format!("sub.{duration}")
}

fn item_names() -> Vec<String> {
    let mut names: Vec<_> = Duration::ALL.map(period_name).into();
    names.extend([BANDWIDTH.to_owned(), TRAFFIC.to_owned()]);
    names
}
