//! Terms of subscriptions: billing days, and months that come back to their day.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

use crate::price::Amount;
use crate::{Duration, Settings, Slice};

/// A bought period with what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The period.
    pub slice: Slice,
    /// Its end: 00:00 of the billing zone.
    pub expires_at: Timestamp,
    /// The day of the month that renewals by months come back to.
    pub anchor_day: i8,
}

/// The term of a plan that starts at `at`. The rest of that day is a gift.
///
/// Nothing is paid for its slice yet, which is also so for [`extend`].
pub fn start(at: Timestamp, duration: Duration, settings: &Settings) -> Term {
    let first_day = billing_day(at, settings);
    let last_day = later(first_day, duration, first_day.day()).saturating_add(1.day());
    term(unpaid(first_day, last_day, duration), last_day.day(), settings)
}

/// The term that follows one which ends at `expires_at`.
pub fn extend(expires_at: Timestamp, anchor_day: i8, duration: Duration, settings: &Settings) -> Term {
    let first_day = billing_day(expires_at, settings);
    let last_day = later(first_day, duration, anchor_day);
    let anchor_day = if duration.months().is_some() { anchor_day } else { last_day.day() };
    term(unpaid(first_day, last_day, duration), anchor_day, settings)
}

/// The first instant of the billing day after `day`.
pub(crate) fn end_of_day(day: Date, settings: &Settings) -> Timestamp {
    day.tomorrow().map_or(Timestamp::MAX, |next| hour_of_day(next, 0, settings))
}

/// The calendar day of the billing zone.
pub fn billing_day(at: Timestamp, settings: &Settings) -> Date {
    zone(settings).to_datetime(at).date()
}

/// The hour `hour` of a billing day.
pub fn hour_of_day(day: Date, hour: i8, settings: &Settings) -> Timestamp {
    zone(settings).to_timestamp(day.at(hour.clamp(0, 23), 0, 0, 0)).unwrap_or(Timestamp::MAX)
}

/// The latest end that a renewal at `now` may reach.
pub fn horizon(now: Timestamp, settings: &Settings) -> Timestamp {
    let years = settings.renew_horizon_years.clamp(0, 1000).years();
    let latest = zone(settings).to_datetime(now).saturating_add(years);
    zone(settings).to_timestamp(latest).unwrap_or(Timestamp::MAX)
}

fn unpaid(first_day: Date, last_day: Date, duration: Duration) -> Slice {
    Slice { first_day, last_day, duration, value: Amount::ZERO, value_from: first_day }
}

fn term(slice: Slice, anchor_day: i8, settings: &Settings) -> Term {
    Term { expires_at: hour_of_day(slice.last_day, 0, settings), slice, anchor_day }
}

/// `day` and `duration`; months end on `anchor_day`, or on their last day where they are shorter.
fn later(day: Date, duration: Duration, anchor_day: i8) -> Date {
    let Some(months) = duration.months() else { return day.saturating_add(7.days()) };
    let month = day.first_of_month().saturating_add(months.months());
    month.saturating_add((anchor_day.min(month.days_in_month()) - 1).days())
}

fn zone(settings: &Settings) -> Offset {
    Offset::from_hours(settings.billing_utc_offset_hours).unwrap_or(Offset::UTC)
}
