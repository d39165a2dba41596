//! What an hour of pay-as-you-go costs.

use jiff::{SignedDuration, Timestamp};

use crate::Settings;
use crate::price::{Amount, Discount, Money, PARTS, PriceBook, shown_mbps};
use crate::segment::{Segment, highest};
use crate::usage::hour_of;

/// Bytes that a price of traffic is for.
const GIB: i128 = 1 << 30;

/// Seconds of an hour.
const HOUR_S: i64 = 3600;

/// How much more than a peak can pass in an hour is still believed, in hundredths.
const PLAUSIBLE_PERCENT: u128 = 105;

/// What an hour of a plan costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is charged.
    pub item: LineItem,
    /// The beginning of the clock hour.
    pub hour: Timestamp,
    /// 0; an adjustment has the next number.
    pub revision: u32,
    /// The highest peak in bits per second, or inbound bytes.
    pub quantity: u64,
    /// What it costs without discount.
    pub original: Amount,
    /// What it costs.
    pub amount: Amount,
    /// What of the price is paid.
    pub discount: Discount,
    /// The price book that holds at the beginning of the hour.
    pub book: u32,
    /// True where more passed than the peak lets through: an operator decides, nothing is taken.
    pub held: bool,
}

/// What is charged by the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineItem {
    /// The highest peak.
    BandwidthHour,
    /// Inbound bytes.
    TrafficIn,
}

impl LineItem {
    /// All.
    pub const ALL: [Self; 2] = [Self::BandwidthHour, Self::TrafficIn];

    /// As written everywhere.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BandwidthHour => "bandwidth_hour",
            Self::TrafficIn => "traffic_in",
        }
    }
}

/// How a line comes about, for a reader: `20Mbps at its highest: 5 x 0.01 + 15 x 0.02 = 0.35, 80% paid`.
pub fn explained(line: &Line, book: &PriceBook) -> String {
    let (what, parts) = match line.item {
        LineItem::BandwidthHour => {
            (format!("{} at its highest", shown_mbps(line.quantity)), book.hour_parts(line.quantity))
        }
        LineItem::TrafficIn => {
            let price = Amount::new(book.traffic_micro());
            (format!("{} bytes in", line.quantity), vec![format!("{price} for 2^30")])
        }
    };
    let mut text = format!("{what}: {} = {}", parts.join(" + "), line.original);
    let points = line.discount.basis_points();
    if line.discount != Discount::NONE {
        text += &format!(", {}.{:02}% paid", points / 100, points % 100);
    }
    if line.revision > 0 {
        text += &format!(", adjustment {}", line.revision);
    }
    if line.held {
        text += ", held: more than the peak lets through";
    }
    text
}

/// The beginning of the clock hour after that of `hour`.
pub fn next_hour(hour: Timestamp) -> Timestamp {
    hour_of(hour).saturating_add(SignedDuration::from_secs(HOUR_S)).unwrap_or(Timestamp::MAX)
}

/// When the hour that begins at `hour` is closed: whoever measured it has said so by then.
pub fn closed_at(hour: Timestamp, settings: &Settings) -> Timestamp {
    next_hour(hour).saturating_add(settings.bill_delay).unwrap_or(Timestamp::MAX)
}

/// When the hour that begins at `hour` is closed without those who have not said what they measured in it.
pub fn closed_at_last(hour: Timestamp, settings: &Settings) -> Timestamp {
    next_hour(hour).saturating_add(settings.late_samples).unwrap_or(Timestamp::MAX)
}

/// The line of pay-by-bandwidth for the clock hour that begins at `hour`: a started hour is a whole one.
/// [`None`]: the plan was not billable in it.
pub fn by_bandwidth(history: &[Segment], hour: Timestamp, money: &Money<'_>) -> Option<Line> {
    let peak = highest(history, hour, next_hour(hour))?;
    let price = money.books.at(hour).hour(peak);
    let line = line(LineItem::BandwidthHour, hour, peak.bps(), money);
    let amount = |discount: Discount| Amount::saturated(discount.of(price) / PARTS);
    Some(Line { original: amount(Discount::NONE), amount: amount(line.discount), ..line })
}

/// The line of pay-by-data-transfer for `bytes` that came in during the clock hour that begins at `hour`.
/// `billed`: the lines of the hour that there are; the new one adjusts them. [`None`]: there is nothing to
/// add, or the plan was not billable in the hour.
pub fn by_traffic(
    history: &[Segment],
    hour: Timestamp,
    bytes: u64,
    billed: &[Line],
    money: &Money<'_>,
) -> Option<Line> {
    let peak = highest(history, hour, next_hour(hour))?;
    let before: u64 = billed.iter().map(|line| line.quantity).fold(0, u64::saturating_add);
    let more = bytes.checked_sub(before).filter(|more| *more > 0)?;
    let first = billed.first();
    let line = line(LineItem::TrafficIn, hour, more, money);
    let discount = first.map_or(line.discount, |line| line.discount);
    let price = i128::from(money.books.at(hour).traffic_micro());
    let amount = |bytes: u64, discount: Discount| {
        Amount::saturated(discount.of(i128::from(bytes) * price) / (10_000 * GIB))
    };
    let added = |discount| amount(bytes, discount).minus(amount(before, discount));
    let possible = u128::from(peak.bps()) * HOUR_S as u128 * PLAUSIBLE_PERCENT;
    Some(Line {
        revision: billed.len().try_into().unwrap_or(u32::MAX),
        original: added(Discount::NONE),
        amount: added(discount),
        discount,
        held: u128::from(bytes) * 8 * 100 > possible,
        ..line
    })
}

fn line(item: LineItem, hour: Timestamp, quantity: u64, money: &Money<'_>) -> Line {
    Line {
        item,
        hour,
        revision: 0,
        quantity,
        original: Amount::ZERO,
        amount: Amount::ZERO,
        discount: money.purse.discount,
        book: money.books.at(hour).version,
        held: false,
    }
}
